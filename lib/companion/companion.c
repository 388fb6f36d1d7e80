/* SPDX-License-Identifier: BSD-3-Clause */
#include "companion/companion.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/util.h"

/*
 * How it works: what registers, ring and command page have in common: mappings are made and ended
 * in the function's address space, counted, and what is used is written where the guest reads it.
 * Nothing here calls what stands above it: whoever has to know learns it from what is returned.
 */

uint32_t gw_companion_status(int err)
{
	switch (-err) {
	case 0:
		return GW_STATUS_OK;
	case EINVAL:
	case EOVERFLOW:
	case EFAULT:
	case EACCES:
	case E2BIG:
		return GW_STATUS_INVAL;
	case ENOSPC:
		return GW_STATUS_NOSPC;
	case ENOBUFS:
	case ENOMEM:
		return GW_STATUS_NOROOM;
	case ERANGE:
		return GW_STATUS_RANGE;
	case EXDEV:
		return GW_STATUS_SPLIT;
	case ENOENT:
		return GW_STATUS_NOENT;
	case EBUSY:
	case EAGAIN:
		return GW_STATUS_BUSY;
	case ESTALE:
		return GW_STATUS_STALE;
	default:
		return GW_STATUS_IOERR;
	}
}

static const struct {
	const char *name, *text;
} refusals[GW_NR_REFUSALS] = {
	[GW_REFUSED_INVALID] = { "invalid", "no memory that can be mapped so" },
	[GW_REFUSED_SPLIT] = { "split", "not one piece of memory here" },
	[GW_REFUSED_RANGE] = { "range", "no place that the device can reach" },
	[GW_REFUSED_BUDGET] = { "budget", "over the function's budget" },
	[GW_REFUSED_ROOM] = { "room", "the host has no room" },
	[GW_REFUSED_UNKNOWN] = { "unknown", "no such mapping" },
	[GW_REFUSED_BUSY] = { "busy", "everything is being unmapped" },
	[GW_REFUSED_FAILED] = { "failed", "the host did not do it" },
};

const char *gw_refusal_name(enum gw_refusal why)
{
	return refusals[why].name;
}

static enum gw_refusal refusal_of(int err)
{
	switch (gw_companion_status(err)) {
	case GW_STATUS_INVAL:
		return GW_REFUSED_INVALID;
	case GW_STATUS_SPLIT:
		return GW_REFUSED_SPLIT;
	case GW_STATUS_RANGE:
		return GW_REFUSED_RANGE;
	case GW_STATUS_NOSPC:
		return GW_REFUSED_BUDGET;
	case GW_STATUS_NOROOM:
		return GW_REFUSED_ROOM;
	case GW_STATUS_NOENT:
	case GW_STATUS_STALE:
		return GW_REFUSED_UNKNOWN;
	case GW_STATUS_BUSY:
		return GW_REFUSED_BUSY;
	default:
		return GW_REFUSED_FAILED;
	}
}

void gw_companion_refuse(struct gw_companion *c, const char *what, uint64_t addr, uint64_t len,
			 int err)
{
	enum gw_refusal why = refusal_of(err);

	c->stats.refused[why]++;
	gw_log_guest(c->log, "%s: the guest's %s of %#" PRIx64 "+%#" PRIx64 " is refused: %s (%s)",
		     c->name, what, addr, len, refusals[why].text, strerror(-err));
}

int gw_companion_map(struct gw_companion *c, const struct gw_dma_want *want,
		     struct gw_mapping *map)
{
	int ret = c->kept ? -ESTALE : gw_dma_guest_map(c->dma, want, map);

	if (!ret)
		c->stats.maps++;
	return ret;
}

int gw_companion_unmap(struct gw_companion *c, uint64_t handle)
{
	int ret = gw_dma_guest_unmap(c->dma, handle);

	if (!ret)
		c->stats.unmaps++;
	return ret;
}

bool gw_companion_publish(struct gw_companion *c)
{
	struct gw_dma_usage u;

	gw_dma_usage(c->dma, &u);
	__atomic_store_n(&c->page->used_bytes, u.mapped.bytes, __ATOMIC_RELAXED);
	__atomic_store_n(&c->page->used_maps, (uint32_t)u.mapped.maps, __ATOMIC_RELAXED);
	if (c->stats.generation == u.generation && c->stats.dropped == u.dropped)
		return false;
	c->stats.generation = u.generation;
	__atomic_store_n(&c->stats.dropped, u.dropped, __ATOMIC_RELAXED);
	__atomic_store_n(&c->page->dropped, u.dropped, __ATOMIC_RELAXED);
	__atomic_store_n(&c->page->generation, u.generation, __ATOMIC_RELEASE);
	return true;
}

void gw_companion_kick(struct gw_companion *c)
{
	c->kicked = true;
	pthread_cond_signal(&c->kick);
}

int gw_companion_release(struct gw_companion *c, uint64_t deadline)
{
	int ret = gw_dma_guest_release(c->dma, deadline);

	c->releasing = ret;
	if (ret)
		gw_companion_kick(c);
	return ret;
}
