/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_HOST_VFIO_OWNER_H
#define GW_HOST_VFIO_OWNER_H

#include <stdbool.h>

#include <gangway/device.h>

/*
 * Who has an address space: one VMM at a time, by all the functions that it has claimed. Under the
 * host's lock.
 */

/** struct gw_vfio_owner - zeroed: nobody */
struct gw_vfio_owner {
	struct gw_vmm vmm;
	unsigned int claims;
};

/** gw_vfio_owner_take() - one more function for @vmm; NULL is this program itself. Return: is it so? */
bool gw_vfio_owner_take(struct gw_vfio_owner *o, const struct gw_vmm *vmm);

/** gw_vfio_owner_is_self() - is it this program that has claimed it? */
bool gw_vfio_owner_is_self(const struct gw_vfio_owner *o);

/** gw_vfio_owner_leave() - one function less */
void gw_vfio_owner_leave(struct gw_vfio_owner *o);

#endif
