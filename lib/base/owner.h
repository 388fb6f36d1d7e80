/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_BASE_OWNER_H
#define GW_BASE_OWNER_H

#include <stdbool.h>

#include <gangway/device.h>

/*
 * The owner of something that several devices share: one VMM at a time, by all of those devices
 * that it has claimed. The caller's lock is held.
 */

/** struct gw_owner - zeroed: nobody; without claims @vmm is who had it last */
struct gw_owner {
	struct gw_vmm vmm;
	unsigned int claims;
};

/**
 * gw_owner_take() - one more device for @vmm; NULL is this program itself. Return: did it get it?
 */
bool gw_owner_take(struct gw_owner *o, const struct gw_vmm *vmm);

/** gw_owner_is_self() - is it this program that has claimed it? */
bool gw_owner_is_self(const struct gw_owner *o);

/** gw_owner_leave() - one device less */
void gw_owner_leave(struct gw_owner *o);

#endif
