/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_EMBED_H
#define GANGWAY_EMBED_H

#include <gangway/companion.h>
#include <gangway/dma.h>
#include <gangway/window.h>
#include <gangway/endpoint.h>
#include <gangway/guest.h>
#include <gangway/pool.h>
#include <gangway/sim.h>
#include <gangway/zone.h>

/*
 * One guest's functions, for a program that shows them to the guest: a VMM that has the library
 * inside, or a server that a VMM connects to. There is no socket in it and no process of ours.
 *
 * Open functions, have them reach guest memory where the plan wants that, and drive the
 * struct gw_device of each: attach() without a remote, dma_map() what the guest has as memory,
 * irq_set() with a call, region_read() and region_write() as the guest accesses, or regions mapped
 * from where region_info() says that they are, and detach() before the function is closed.
 *
 * Calls that name one struct gw_vm, and those of its devices but for what their headers say, are
 * made by one thread at a time. Threads of the library's own have names that begin with "gw-" and
 * take no signal of the program's.
 */

#ifdef __cplusplus
extern "C" {
#endif

struct gw_vm;

/**
 * struct gw_vm_options - zeroed is fine
 * @plan:        of all its functions; GW_PLAN_AUTO: the first that is opened decides
 * @device_tree: the guest boots from a device tree that the caller amends, see gw_vm_amend()
 * @several:     more than one function will be opened: they would need one window at equal
 *               addresses, which a host that chooses addresses does not promise, so GW_PLAN_AUTO
 *               does not take it
 * @endpoints:   what "sim:" devices there are, ending with NULL; NULL: none. Those of the library
 *               gangway-devices are gw_endpoint_types
 * @memory:      bytes of RAM that the guest has; 0: not known. With VFIO no function then maps more
 *               than that and 256 MiB, unless an option of the host says otherwise
 * @any_memory:  see gw_dma_any_memory()
 * @tree:        of VFIO, see struct gw_vfio_options; NULL is the machine itself. Not copied
 */
struct gw_vm_options {
	enum gw_plan plan;
	bool device_tree, several;
	const struct gw_endpoint_type *const *endpoints;
	uint64_t memory;
	bool any_memory;
	const char *tree;
};

/** gw_vm_new() - a guest without functions; @opt is copied. Return: 0; -ENOMEM */
int gw_vm_new(const struct gw_vm_options *opt, struct gw_log *log, struct gw_vm **vm);

/**
 * gw_vm_free() - every function must be closed; guest memory that was made here goes. NULL is fine
 */
void gw_vm_free(struct gw_vm *vm);

/**
 * gw_vm_set_option() - change how the host behaves, once one is opened
 * @option: "KEY=VALUE", as gw_sim_set_option() and gw_vfio_set_option() know them; copied
 *
 * Return: 0; -EBUSY a function is open, -EINVAL no such form (logged), -ENOMEM.
 */
int gw_vm_set_option(struct gw_vm *vm, const char *option);

/**
 * struct gw_vm_function - a function that is open; the members are for use, not for change
 * @companion: plan paravirt only
 * @pf:        a virtual function of the simulated host: its physical one, which stays with the host
 * @ep:        likewise, the endpoint of that
 * @vf:        its index
 */
struct gw_vm_function {
	struct gw_vm_function *next;	/* of the VM */
	struct gw_vm *vm;
	struct gw_function *fn;
	struct gw_dma *dma;
	struct gw_guest_function *guest;
	struct gw_companion *companion;
	struct gw_function *pf;
	struct gw_endpoint *ep;
	unsigned int vf;
};

/**
 * gw_vm_open() - open a function, and choose the plan if it is the first
 * @device:    "sim:TYPE[,OPTIONS]", or a name that the host lists, such as "0000:01:00.0". The
 *             first decides of which host all must be
 * @companion: as for gw_companion_new(); used under plan paravirt
 *
 * The caller watches what @fn->ops->gone() gives it, and then calls gw_guest_function_gone().
 *
 * Return: 0; -EINVAL @device is no name, is of another host than the first, there is no such "sim:"
 * device or option of it, or an option of the host makes no sense; -ENOENT the host has no such
 * function, -EBUSY it is in use, -EOPNOTSUPP the plan cannot work here, -ENOSPC too many, -EPROTO the
 * function contradicts itself, -ENOMEM, or as struct gw_host_ops open(). Logged.
 */
int gw_vm_open(struct gw_vm *vm, const char *device, const struct gw_companion_options *companion,
	       struct gw_vm_function **f);

/**
 * gw_vm_open_next() - open the virtual function after @f, which is of the same device
 *
 * A device that has virtual functions stays with the host; gw_vm_open() opens its first.
 *
 * Return: 0; -ENOENT @f is the last, or no virtual function; else as gw_vm_open().
 */
int gw_vm_open_next(struct gw_vm_function *f, const struct gw_companion_options *companion,
		    struct gw_vm_function **next);

/** gw_vm_close() - its devices are detached; nothing of guest memory is in its reach on return */
void gw_vm_close(struct gw_vm_function *f);

/** gw_vm_device() - what the guest sees of it; lives until gw_vm_close() */
struct gw_device *gw_vm_device(struct gw_vm_function *f);

/**
 * gw_vm_companion() - the device by which the guest's module maps memory; NULL: the plan has none
 */
struct gw_device *gw_vm_companion(struct gw_vm_function *f);

/** gw_vm_plan() - chosen by the first gw_vm_open(); *@reason, if not NULL, is a line on why */
enum gw_plan gw_vm_plan(const struct gw_vm *vm, const char **reason);

/**
 * struct gw_vm_memory - guest memory, as plans want to know it before a guest
 * @gpa, @size: where the guest sees it
 * @addr:       where it is in this process, which stays so until gw_vm_free(); NULL: make it
 * @path:       made in this file, as gw_ram_open() does; NULL: in a file without a name
 * @window:     bytes from the start of it; 0: as much as the budget allows
 */
struct gw_vm_memory {
	gw_gpa gpa;
	uint64_t size;
	void *addr;
	const char *path;
	uint64_t window;
};

/**
 * gw_vm_reach() - have a function reach the window, or a pool of its own
 * @m:     the first call for a VM counts; others want the same memory
 * @devfn: plan pool: where the guest sees the function on the host bridge's bus
 * @pool:  bytes; 0: by the kind of device
 *
 * Under plan paravirt, for a guest that boots from a device tree, the zone is made to fit; under
 * plan direct this does nothing.
 *
 * Return: 0; as gw_window_open(), gw_window_share(), gw_pools_open() and gw_pools_add(). Logged.
 */
int gw_vm_reach(struct gw_vm_function *f, const struct gw_vm_memory *m, uint8_t devfn,
		uint64_t pool);

/** gw_vm_leave() - undo gw_vm_reach() for a function that is quiet; gw_vm_close() does so, too */
void gw_vm_leave(struct gw_vm_function *f);

/** gw_vm_ram() - the memory that gw_vm_reach() was told of, or made; NULL: neither */
const struct gw_ram *gw_vm_ram(const struct gw_vm *vm);

/** gw_vm_window(), gw_vm_pools() - what the functions reach; of size 0 under other plans */
const struct gw_window *gw_vm_window(const struct gw_vm *vm);
const struct gw_pools *gw_vm_pools(const struct gw_vm *vm);

/** gw_vm_zone() - where the kernel is to allocate for them; of size 0 under other plans */
const struct gw_zone *gw_vm_zone(const struct gw_vm *vm);

/**
 * gw_vm_amend() - tell a device tree of the window, the pools or the zone
 * @fdt: flattened, with 4 KiB of room behind it within its total size
 *
 * Return: 0; -ENOENT it has no PCIe host bridge, -EEXIST it was told before, -EINVAL not a device
 * tree, -ENOSPC no room. Logged.
 */
int gw_vm_amend(const struct gw_vm *vm, void *fdt);

/** gw_vm_amend_file() - likewise a file, in place; -errno of the file too */
int gw_vm_amend_file(const struct gw_vm *vm, const char *path);

/** Why a device's access reached nothing, as far as addresses tell. */
enum gw_vm_cause {
	GW_VM_CAUSE_UNKNOWN, GW_VM_CAUSE_RAM, GW_VM_CAUSE_REGISTERS, GW_VM_NR_CAUSES,
};

/**
 * gw_vm_had_cause() - has the simulated host had a fault for that reason, under plan window or
 * pool?
 */
bool gw_vm_had_cause(const struct gw_vm *vm, enum gw_vm_cause cause);

/** gw_vm_cause_text() - that, and the way out, in a line; NULL: it is not known */
const char *gw_vm_cause_text(enum gw_vm_cause cause);

/** gw_vm_sim() - the simulated host, for its statistics; NULL: the functions are another's */
struct gw_sim *gw_vm_sim(const struct gw_vm *vm);

#ifdef __cplusplus
}
#endif

#endif
