/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_VM_H
#define CLI_VM_H

#include <signal.h>

#include <gangway/embed.h>
#include <gangway/vfio_user.h>

#include "cli/options.h"
#include "cli/qemu_args.h"

#define ARM_RAM_BASE	0x40000000ull	/* of QEMU's virt machine */
#define POOL_SLOT	0x10u		/* plan pool: where the guest sees the first function */

/* One VM's functions, from the host's end to the sockets. */

struct vm_function {
	struct gw_vm_function *gw;
	struct gw_vfio_user *server, *companion_server;
	struct gw_companion_link *link;		/* instead of @companion_server */
	char socket[256], companion_socket[256];
	bool gone;				/* the host has said so, and the VMM was told */
	struct gw_vfio_user_stats served;	/* after vm_stop() */
};

struct bars;
struct screens;

struct vm {
	struct gw_log *log;
	struct gw_vm *gw;
	struct vm_function function[MAX_DEVICES];
	unsigned int nr_functions;
	enum gw_plan plan;
	const char *reason;
	bool one_node;				/* as asked for */
	struct screens *screens;		/* of functions that have one; NULL: not shared */
	struct bars *bars;			/* likewise, memory of the others */
};

/**
 * vm_open() - make the host, open the devices, choose the plan
 * @device_tree: the guest boots from a device tree that we write
 *
 * Return: 0; else the exit code, logged. vm_close() after an error is fine.
 */
int vm_open(struct vm *vm, const struct options *o, bool device_tree, struct gw_log *log);

/**
 * vm_open_memory() - make the guest's memory, and map the window or the pool of every function
 * @gpa: where the guest's RAM begins
 *
 * Under other plans the VMM makes the memory.
 *
 * Return: 0 or -errno; logged.
 */
int vm_open_memory(struct vm *vm, const struct options *o, gw_gpa gpa);

/** vm_ram() - the guest's memory, if we made it; else NULL */
const struct gw_ram *vm_ram(const struct vm *vm);

/** vm_has_tree() - is there something to tell the guest's device tree, by gw_vm_amend_file()? */
bool vm_has_tree(const struct vm *vm);

/**
 * vm_has_nodes() - is what lies above the window to be a NUMA node of its own, that is used last?
 */
bool vm_has_nodes(const struct vm *vm);

/**
 * vm_listen() - begin to serve every function, and its companion where it has one
 * @path:      the socket of the only function; several get .0, .1, ... behind it
 * @companion: likewise of its companion
 */
int vm_listen(struct vm *vm, const char *path, const char *companion,
		  unsigned int spin_us);

/**
 * vm_wait() - wait for a signal, and tell the VMMs of functions that disappear meanwhile
 * @signals: what to wait for; all threads block them
 * @ends:    say that we serve; do not wait once every function has gone and its VMM has let go, nor
 *           once the only VMM that may have the guest's memory has
 *
 * Return: the signal; VM_SPENT: as said last; 0 there is nothing left to serve. Both are logged.
 */
#define VM_SPENT	(-1)

int vm_wait(struct vm *vm, const sigset_t *signals, bool ends);

/**
 * vm_add_devices() - the devices of the VM on QEMU's command line
 * @ports: each on a root port of its own; else as they come, for a QEMU of the user's
 */
void vm_add_devices(const struct vm *vm, struct qemu_args *a, bool ports);

/** vm_json() - plan, window and sockets; the caller's */
struct json_object *vm_json(const struct vm *vm);

/** vm_stop() - end the clients: the devices are quiet, guest memory is unmapped */
void vm_stop(struct vm *vm);

/** vm_close() - everything; zeroed is fine */
void vm_close(struct vm *vm);

#endif
