/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GANGWAY_SPACE_H
#define GANGWAY_SPACE_H

#include "block.h"
#include "companion.h"
#include "ram.h"

/**
 * struct gw_space - what one function can reach, and at which addresses
 * @companion:  who maps it
 * @dev:        the function, while a driver is bound to it
 * @generation: of the companion, that everything here belongs to
 * @dropped:    how many mappings the VMM has ended, as far as is known here
 * @fill_lock:  taken to have the host map something
 * @blocks:     what is mapped
 */
struct gw_space {
	struct gw_companion *companion;
	struct device *dev;
	u32 generation;
	u32 dropped;
	spinlock_t fill_lock;
	struct gw_blocks blocks;
};

#define GW_MAX_WANTS	16

#define GW_MAP_QUIET	0x1	/* no message if it fails */
#define GW_MAP_EXACT	0x2	/* no more than the granules that are touched */

void gw_space_init(struct gw_space *s, struct gw_companion *c);
void gw_space_open(struct gw_space *s, struct device *dev, const struct gw_ram *ram, bool strict);
void gw_space_close(struct gw_space *s);
int gw_space_map_many(struct gw_space *s, struct gw_want *wants, unsigned int n,
		      unsigned int how);
int gw_space_map(struct gw_space *s, struct gw_want *want, unsigned int how);
void gw_space_unmap(struct gw_space *s, u64 iova, size_t len);
size_t gw_space_max_mapping(struct gw_space *s);
void gw_space_offline(struct gw_space *s, phys_addr_t start, phys_addr_t last);

#endif
