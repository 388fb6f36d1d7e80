/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stddef.h>

#include "vm/vm.h"

/*
 * Functions of one guest that reach each other's memory. The VMM maps the BARs of each for the
 * others, without a file; where a function of ours has a BAR at that address, and the host's fabric
 * lets functions reach each other, the device is given the BAR itself: by its place in this
 * process, where the host is simulated; by the host, which looks at the way that leads there, where
 * the functions are the machine's. Else what a simulated one reads and writes there goes through
 * the VMM, message by message, and a real one does not reach it.
 */

/* Which piece of a BAR of @f the @size bytes are that its guest sees at @at. Return: false: none */
static bool bar_at(struct gw_vm_function *f, gw_gpa at, uint64_t size, struct gw_dma_peer *peer)
{
	struct gw_bar_info info;
	gw_gpa first;

	for (unsigned int i = 0; i < GW_NR_BARS; i++) {
		if (f->fn->ops->bar_info(f->fn, i, &info) || !info.mappable ||
		    gw_guest_function_bar(f->guest, i, &first) || at.v < first.v ||
		    size > info.size || at.v - first.v > info.size - size)
			continue;
		*peer = (struct gw_dma_peer){ f->fn, i, { at.v - first.v }, NULL };
		return true;
	}
	return false;
}

/* A simulated host has no peers that it maps: the place is what counts. */
static bool place(struct gw_vm *vm, const struct gw_vm_function *f, gw_gpa at,
		  struct gw_dma_peer *peer)
{
	struct gw_function *p = peer->fn;
	struct gw_bar_map map;

	if (!gw_sim_peers(vm->sim)) {
		gw_log_guest(vm->log, "%s reaches memory of %s at %#" PRIx64 " through the VMM only: "
			     "the fabric does not let functions reach each other", f->fn->info.name,
			     p->info.name, at.v);
		return false;
	}
	if (p->ops->bar_map(p, peer->bar, &map))
		return false;
	/* the place stays until the function is closed: the guest's view has it mapped */
	p->ops->bar_unmap(p, peer->bar);
	peer->addr = (uint8_t *)map.addr + peer->off.v;
	gw_trace(vm->log, "%s reaches memory of %s at %#" PRIx64 " directly", f->fn->info.name,
		 p->info.name, at.v);
	return true;
}

static bool find_peer(void *opaque, gw_gpa at, uint64_t size, struct gw_dma_peer *peer)
{
	struct gw_vm_function *f = opaque, *p;
	struct gw_vm *vm = f->vm;
	bool found = false;

	pthread_rwlock_rdlock(&vm->lock);
	for (p = vm->functions; p && !found; p = p->next)
		found = p != f && bar_at(p, at, size, peer);
	pthread_rwlock_unlock(&vm->lock);
	return found && (!vm->sim || place(vm, f, at, peer));
}

void gw_vm_join(struct gw_vm_function *f)
{
	const struct gw_dma_peers peers = { .find = find_peer, .opaque = f };
	struct gw_vm *vm = f->vm;

	if (vm->sim || f->fn->ops->peer)
		gw_dma_set_peers(f->dma, &peers);
	pthread_rwlock_wrlock(&vm->lock);
	pthread_mutex_lock(&vm->list_lock);
	f->next = vm->functions;
	vm->functions = f;
	pthread_mutex_unlock(&vm->list_lock);
	pthread_rwlock_unlock(&vm->lock);
}

/* What others use of its BARs and do not let go stays mapped here, for good. */
static void leave_bars(struct gw_function *fn)
{
	struct gw_bar_map map;

	for (unsigned int i = 0; i < GW_NR_BARS; i++)
		if (!fn->ops->bar_map(fn, i, &map))
			gw_debug(fn->log, "%s: BAR %u stays mapped, as another function uses it",
				 fn->info.name, i);
}

void gw_vm_part(struct gw_vm_function *f)
{
	bool used = false, joined;
	struct gw_vm_function **p, *other;
	struct gw_vm *vm = f->vm;

	pthread_rwlock_wrlock(&vm->lock);
	pthread_mutex_lock(&vm->list_lock);
	for (p = &vm->functions; *p && *p != f; p = &(*p)->next)
		continue;
	joined = *p;
	if (joined)
		*p = f->next;
	pthread_mutex_unlock(&vm->list_lock);
	pthread_rwlock_unlock(&vm->lock);
	if (!joined)
		return;
	/*
	 * Not under the lock: a thread that holds an address space's lock may be waiting for it. Functions come and
	 * go in calls that name the VM, as this one does, and those are made by one thread at a time.
	 */
	GW_READABLE(vm->lock);
	for (other = vm->functions; other; other = other->next)
		used |= gw_dma_forget_peer(other->dma, f->fn) != 0;
	if (used)
		leave_bars(f->fn);
}
