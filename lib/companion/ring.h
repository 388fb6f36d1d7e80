/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_COMPANION_RING_H
#define GW_COMPANION_RING_H

#include "companion/companion.h"

/* The ring. */

/** gw_companion_ring_start() - start it where the registers say, if a ring can be there */
void gw_companion_ring_start(struct gw_companion *c) GW_HOLDS(c->gate);
void gw_companion_ring_stop(struct gw_companion *c) GW_HOLDS(c->gate);

/** gw_companion_ring_doorbell() - do what is in it, or for a second; nothing if it does not run */
void gw_companion_ring_doorbell(struct gw_companion *c) GW_HOLDS(c->gate);

/** gw_companion_ring_publish() - have the guest see what is used and the generation; any thread */
void gw_companion_ring_publish(struct gw_companion *c) GW_HOLDS(c->gate);

/** gw_companion_poll() - the poller's: serve the ring until it does not pay; drops the gate */
void gw_companion_poll(struct gw_companion *c) GW_HOLDS(c->gate);

#endif
