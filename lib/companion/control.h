/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_COMPANION_CONTROL_H
#define GW_COMPANION_CONTROL_H

#include "companion/companion.h"

/* Whose mappings there are: the module comes and goes, and generations end. */

/**
 * gw_companion_end() - end the generation: unmap all until @deadline, and the poller the rest
 *
 * The function is quiet. The poller calls this, too, to go on with what was left. Return: 0;
 * -EAGAIN not all has gone yet.
 */
int gw_companion_end(struct gw_companion *c, uint64_t deadline) GW_HOLDS(c->gate);

/** gw_companion_control() - what the guest wrote to CONTROL. Return: GW_STATUS_* */
uint32_t gw_companion_control(struct gw_companion *c, uint32_t what) GW_HOLDS(c->gate);

/**
 * gw_companion_reset() - registers and ring are as after power-on
 *
 * The generation ends, @deadline as above; or it waits for the next announcement, see abi.h.
 */
void gw_companion_reset(struct gw_companion *c, uint64_t deadline) GW_HOLDS(c->gate);

/** gw_companion_leave() - likewise as the VMM goes: the generation ends in any case */
void gw_companion_leave(struct gw_companion *c) GW_HOLDS(c->gate);

#endif
