/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_HOST_VFIO_SPACES_H
#define GW_HOST_VFIO_SPACES_H

#include "host/vfio/space.h"

/**
 * struct gw_vfio_spaces - the address spaces of a host, one for each group of which a function is
 * open
 *
 * Under the host's lock.
 */
struct gw_vfio_spaces {
	LIST_HEAD(, gw_vfio_space) list;
	struct gw_vfio_folders at;
	struct gw_vfio_locked locked;
	struct gw_log *log;
};

/**
 * gw_vfio_spaces_get() - the space of a group, made with the first of its functions
 * @slot: takes the function's bit among its users
 *
 * Return: 0; -ENOSPC too many functions, -ENOMEM.
 */
int gw_vfio_spaces_get(struct gw_vfio_spaces *spaces, unsigned int group, bool iommufd,
		       struct gw_vfio_space **s, unsigned int *slot);

/** gw_vfio_spaces_put() - one user less; the space goes with the last */
void gw_vfio_spaces_put(struct gw_vfio_space *s, unsigned int slot);

#endif
