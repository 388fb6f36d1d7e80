/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_SIM_FAULT_H
#define GW_SIM_FAULT_H

#include <pthread.h>

#include <gangway/sim.h>

#include "base/lock.h"

#define GW_SIM_FAULTS	256	/* limit: faults that are told one by one */

/** struct gw_fault_record - DMA accesses that hit no mapping, of all functions */
struct gw_fault_record {
	pthread_mutex_t lock;
	uint64_t accesses GW_GUARDED_BY(lock);
	size_t nr GW_GUARDED_BY(lock);
	struct gw_sim_fault fault[GW_SIM_FAULTS] GW_GUARDED_BY(lock);
	struct gw_sim_watcher watcher;	/* fixed once a function is open */
};

/** gw_fault_add() - count an access; @f's own count is not looked at */
void gw_fault_add(struct gw_fault_record *r, const struct gw_sim_fault *f);

#endif
