// SPDX-License-Identifier: GPL-2.0-only
/*
 * Extents: RAM that is mapped once, at an address that suits it.
 *
 * How it works. The host says where a mapping is, and some platforms align that to their granule
 * only, or let it lie across a multiple of 4 GiB. So a mapping that does not suit is undone and
 * tried again, a little later in memory: by as much as would have made the last one suit. A host
 * that takes the first place that is free gives that again; with others it is luck, of which a few
 * tries have enough.
 */

#include <linux/dma-mapping.h>

#include "companion.h"
#include "extent.h"

#define MAX_TRIES	32
#define EDGE_SHIFT	32	/* devices may not like buffers across multiples of 4 GiB */

/* What devices' addresses are often limited to. A host that places goes as low as it can. */
static const unsigned int usual_bits[] = { 32, 36, 40, 44, 48, 64 };

/* Have memory mapped in one piece. */
static int extent_ask(struct gw_companion *c, phys_addr_t start, u64 len, u64 last,
		      struct gw_extent *e)
{
	struct gw_request req = {
		.op = GW_RING_MAP, .addr = start, .len = len, .last = last == U64_MAX ? 0 : last,
	};
	int ret = gw_companion_ask(c, &req);

	if (ret)
		return ret;
	if (req.nr == 1 && req.mapped >= len && req.iova + len - 1 >= req.iova &&
	    IS_ALIGNED(req.iova, gw_granule(c))) {
		e->iova = req.iova;
		e->handle = req.handle;
		return 0;
	}
	gw_companion_unmap(c, req.handle);
	return req.nr > 1 ? -EXDEV : -EADDRNOTAVAIL;
}

/**
 * gw_extent_place() - have memory mapped wherever the host likes
 * @c:     the companion
 * @start: physical address
 * @len:   bytes
 * @e:     its address and handle are set
 *
 * Return: 0; -EXDEV if it has to be in parts, -ENOMEM if there is no room, -EADDRNOTAVAIL if the
 * host's address cannot be, -EIO.
 */
int gw_extent_place(struct gw_companion *c, phys_addr_t start, u64 len, struct gw_extent *e)
{
	unsigned int i;
	int ret;

	if (!gw_companion_places(c))
		return extent_ask(c, start, len, U64_MAX, e);
	for (i = 0; i < ARRAY_SIZE(usual_bits); i++) {
		ret = extent_ask(c, start, len, DMA_BIT_MASK(usual_bits[i]), e);
		if (ret != -ERANGE)
			break;
	}
	return ret;
}

/**
 * gw_extent_map() - have an extent mapped
 * @c: the companion
 * @e: where it is; the rest is set
 *
 * Return: 0; -EXDEV if it has to be in parts, -ENOMEM if there is no room, -EADDRNOTAVAIL if the
 * host gives no address that suits, -EIO.
 */
int gw_extent_map(struct gw_companion *c, struct gw_extent *e)
{
	u64 len = e->last - e->start + 1;
	unsigned int tries;
	int ret;

	e->lead = 0;
	for (tries = MAX_TRIES; tries; tries--) {
		ret = gw_extent_place(c, e->start + e->lead, len - e->lead, e);
		if (ret)
			return ret;
		if (IS_ALIGNED(e->iova - (e->start + e->lead), GW_EXTENT_ALIGN) &&
		    e->iova >> EDGE_SHIFT == (e->iova + len - e->lead - 1) >> EDGE_SHIFT)
			return 0;
		gw_companion_unmap(c, e->handle);
		e->lead = (e->iova - e->start) & (GW_EXTENT_ALIGN - 1);
		if (e->lead >= len)
			break;
	}
	return -EADDRNOTAVAIL;
}

/**
 * gw_extent_fit() - how much of what cannot be mapped in one piece can?
 * @c:     the companion
 * @start: physical address
 * @len:   bytes
 *
 * Return: bytes from @start on; 0 if there is nothing to be had.
 */
u64 gw_extent_fit(struct gw_companion *c, phys_addr_t start, u64 len)
{
	u64 granule = gw_granule(c), good = 0, bad = len / granule;
	struct gw_extent e;

	while (bad - good > 1) {
		u64 mid = good + (bad - good) / 2;

		if (gw_extent_place(c, start, mid * granule, &e)) {
			bad = mid;
		} else {
			gw_companion_unmap(c, e.handle);
			good = mid;
		}
	}
	return good * granule;
}
