/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_VM_VIRTUAL_H
#define GW_VM_VIRTUAL_H

#include <gangway/host.h>

/*
 * Virtual functions of a physical one that stays with the host. Where a kernel has the physical
 * function, that is the kernel's business; the simulated host has none.
 */

#define GW_VIRTUAL_NAME	64
#define GW_VIRTUAL_MAX	256u

/**
 * gw_virtual_enable() - have all the virtual functions that there can be
 *
 * Return: how many; 0 it has no SR-IOV; -EIO they do not appear (logged); -errno of config access.
 */
int gw_virtual_enable(struct gw_function *pf);

/** gw_virtual_name() - what the host calls the @vf-th; it is there */
void gw_virtual_name(struct gw_function *pf, unsigned int vf, char name[GW_VIRTUAL_NAME]);

/** gw_virtual_disable() - they vanish; every one is closed */
void gw_virtual_disable(struct gw_function *pf);

#endif
