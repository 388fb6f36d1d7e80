/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GANGWAY_DEBUG_H
#define GANGWAY_DEBUG_H

struct gw_pair;

void gw_debug_init(void);
void gw_debug_fini(void);
void gw_debug_add(struct gw_pair *p);
void gw_debug_remove(struct gw_pair *p);

#endif
