/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_COMPANION_COMMAND_H
#define GW_COMPANION_COMMAND_H

#include "companion/companion.h"

/* The command page. */

/** gw_companion_command() - run it, if there is one. Return: GW_STATUS_* */
uint32_t gw_companion_command(struct gw_companion *c) GW_HOLDS(c->gate);

/** gw_companion_forget_ids() - all mappings have gone; also the poller's */
void gw_companion_forget_ids(struct gw_companion *c) GW_HOLDS(c->gate);

#endif
