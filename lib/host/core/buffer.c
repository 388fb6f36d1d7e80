/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include "base/util.h"
#include "host/core/client.h"

/* The DMA buffer: memory that the platform allocates, one for each client. */

#define ALIGN_DEFAULT	4096u
#define ALIGN_MAX	(1ull << 30)

struct core_buffer {
	struct gw_core_memory mem;
	uint64_t mapping[];		/* the platform's */
};

static void buffer_free(struct gw_core *core, struct core_buffer *b)
{
	if (!b || core_complete(core, b->mapping, b->mem.size))
		return;		/* or the device still uses it: then it stays for good */
	core->platform->memory_free(core->ctx, &b->mem);
	free(b);
}

static uint32_t buffer_new(struct gw_core *core, uint64_t size, uint64_t align,
			   struct core_buffer **out, struct gw_core_prepared *p)
{
	struct core_buffer *b = calloc(1, sizeof(*b) + core->platform->mapping_size);
	struct gw_core_request req = { .client = NULL };
	uint32_t ret;

	if (!b)
		return GW_IORETURN_NO_MEMORY;
	ret = core->platform->memory_alloc(core->ctx, size, align, &b->mem);
	if (ret)
		goto free_buffer;
	req.memory = &b->mem;
	req.addr = (uintptr_t)b->mem.addr;
	req.size = b->mem.size;
	/* the reply has room for the first only, and says how many there are */
	ret = core_prepare(core, b->mapping, &req, GW_CORE_MAX_SEGMENTS, p);
	if (ret)
		goto free_memory;
	*out = b;
	return GW_IORETURN_SUCCESS;
free_memory:
	core->platform->memory_free(core->ctx, &b->mem);
free_buffer:
	free(b);
	return ret;
}

uint32_t core_alloc_buffer(struct gw_core_client *c, struct core_call *call)
{
	uint64_t size = call->in[0], align = call->in[1] ? call->in[1] : ALIGN_DEFAULT;
	struct gw_core_prepared p = { .nr = 0 };
	uint32_t ret;

	if (!size || size > GW_CORE_MAX_BUFFER || !gw_is_pow2(align) || align > ALIGN_MAX)
		return GW_IORETURN_BAD_ARGUMENT;
	gw_core_lock(&c->buffer_lock);
	buffer_free(c->core, c->buffer);
	c->buffer = NULL;
	ret = buffer_new(c->core, size, align, &c->buffer, &p);
	if (!ret) {
		call->out[0] = c->buffer->mem.size;
		call->out[1] = p.directions;
		call->out[2] = p.nr;
		call->out[3] = p.seg[0].iova;
		call->out[4] = p.seg[0].size;
		call->out[5] = 0;	/* ordinary memory */
	}
	gw_core_unlock(&c->buffer_lock);
	return ret;
}

void core_drop_buffer(struct gw_core_client *c)
{
	gw_core_lock(&c->buffer_lock);
	buffer_free(c->core, c->buffer);
	c->buffer = NULL;
	gw_core_unlock(&c->buffer_lock);
}

uint32_t core_free_buffer(struct gw_core_client *c, struct core_call *call)
{
	core_drop_buffer(c);
	return GW_IORETURN_SUCCESS;
}

uint32_t core_map_buffer(struct gw_core_client *c,
			 uint32_t (*view)(void *opaque, const struct gw_core_memory *mem),
			 void *opaque)
{
	uint32_t ret = GW_IORETURN_NOT_READY;

	gw_core_lock(&c->buffer_lock);
	if (c->buffer)
		ret = view(opaque, &c->buffer->mem);
	gw_core_unlock(&c->buffer_lock);
	return ret;
}
