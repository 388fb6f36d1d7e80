/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GANGWAY_RAM_H
#define GANGWAY_RAM_H

#include <linux/types.h>

/* Guest RAM, as physically contiguous runs; both bounds are multiples of the granule. */
struct gw_run {
	phys_addr_t start, last;
};

/**
 * struct gw_ram - where guest RAM is
 * @granule: of the host
 * @bytes:   of all runs
 * @nr:      number of @runs
 * @runs:    in order of addresses
 */
struct gw_ram {
	u64 granule;
	u64 bytes;
	unsigned int nr;
	struct gw_run *runs;
};

int gw_ram_find(struct gw_ram *ram, u64 granule);
void gw_ram_free(struct gw_ram *ram);
const struct gw_run *gw_ram_run(const struct gw_ram *ram, phys_addr_t start, phys_addr_t last);

#endif
