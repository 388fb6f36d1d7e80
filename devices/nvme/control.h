/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_CONTROL_H
#define DEVICES_NVME_CONTROL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/lock.h"

struct nvme;

enum nvme_order { NVME_ORDER_NONE, NVME_QUIESCE, NVME_RESUME, NVME_RESET, NVME_STOP };

/* What the bus wants of the worker. Nothing is taken inside @lock. */
struct nvme_control {
	pthread_mutex_t lock;
	pthread_cond_t done;		/* @order is NVME_ORDER_NONE again */
	enum nvme_order order GW_GUARDED_BY(lock);
	uint64_t patience_ns;		/* how long to wait for an order to be done; fixed */
	uint64_t late_since GW_GUARDED_BY(lock);	/* ns: one is not, since then; 0: none */
	bool late_said GW_GUARDED_BY(lock);	/* in the log, so its end is, too */
	bool left GW_GUARDED_BY(lock);		/* by the bus: the worker frees all */
	bool ended GW_GUARDED_BY(lock);		/* the worker has */
	_Atomic bool attention;		/* an order or a CC write: look */
	_Atomic bool sleeping;		/* a wake-up is needed */
	_Atomic uint64_t rung;		/* ns: when one was asked for; 0: not since it sleeps */
	int wake_fd;
	uint64_t wake_value;		/* where the ring reads it to */
	bool wake_armed;
};

/** gw_nvme_wake() - have the worker look; costs a system call only if it sleeps. Any thread */
void gw_nvme_wake(struct nvme *nv);

/**
 * gw_nvme_order() - have the worker do something for the bus, and wait for it
 *
 * Return: it is done; else the file does not answer and it will be when it does. Only NVME_STOP may
 * follow until then.
 */
bool gw_nvme_order(struct nvme *nv, enum nvme_order order);

/** gw_nvme_late() - is something still not done that gw_nvme_order() gave up waiting for? */
bool gw_nvme_late(struct nvme *nv);

#endif
