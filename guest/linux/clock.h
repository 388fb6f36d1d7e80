/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GANGWAY_CLOCK_H
#define GANGWAY_CLOCK_H

#include "block.h"

void gw_clock_size(struct gw_blocks *set);
unsigned int gw_clock_shift(struct gw_blocks *set);
bool gw_clock_reserve(struct gw_blocks *set, u64 bytes, u32 maps);
bool gw_clock_make_room(struct gw_blocks *set, u64 bytes);
void gw_clock_drop(struct gw_blocks *set, phys_addr_t start, phys_addr_t last);
void gw_clock_unmap(struct gw_blocks *set, struct list_head *going);

#endif
