/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include "base/util.h"
#include "host/core/client.h"

/*
 * Regions: memory of the client that the device may reach, under keys that the client chooses.
 * A client may have 65,536, so a region is one small allocation with the platform's mapping
 * behind it.
 */

struct core_region {
	struct core_node node;
	uint64_t size;
	bool leaving;			/* is being unregistered; client->lock */
	uint64_t mapping[];		/* the platform's */
};

static struct core_region *to_region(struct core_node *n)
{
	return n ? container_of(n, struct core_region, node) : NULL;
}

/* Fill in the reply: how many segments, then address and length of each. */
static void reply(struct core_call *call, const struct gw_core_prepared *p)
{
	call->out[0] = p->nr;
	for (unsigned int i = 0; i < p->nr; i++) {
		call->out[1 + 2 * i] = p->seg[i].iova;
		call->out[2 + 2 * i] = p->seg[i].size;
	}
	call->nr_filled = 1 + 2 * p->nr;
}

/* An earlier client takes one segment, whatever it has room for. */
static unsigned int segment_room(const struct gw_core *core, const struct core_call *call)
{
	unsigned int nr = (call->room - 1) / 2;

	if (core->old)
		return 1;
	return nr < GW_DEXT_MAX_SEGMENTS ? nr : GW_DEXT_MAX_SEGMENTS;
}

static uint32_t insert(struct gw_core_client *c, struct core_region *r,
		       const struct gw_core_request *req, struct core_call *call)
{
	struct gw_core_prepared p = { .nr = 0 };
	uint32_t ret = GW_IORETURN_STILL_OPEN;

	gw_core_lock(&c->lock);
	if (core_table_find(&c->regions, r->node.key))
		goto unlock;
	ret = GW_IORETURN_NO_MEMORY;
	if (!core_table_insert(&c->regions, &r->node))
		goto unlock;
	ret = core_prepare(c->core, r->mapping, req, segment_room(c->core, call), &p);
	if (ret)
		core_table_remove(&c->regions, r->node.key);
	else
		reply(call, &p);
unlock:
	gw_core_unlock(&c->lock);
	return ret;
}

static uint32_t add(struct gw_core_client *c, uint64_t key, const struct gw_core_request *req,
		    struct core_call *call)
{
	struct core_region *r;
	uint32_t ret;

	if (!req->size || (!req->remote && !req->addr))
		return GW_IORETURN_BAD_ARGUMENT;
	r = calloc(1, sizeof(*r) + c->core->platform->mapping_size);
	if (!r)
		return GW_IORETURN_NO_MEMORY;
	r->node.key = key;
	r->size = req->size;
	ret = insert(c, r, req, call);
	if (ret)
		free(r);
	return ret;
}

uint32_t core_register_region(struct gw_core_client *c, struct core_call *call)
{
	struct gw_core_request req = { .client = c->ctx, .addr = call->in[1], .size = call->in[2] };

	return add(c, call->in[0], &req, call);
}

static bool take_flags(uint64_t flags, uint64_t iova, struct gw_core_request *req)
{
	req->read_only = flags & GW_DEXT_REGION_READ_ONLY;
	req->fixed = flags & GW_DEXT_REGION_FIXED;
	req->iova = iova;
	return !(flags & ~(uint64_t)(GW_DEXT_REGION_READ_ONLY | GW_DEXT_REGION_FIXED));
}

/* A client may ask only for what the limits announce. */
static uint32_t register_with(struct gw_core_client *c, struct gw_core_request *req,
			      struct core_call *call)
{
	uint32_t flags = c->core->limits.flags;

	if (!take_flags(call->in[3], call->in[4], req))
		return GW_IORETURN_BAD_ARGUMENT;
	if ((req->fixed && !(flags & GW_DEXT_LIMIT_CALLER_IOVA)) ||
	    (req->remote && !(flags & GW_DEXT_LIMIT_REMOTE)))
		return GW_IORETURN_UNSUPPORTED;
	return add(c, call->in[0], req, call);
}

uint32_t core_register_at(struct gw_core_client *c, struct core_call *call)
{
	struct gw_core_request req = { .client = c->ctx, .addr = call->in[1], .size = call->in[2] };

	return register_with(c, &req, call);
}

uint32_t core_register_remote(struct gw_core_client *c, struct core_call *call)
{
	struct gw_core_request req = { .client = c->ctx,
				       .remote = (struct gw_remote *)(uintptr_t)call->in[1],
				       .size = call->in[2], .addr = call->in[5] };

	return req.remote ? register_with(c, &req, call) : GW_IORETURN_BAD_ARGUMENT;
}

uint32_t core_unregister_region(struct gw_core_client *c, struct core_call *call)
{
	struct core_region *r;
	uint32_t ret;

	gw_core_lock(&c->lock);
	r = to_region(core_table_find(&c->regions, call->in[0]));
	if (r && r->leaving)
		r = NULL;
	if (r)
		r->leaving = true;
	gw_core_unlock(&c->lock);
	if (!r)
		return GW_IORETURN_NOT_FOUND;
	/* waits for accesses under way, so not under the lock */
	ret = core_complete(c->core, r->mapping, r->size);
	gw_core_lock(&c->lock);
	r->leaving = false;
	if (!ret)
		core_table_remove(&c->regions, call->in[0]);
	gw_core_unlock(&c->lock);
	if (!ret)
		free(r);
	return ret;
}

uint32_t core_probe_region(struct gw_core_client *c, struct core_call *call)
{
	uint64_t off = call->in[1];
	struct core_region *r;
	uint32_t ret = GW_IORETURN_NOT_FOUND;

	gw_core_lock(&c->lock);
	r = to_region(core_table_find(&c->regions, call->in[0]));
	if (r && (off > r->size || r->size - off < sizeof(uint64_t)))
		ret = GW_IORETURN_OVERRUN;
	else if (r)
		ret = c->core->platform->dma_probe(c->core->ctx, r->mapping, off, call->out);
	gw_core_unlock(&c->lock);
	return ret;
}

void core_drop_regions(struct gw_core_client *c)
{
	struct core_region *r;
	uint64_t bytes = 0;
	size_t left = 0;

	for (; (r = to_region(core_table_take(&c->regions))); left++) {
		bytes += r->size;
		/* what the device still uses stays for good */
		if (!core_complete(c->core, r->mapping, r->size))
			free(r);
	}
	core_table_fini(&c->regions);
	if (left)
		c->core->platform->event(c->core->ctx, GW_CORE_EVENT_LEFT, left, bytes);
}
