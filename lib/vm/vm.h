/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_VM_VM_H
#define GW_VM_VM_H

#include <pthread.h>
#include <sys/queue.h>

#include <gangway/dext.h>
#include <gangway/embed.h>

#include "base/lock.h"

/* Inside lib/vm: a guest's functions and what they reach. */

/** gw_vm_join() - the function can reach the others, and they it, as far as the host lets them */
void gw_vm_join(struct gw_vm_function *f);

/**
 * gw_vm_tell_causes() - have the simulated host's faults explained, once for each cause; before
 * functions are open
 */
void gw_vm_tell_causes(struct gw_vm *vm);

/** gw_vm_part() - nobody reaches the function any more. One that has not joined is fine */
void gw_vm_part(struct gw_vm_function *f);

/**
 * gw_vm_host_options() - have the host, or what it is to be made of, know each option
 * @set: as gw_sim_set_option(); -ENOENT if there is no such option
 *
 * Return: 0; -EINVAL one makes no sense. Logged.
 */
int gw_vm_host_options(struct gw_vm *vm, int (*set)(void *host, const char *key,
						     const char *value, struct gw_log *log),
		       void *host);

/**
 * gw_vm_platform_host() - the host of this machine's functions, into @vm->host. Return: 0; -errno,
 * logged
 */
int gw_vm_platform_host(struct gw_vm *vm);

/** struct gw_vm_card - a device whose physical function stays with the host */
struct gw_vm_card {
	SLIST_ENTRY(gw_vm_card) link;
	struct gw_endpoint *ep;
	struct gw_function *pf;
	unsigned int vfs;
};

/**
 * struct gw_vm - one guest's functions
 * @option:     of the host, "KEY=VALUE" each, ours
 * @host:       where all functions come from; NULL while none is open
 * @nr:         functions that are open
 * @nr_sim:     endpoints ever put on the simulated bus
 * @list_lock:  @functions change with both locks held, so either is enough to look. Innermost: a
 *              device at work takes it, while whoever has @lock may wait for what waits for the
 *              device
 * @plan:       GW_PLAN_AUTO until the first function is opened
 */
struct gw_vm {
	struct gw_vm_options opt;
	struct gw_log *log;
	char **option;
	unsigned int nr_options;

	struct gw_sim *sim;
	struct gw_dext_options dexts;	/* of the simulated host's */
	struct gw_host *host;
	unsigned int nr, nr_sim;
	pthread_rwlock_t lock;			/* whoever looks for peers holds it */
	pthread_mutex_t list_lock;
	struct gw_vm_function *functions GW_GUARDED_BY(lock);	/* that are shown to the guest */
	SLIST_HEAD(, gw_vm_card) cards;		/* that are open; they go with the host */

	enum gw_plan plan;
	char reason[GW_PLAN_REASON];
	_Atomic bool had[GW_VM_NR_CAUSES];	/* of faults; each was said, too */
	struct gw_window window;	/* plan window only */
	struct gw_pools pools;		/* plan pool only */
	struct gw_zone zone;		/* plan paravirt only */
};

#endif
