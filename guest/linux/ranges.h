/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GANGWAY_RANGES_H
#define GANGWAY_RANGES_H

#include <linux/types.h>

#include "extent.h"
#include "ram.h"
#include "taken.h"

struct bus_dma_region;
struct device;
struct gw_companion;

/**
 * struct gw_ranges - a function whose memory is mapped once, and translated by the kernel
 * @companion: who maps it
 * @dev:       the function, while a driver is bound to it
 * @map:       its dma_range_map, which the driver core frees
 * @limit:     its bus_dma_limit, as it was before
 * @nr:        number of @extents
 * @extents:   what is mapped, in the order of @map
 * @taken:     pages that nobody shall have, so that no buffer lies across them
 * @bytes:     mapped
 * @missing:   bytes of RAM that are not, beside leads
 */
struct gw_ranges {
	struct gw_companion *companion;
	struct device *dev;
	struct bus_dma_region *map;
	u64 limit;
	unsigned int nr;
	struct gw_extent *extents;
	struct gw_taken taken;
	u64 bytes;
	u64 missing;
};

int gw_ranges_open(struct gw_ranges *r, struct device *dev, const struct gw_ram *ram, bool partly,
		   const char **why);
void gw_ranges_close(struct gw_ranges *r);
unsigned int gw_ranges_bits(const struct gw_ranges *r);
int gw_ranges_online(struct gw_ranges *r, phys_addr_t start, phys_addr_t last);
void gw_ranges_settle(struct gw_ranges *r, phys_addr_t start, phys_addr_t last);
void gw_ranges_offline(struct gw_ranges *r, phys_addr_t start, phys_addr_t last);

#endif
