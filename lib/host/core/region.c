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
	RB_ENTRY(core_region) link;
	uint64_t key;
	uint64_t mapping[];		/* the platform's */
};

static int region_cmp(const struct core_region *a, const struct core_region *b)
{
	return a->key < b->key ? -1 : a->key > b->key;
}

RB_PROTOTYPE(gw_core_regions, core_region, link, region_cmp)
RB_GENERATE(gw_core_regions, core_region, link, region_cmp)

/* Fill in the reply: how many segments, then address and length of each. */
static void reply(struct core_call *call, const struct gw_segment *seg, unsigned int nr)
{
	call->out[0] = nr;
	for (unsigned int i = 0; i < nr; i++) {
		call->out[1 + 2 * i] = seg[i].iova.v;
		call->out[2 + 2 * i] = seg[i].size;
	}
	call->nr_filled = 1 + 2 * nr;
}

static uint32_t insert(struct gw_core_client *c, struct core_region *r,
		       const struct gw_core_request *req, struct core_call *call)
{
	struct gw_core *core = c->core;
	struct gw_segment seg[GW_MAX_SEGMENTS];
	unsigned int nr = (call->room - 1) / 2;
	uint32_t ret;

	if (nr > GW_MAX_SEGMENTS)
		nr = GW_MAX_SEGMENTS;
	pthread_mutex_lock(&c->lock);
	ret = GW_IORETURN_STILL_OPEN;
	if (RB_INSERT(gw_core_regions, &c->regions, r))
		goto unlock;
	ret = core->hooks->dma_prepare(core, r->mapping, req, seg, &nr);
	if (ret)
		RB_REMOVE(gw_core_regions, &c->regions, r);
	else
		reply(call, seg, nr);
unlock:
	pthread_mutex_unlock(&c->lock);
	return ret;
}

static uint32_t add(struct gw_core_client *c, uint64_t key, const struct gw_core_request *req,
		    struct core_call *call)
{
	struct core_region *r;
	uint32_t ret;

	if (!req->size || (!req->remote && !req->addr))
		return GW_IORETURN_BAD_ARGUMENT;
	r = calloc(1, sizeof(*r) + c->core->hooks->mapping_size);
	if (!r)
		return GW_IORETURN_NO_MEMORY;
	r->key = key;
	ret = insert(c, r, req, call);
	if (ret)
		free(r);
	return ret;
}

uint32_t gw_core_register_region(struct gw_core_client *c, struct core_call *call)
{
	struct gw_core_request req = { .addr = call->in[1], .size = call->in[2] };

	return add(c, call->in[0], &req, call);
}

static bool take_flags(uint64_t flags, uint64_t iova, struct gw_core_request *req)
{
	req->read_only = flags & GW_DEXT_REGION_READ_ONLY;
	req->fixed = flags & GW_DEXT_REGION_FIXED;
	req->iova = iova;
	return !(flags & ~(uint64_t)(GW_DEXT_REGION_READ_ONLY | GW_DEXT_REGION_FIXED));
}

uint32_t gw_core_register_at(struct gw_core_client *c, struct core_call *call)
{
	struct gw_core_request req = { .addr = call->in[1], .size = call->in[2] };

	if (!take_flags(call->in[3], call->in[4], &req))
		return GW_IORETURN_BAD_ARGUMENT;
	return add(c, call->in[0], &req, call);
}

uint32_t gw_core_register_remote(struct gw_core_client *c, struct core_call *call)
{
	struct gw_core_request req = { .remote = (struct gw_remote *)(uintptr_t)call->in[1],
				       .size = call->in[2], .addr = call->in[5] };

	if (!req.remote || !take_flags(call->in[3], call->in[4], &req))
		return GW_IORETURN_BAD_ARGUMENT;
	return add(c, call->in[0], &req, call);
}

uint32_t gw_core_unregister_region(struct gw_core_client *c, struct core_call *call)
{
	struct core_region *r, key = { .key = call->in[0] };

	pthread_mutex_lock(&c->lock);
	r = RB_FIND(gw_core_regions, &c->regions, &key);
	if (r)
		RB_REMOVE(gw_core_regions, &c->regions, r);
	pthread_mutex_unlock(&c->lock);
	if (!r)
		return GW_IORETURN_NOT_FOUND;
	/* waits for accesses under way, so not under the lock */
	c->core->hooks->dma_complete(c->core, r->mapping);
	free(r);
	return GW_IORETURN_SUCCESS;
}

uint32_t gw_core_probe_region(struct gw_core_client *c, struct core_call *call)
{
	struct core_region *r, key = { .key = call->in[0] };
	uint32_t ret = GW_IORETURN_NOT_FOUND;

	pthread_mutex_lock(&c->lock);
	r = RB_FIND(gw_core_regions, &c->regions, &key);
	if (r)
		ret = c->core->hooks->dma_probe(c->core, r->mapping, call->in[1], call->out);
	pthread_mutex_unlock(&c->lock);
	return ret;
}

void gw_core_drop_regions(struct gw_core_client *c)
{
	struct core_region *r;
	size_t left = 0;

	for (; (r = RB_ROOT(&c->regions)); left++) {
		RB_REMOVE(gw_core_regions, &c->regions, r);
		c->core->hooks->dma_complete(c->core, r->mapping);
		free(r);
	}
	if (left)
		gw_debug(c->core->log, "dext: a connection closed with %zu regions registered",
			 left);
}
