/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_VM_VM_H
#define GW_VM_VM_H

#include <gangway/embed.h>

/* Inside lib/vm: a guest's functions and what they reach. */

/**
 * struct gw_vm - one guest's functions
 * @option:     of the host, "KEY=VALUE" each, ours
 * @host:       where all functions come from; NULL while none is open
 * @nr:         functions that are open
 * @nr_sim:     endpoints ever put on the simulated bus
 * @plan:       GW_PLAN_AUTO until the first function is opened
 */
struct gw_vm {
	struct gw_vm_options opt;
	struct gw_log *log;
	char **option;
	unsigned int nr_options;

	struct gw_sim *sim;
	struct gw_host *host;
	unsigned int nr, nr_sim;

	enum gw_plan plan;
	char reason[160];
	struct gw_window window;	/* plan window only */
	struct gw_pools pools;		/* plan pool only */
};

#endif
