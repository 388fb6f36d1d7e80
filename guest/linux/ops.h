/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GANGWAY_OPS_H
#define GANGWAY_OPS_H

struct gw_space;

#ifdef CONFIG_ARCH_HAS_DMA_OPS
void gw_ops_set(struct gw_space *s);
void gw_ops_unset(struct gw_space *s);
#else
/* Devices have no operations of their own, and pair.c has no mode windows for them. */
static inline void gw_ops_set(struct gw_space *s) { }
static inline void gw_ops_unset(struct gw_space *s) { }
#endif

#endif
