/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stddef.h>

#include "vm/vm.h"

/*
 * Functions of one guest that reach each other's memory. The VMM maps the BARs of each for the
 * others, without a file; where a function of ours has a BAR at that address, and the host's
 * fabric lets functions reach each other, the device is given the BAR itself. Else what it reads
 * and writes there goes through the VMM, message by message.
 */

/* Where @size bytes that @f's guest sees at @at are in this process. NULL: they are not @f's */
static void *bar_at(struct gw_vm_function *f, gw_gpa at, uint64_t size)
{
	struct gw_bar_info info;
	struct gw_bar_map map;
	gw_gpa first;

	for (unsigned int i = 0; i < GW_NR_BARS; i++) {
		if (f->fn->ops->bar_info(f->fn, i, &info) || !info.mappable ||
		    gw_guest_function_bar(f->guest, i, &first) || at.v < first.v ||
		    size > info.size || at.v - first.v > info.size - size)
			continue;
		if (f->fn->ops->bar_map(f->fn, i, &map))
			return NULL;
		/* the place stays until the function is closed: the guest's view has it mapped */
		f->fn->ops->bar_unmap(f->fn, i);
		return (uint8_t *)map.addr + (at.v - first.v);
	}
	return NULL;
}

static void *find_peer(void *opaque, gw_gpa at, uint64_t size, struct gw_function **peer)
{
	struct gw_vm_function *f = opaque, *p;
	struct gw_vm *vm = f->vm;
	void *addr = NULL;

	pthread_rwlock_rdlock(&vm->lock);
	for (p = vm->functions; p && !addr; p = p->next) {
		addr = p != f ? bar_at(p, at, size) : NULL;
		*peer = addr ? p->fn : NULL;
	}
	pthread_rwlock_unlock(&vm->lock);
	if (!addr)
		return NULL;
	if (!gw_sim_peers(vm->sim)) {
		gw_log_guest(vm->log, "%s reaches memory of %s at %#" PRIx64 " through the VMM only: "
			     "the fabric does not let functions reach each other", f->fn->info.name,
			     (*peer)->info.name, at.v);
		*peer = NULL;
		return NULL;
	}
	gw_trace(vm->log, "%s reaches memory of %s at %#" PRIx64 " directly", f->fn->info.name,
		 (*peer)->info.name, at.v);
	return addr;
}

/* Of other hosts' functions only the host could map the BARs, by what it knows of its fabric. */
void gw_vm_join(struct gw_vm_function *f)
{
	const struct gw_dma_peers peers = { .find = find_peer, .opaque = f };
	struct gw_vm *vm = f->vm;

	if (vm->sim)
		gw_dma_set_peers(f->dma, &peers);
	pthread_rwlock_wrlock(&vm->lock);
	f->next = vm->functions;
	vm->functions = f;
	pthread_rwlock_unlock(&vm->lock);
}

void gw_vm_part(struct gw_vm_function *f)
{
	struct gw_vm_function **p, *other;
	struct gw_vm *vm = f->vm;

	pthread_rwlock_wrlock(&vm->lock);
	for (p = &vm->functions; *p && *p != f; p = &(*p)->next)
		continue;
	if (*p)
		*p = f->next;
	pthread_rwlock_unlock(&vm->lock);
	/* not under the lock, which who holds an address space may be waiting for */
	for (other = vm->functions; other; other = other->next)
		gw_dma_forget_peer(other->dma, f->fn);
}
