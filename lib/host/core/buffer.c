/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include "base/util.h"
#include "host/core/client.h"

/* The DMA buffer: memory that the platform allocates, one for each client. */

#define ALIGN_DEFAULT	4096u
#define ALIGN_MAX	(1ull << 30)
#define DIRECTION_IN_OUT 3u		/* the flags that preparing both directions reports */
#define MAX_SEGMENTS	32		/* of which the reply has room for one */

struct core_buffer {
	struct gw_core_memory mem;
	uint64_t mapping[];		/* the platform's */
};

static void buffer_free(struct gw_core *core, struct core_buffer *b)
{
	if (!b)
		return;
	core->hooks->dma_complete(core, b->mapping);
	core->hooks->memory_free(core, &b->mem);
	free(b);
}

static uint32_t buffer_new(struct gw_core *core, uint64_t size, uint64_t align,
			   struct core_buffer **out, struct gw_segment *seg, unsigned int *nr)
{
	struct core_buffer *b = calloc(1, sizeof(*b) + core->hooks->mapping_size);
	struct gw_core_request req = { 0 };
	uint32_t ret;

	if (!b)
		return GW_IORETURN_NO_MEMORY;
	ret = core->hooks->memory_alloc(core, size, align, &b->mem);
	if (ret)
		goto free_buffer;
	req.addr = (uintptr_t)b->mem.addr;
	req.size = b->mem.size;
	ret = core->hooks->dma_prepare(core, b->mapping, &req, seg, nr);
	if (ret)
		goto free_memory;
	*out = b;
	return GW_IORETURN_SUCCESS;
free_memory:
	core->hooks->memory_free(core, &b->mem);
free_buffer:
	free(b);
	return ret;
}

uint32_t gw_core_alloc_buffer(struct gw_core_client *c, struct core_call *call)
{
	uint64_t size = call->in[0], align = call->in[1] ? call->in[1] : ALIGN_DEFAULT;
	struct gw_segment seg[MAX_SEGMENTS];
	unsigned int nr = MAX_SEGMENTS;
	uint32_t ret;

	if (!size || size > GW_CORE_MAX_BUFFER || !gw_is_pow2(align) || align > ALIGN_MAX)
		return GW_IORETURN_BAD_ARGUMENT;
	pthread_mutex_lock(&c->buffer_lock);
	buffer_free(c->core, c->buffer);
	c->buffer = NULL;
	ret = buffer_new(c->core, size, align, &c->buffer, seg, &nr);
	if (!ret) {
		call->out[0] = c->buffer->mem.size;
		call->out[1] = DIRECTION_IN_OUT;
		call->out[2] = nr;
		call->out[3] = seg[0].iova.v;
		call->out[4] = seg[0].size;
		call->out[5] = 0;	/* ordinary memory */
	}
	pthread_mutex_unlock(&c->buffer_lock);
	return ret;
}

void gw_core_drop_buffer(struct gw_core_client *c)
{
	pthread_mutex_lock(&c->buffer_lock);
	buffer_free(c->core, c->buffer);
	c->buffer = NULL;
	pthread_mutex_unlock(&c->buffer_lock);
}

uint32_t gw_core_free_buffer(struct gw_core_client *c, struct core_call *call)
{
	gw_core_drop_buffer(c);
	return GW_IORETURN_SUCCESS;
}

uint32_t gw_core_map_buffer(struct gw_core_client *c,
			    uint32_t (*view)(void *opaque, const struct gw_core_memory *mem),
			    void *opaque)
{
	uint32_t ret = GW_IORETURN_NOT_READY;

	pthread_mutex_lock(&c->buffer_lock);
	if (c->buffer)
		ret = view(opaque, &c->buffer->mem);
	pthread_mutex_unlock(&c->buffer_lock);
	return ret;
}
