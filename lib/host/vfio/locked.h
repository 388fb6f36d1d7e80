/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_HOST_VFIO_LOCKED_H
#define GW_HOST_VFIO_LOCKED_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Memory that devices reach is locked, and counts against what this process may lock: one limit for
 * all functions together.
 */

/**
 * struct gw_vfio_locked - what is locked
 * @limit: bytes, besides the process's own limit; UINT64_MAX: none
 * @bytes: now, of all functions
 */
struct gw_vfio_locked {
	uint64_t limit;
	_Atomic uint64_t bytes;
};

/** gw_vfio_locked_init() - nothing is locked */
void gw_vfio_locked_init(struct gw_vfio_locked *l);

/** gw_vfio_locked_limit() - bytes that may be locked; UINT64_MAX: any number. It may change */
uint64_t gw_vfio_locked_limit(const struct gw_vfio_locked *l);

/** gw_vfio_locked_take() - Return: is there room for so many bytes more? */
bool gw_vfio_locked_take(struct gw_vfio_locked *l, uint64_t bytes);
void gw_vfio_locked_put(struct gw_vfio_locked *l, uint64_t bytes);

/** gw_vfio_locked_room() - bytes that may still be locked; UINT64_MAX: any number */
uint64_t gw_vfio_locked_room(const struct gw_vfio_locked *l);

/**
 * gw_vfio_locked_most() - bytes that one function may have where nobody has said how many
 *
 * As much as may be locked; where that is without limit, most of the machine's memory: a VMM's file
 * may be larger than that, with nothing in it.
 */
uint64_t gw_vfio_locked_most(const struct gw_vfio_locked *l);

#endif
