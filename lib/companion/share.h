/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_COMPANION_SHARE_H
#define GW_COMPANION_SHARE_H

#include "companion/companion.h"

/* What the guest shares of its function's memory. Offsets are in the function's BAR. */

/**
 * gw_companion_list() - one more range of the list that the next gw_companion_share() takes
 * @index: of the range; 0 begins a new list
 *
 * Return: 0; -EINVAL it is not the next, or nothing can be shared; -ENOSPC the list is as long as
 * one may be; -ENOMEM.
 */
int gw_companion_list(struct gw_companion *c, uint64_t index, const struct gw_bar_range *range)
	GW_HOLDS(c->gate);

/**
 * gw_companion_share() - the list, which is used up
 *
 * Return: as share() of struct gw_sharer_ops; -ESTALE after a reset, until the next announcement;
 * -EBUSY everything is being unmapped.
 */
int gw_companion_share(struct gw_companion *c, uint64_t bar, const struct gw_buffer_picture *p,
		       uint64_t *handle) GW_HOLDS(c->gate);

/**
 * gw_companion_unshare() - Return: as unshare() of struct gw_sharer_ops; -EINVAL nothing can be
 * shared
 */
int gw_companion_unshare(struct gw_companion *c, uint64_t handle) GW_HOLDS(c->gate);

/** gw_companion_unshare_all() - nobody has any of it mapped when this returns; any thread */
void gw_companion_unshare_all(struct gw_companion *c) GW_HOLDS(c->gate);

#endif
