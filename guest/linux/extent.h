/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GANGWAY_EXTENT_H
#define GANGWAY_EXTENT_H

#include <linux/sizes.h>
#include <linux/types.h>

struct gw_companion;

/*
 * Memory and its address for the function are equal modulo this, so coherent memory up to so much
 * is aligned to its size, and crosses no multiple of it, as drivers may rely on.
 */
#define GW_EXTENT_ALIGN	SZ_64K

/**
 * struct gw_extent - a piece of RAM that is mapped for as long as a driver is bound
 * @start:  physical address; a multiple of the granule, as is @last + 1
 * @last:   of the last byte
 * @lead:   bytes from @start on that are not mapped, for the sake of GW_EXTENT_ALIGN
 * @iova:   where the function sees @start + @lead
 * @handle: what the host calls the mapping
 * @bytes:  mapped
 * @online: pages that are in use by the kernel
 */
struct gw_extent {
	phys_addr_t start, last;
	u64 lead;
	u64 iova;
	u64 handle;
	u64 bytes;
	u64 online;
};

int gw_extent_place(struct gw_companion *c, phys_addr_t start, u64 len, struct gw_extent *e);
int gw_extent_map(struct gw_companion *c, struct gw_extent *e);
u64 gw_extent_fit(struct gw_companion *c, phys_addr_t start, u64 len);

#endif
