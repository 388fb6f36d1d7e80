/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_SIM_HOST_H
#define GW_SIM_HOST_H

#include <gangway/sim.h>

#include "base/lock.h"
#include "host/sim/bus.h"
#include "host/core/core.h"
#include "host/sim/dart.h"
#include "host/sim/fault.h"

/* The simulated host's own structures: what options.c, platform.c, connect.c and sim.c share. */

enum gw_sim_option {
	/* limits; 0: not set */
	GW_SIM_GRANULE,
	GW_SIM_MAX_BYTES,
	GW_SIM_MAX_MAPS,
	GW_SIM_MAX_MAP_BYTES,
	GW_SIM_SEGMENTS,
	GW_SIM_SEED,
	GW_SIM_CALLER_IOVA,
	GW_SIM_BASE,
	/* behaviour; 0: off */
	GW_SIM_CALL_DELAY,
	GW_SIM_FAIL_MAP,
	GW_SIM_FAIL_MAP_ONE_IN,
	GW_SIM_VANISH_AFTER,
	GW_SIM_FAIL_RESET,
	GW_SIM_FAIL_RESET_AFTER,
	GW_SIM_LOSE_IRQ,
	GW_SIM_IRQ_STORM,
	/* what its dexts are like; fixed with the limits */
	GW_SIM_OLD_DEXT,
	GW_SIM_NO_PEERS,
	GW_SIM_REGISTRY,
	GW_SIM_MULTIMEDIA,
	GW_SIM_NR_OPTIONS,
};

struct gw_sim_function {
	struct gw_endpoint_bus bus;
	struct gw_core *core;
	struct gw_sim *sim;
	_Atomic bool session;		/* the dext has it open */
	bool irqs_configured;		/* under the core's lock; for ever */
	struct gw_sim_function *pf;	/* fixed: whose virtual function it is; NULL: its own */
	unsigned int vf;		/* fixed: its number, if so */
	_Atomic uint64_t calls;		/* since "vanish-after" was set */
};

/* Lock order: vfs_lock, lock. */
struct gw_sim {
	struct gw_dext_services services;
	struct gw_log *log;

	pthread_mutex_t vfs_lock;	/* held while virtual functions appear or vanish */
	pthread_mutex_t lock;
	struct gw_sim_function **fn GW_GUARDED_BY(lock);	/* each stays until the host is
								 * freed */
	size_t nr GW_GUARDED_BY(lock);
	bool opened GW_GUARDED_BY(lock);	/* limits are fixed from now on */
	struct gw_bus_space space GW_GUARDED_BY(lock);

	_Atomic uint64_t opt[GW_SIM_NR_OPTIONS];
	_Atomic uint64_t map_calls;	/* since "fail-map" was set */
	_Atomic uint64_t map_calls_in;	/* likewise, "fail-map-one-in" */
	_Atomic uint64_t resets;	/* likewise, "fail-reset-after" */
	_Atomic uint64_t irq_count;	/* likewise, "lose-irq" */

	struct gw_dart_limits limits;	/* fixed once opened */
	struct gw_dart_totals totals;
	struct gw_fault_record faults;
};

/** gw_sim_limits() - the limits that the options so far amount to */
void gw_sim_limits(struct gw_sim *sim, struct gw_dart_limits *limits);

/** gw_sim_platform - what the simulated host offers a dext */
extern const struct gw_core_platform gw_sim_platform;

/** gw_sim_services_ops - connecting to the dexts */
extern const struct gw_dext_services_ops gw_sim_services_ops;

/** gw_sim_irq() - an interrupt of @b has arrived at the host */
void gw_sim_irq(struct gw_endpoint_bus *b, unsigned int v);

/** gw_sim_vfs() - virtual functions appear, or vanish, until there are @nr of them */
void gw_sim_vfs(struct gw_endpoint_bus *pf, unsigned int nr);

/**
 * gw_sim_add_function() - put an endpoint on the bus, at a place that is possible
 * @ep: stays the caller's after an error
 * @pf: whose @vf-th virtual function it is; NULL: nobody's
 *
 * Return: 0; -EEXIST the address is taken; -EINVAL its description is wrong; -ENOMEM.
 */
int gw_sim_add_function(struct gw_sim *sim, struct gw_endpoint *ep, const char *root, uint16_t rid,
			struct gw_sim_function *pf, unsigned int vf);

/** gw_sim_function_vanish() - the device is gone and quiet on return */
void gw_sim_function_vanish(struct gw_sim_function *f);

#endif
