/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GANGWAY_RING_H
#define GANGWAY_RING_H

struct gw_companion;
struct list_head;

int gw_rings_start(struct gw_companion *c);
int gw_rings_restart(struct gw_companion *c);
void gw_rings_quiesce(struct gw_companion *c);
void gw_rings_stop(struct gw_companion *c);
int gw_rings_submit(struct gw_companion *c, struct list_head *requests);

#endif
