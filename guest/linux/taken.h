/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GANGWAY_TAKEN_H
#define GANGWAY_TAKEN_H

#include <linux/types.h>

/**
 * struct gw_taken - pages that nobody shall have
 * @nr:  number of them
 * @pfn: which ones
 */
struct gw_taken {
	unsigned int nr;
	unsigned long *pfn;
};

int gw_taken_alloc(struct gw_taken *t);
void gw_taken_free(struct gw_taken *t);
bool gw_taken_add(struct gw_taken *t, phys_addr_t phys);
void gw_taken_give(struct gw_taken *t, unsigned int from);
void gw_taken_leave(struct gw_taken *t, phys_addr_t start, phys_addr_t last, bool leave);
void gw_taken_forget(struct gw_taken *t, phys_addr_t start, phys_addr_t last);

#endif
