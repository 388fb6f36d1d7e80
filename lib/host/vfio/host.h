/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_HOST_VFIO_HOST_H
#define GW_HOST_VFIO_HOST_H

#include <pthread.h>

#include <bsd/sys/queue.h>

#include <gangway/vfio.h>

#include "host/vfio/spaces.h"

#define GW_VFIO_PATH	256

struct gw_vfio_function;

/**
 * struct gw_vfio_host - the host
 * @tree, @sysfs, @dev: where the machine's files are, as @spaces has it
 * @lock:      of the spaces and the functions; outermost
 * @unclaimed: a function was given back by its VMM
 */
struct gw_vfio_host {
	struct gw_host base;
	struct gw_vfio_options opt;
	char tree[GW_VFIO_PATH], sysfs[GW_VFIO_PATH + 8], dev[GW_VFIO_PATH + 8];
	pthread_mutex_t lock;
	pthread_cond_t unclaimed;
	struct gw_vfio_spaces spaces;
	LIST_HEAD(, gw_vfio_function) functions GW_GUARDED_BY(lock);
};

#endif
