/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GANGWAY_REGS_H
#define GANGWAY_REGS_H

#include <linux/types.h>

struct gw_companion;

u32 gw_regs_read(struct gw_companion *c, unsigned int reg);
u64 gw_regs_read64(struct gw_companion *c, unsigned int reg);
void gw_regs_write(struct gw_companion *c, unsigned int reg, u32 value);
void gw_regs_write64(struct gw_companion *c, unsigned int reg, u64 value);

#endif
