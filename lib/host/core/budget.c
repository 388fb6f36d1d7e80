/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/core/client.h"

/*
 * What all clients of a function together may have mapped. The budget is taken before the platform
 * is asked, because platforms fail badly beyond it, and given back once they have let go.
 */

static uint32_t take(struct gw_core *core, uint64_t size)
{
	const struct gw_core_limits *l = &core->limits;
	uint32_t ret = GW_IORETURN_SUCCESS;
	uint64_t used;

	gw_core_lock(&core->budget_lock);
	used = core->bytes;
	if (core->maps >= l->max_maps || size > l->max_map_bytes || size > l->max_bytes - used) {
		ret = GW_IORETURN_NO_SPACE;
	} else {
		core->maps++;
		core->bytes += size;
	}
	gw_core_unlock(&core->budget_lock);
	if (ret)
		core->platform->event(core->ctx, GW_CORE_EVENT_BUDGET, size, used);
	return ret;
}

static void give_back(struct gw_core *core, uint64_t size)
{
	gw_core_lock(&core->budget_lock);
	core->maps--;
	core->bytes -= size;
	gw_core_unlock(&core->budget_lock);
}

/*
 * Is all of it mapped, in no more pieces than there is room for, and can the device do what it has
 * to?
 */
static uint32_t check(struct gw_core *core, const struct gw_core_request *req, unsigned int room,
		      const struct gw_core_prepared *p)
{
	unsigned int want = GW_CORE_DIRECTION_OUT | (req->read_only ? 0 : GW_CORE_DIRECTION_IN);
	uint64_t left = req->size;

	if (!p->nr || p->nr > GW_CORE_MAX_SEGMENTS)
		return GW_IORETURN_ERROR;
	for (unsigned int i = 0; i < p->nr; i++) {
		if (!p->seg[i].size || p->seg[i].size > left)
			return GW_IORETURN_ERROR;
		left -= p->seg[i].size;
	}
	if (left)
		core->platform->event(core->ctx, GW_CORE_EVENT_TRUNCATED, req->size, left);
	if (left || p->nr > room)
		return GW_IORETURN_NOT_ALIGNED;
	return (p->directions & want) == want ? GW_IORETURN_SUCCESS : GW_IORETURN_NOT_WRITABLE;
}

uint32_t core_prepare(struct gw_core *core, void *mapping, const struct gw_core_request *req,
		      unsigned int room, struct gw_core_prepared *out)
{
	uint32_t ret = take(core, req->size);

	if (ret)
		return ret;
	core->platform->event(core->ctx, GW_CORE_EVENT_PREPARE, req->addr, req->size);
	ret = core->platform->dma_prepare(core->ctx, mapping, req, out);
	if (ret) {
		give_back(core, req->size);
		return ret;
	}
	ret = check(core, req, room, out);
	/* the device was not told where it is, so nothing holds it for long */
	while (ret && core_complete(core, mapping, req->size))
		continue;
	return ret;
}

uint32_t core_complete(struct gw_core *core, void *mapping, uint64_t size)
{
	uint32_t ret = core->platform->dma_complete(core->ctx, mapping);

	if (!ret)
		give_back(core, size);
	return ret;
}
