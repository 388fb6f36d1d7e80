/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>

#include <gangway/fdt.h>

#include "vm/vm.h"

/*
 * How it works: under the plans window and pool a guest learns from its device tree what its
 * devices reach, before it boots. So guest memory is there before the guest is, and each function
 * has a part of it mapped; both the place and the addresses stay what they were told to be, also
 * when functions go and come.
 */

static void say_misfit(struct gw_vm *vm, const struct gw_function *fn)
{
	const char *kind = gw_window_misfit(&vm->window, &fn->info);

	if (!kind)
		return;
	gw_warn(vm->log, "%s is %s, which has 32 address bits, and the window's addresses take %u: it cannot "
		"work in this guest", fn->info.name, kind, gw_window_bits(&vm->window));
	gw_hint(vm->log, "plan direct gives it the guest's own addresses, where the host takes those");
}

static int reach_window(struct gw_vm_function *f, const struct gw_vm_memory *m)
{
	struct gw_vm *vm = f->vm;
	struct gw_window *w = &vm->window;
	bool first = !w->size;
	int ret;

	if (!first)
		ret = gw_window_share(w, f->fn, vm->log);
	else if (m->addr)
		ret = gw_window_open_in(w, f->fn, m->gpa, m->size, m->addr, m->window, vm->log);
	else
		ret = gw_window_open(w, f->fn, m->gpa, m->size, m->window, m->path, vm->log);
	if (ret)
		return ret;
	if (first)
		gw_info(vm->log, "window: guest %#" PRIx64 " is at %#" PRIx64 " for the device, %" PRIu64
			" MiB of %" PRIu64 "; these addresses take %u bits, and a driver with a smaller "
			"DMA mask cannot work", w->gpa.v, w->iova.v, w->size >> 20, m->size >> 20,
			gw_window_bits(w));
	say_misfit(vm, f->fn);
	return 0;
}

static int reach_pool(struct gw_vm_function *f, const struct gw_vm_memory *m, uint8_t devfn,
		      uint64_t size)
{
	struct gw_vm *vm = f->vm;
	struct gw_pools *p = &vm->pools;
	int ret = 0;

	if (!p->ram.size && m->addr)
		gw_pools_open_in(p, m->gpa, m->size, m->addr);
	else if (!p->ram.size)
		ret = gw_pools_open(p, m->gpa, m->size, m->path, vm->log);
	if (!ret)
		ret = gw_pools_add(p, f->fn, devfn, size, vm->log);
	for (unsigned int i = 0; !ret && i < p->nr; i++)
		if (p->pool[i].devfn == devfn)
			gw_info(vm->log, "pool of %s: guest %#" PRIx64 " is at %#" PRIx64
				" for the device, %" PRIu64 " MiB", f->fn->info.name,
				p->pool[i].gpa.v, p->pool[i].iova.v, p->pool[i].size >> 20);
	return ret;
}

int gw_vm_reach(struct gw_vm_function *f, const struct gw_vm_memory *m, uint8_t devfn,
		uint64_t pool)
{
	const struct gw_ram *ram;
	int ret = 0;

	if (f->vm->plan == GW_PLAN_WINDOW)
		ret = reach_window(f, m);
	else if (f->vm->plan == GW_PLAN_POOL)
		ret = reach_pool(f, m, devfn, pool);
	else if (f->vm->plan == GW_PLAN_PARAVIRT && f->vm->opt.device_tree)
		gw_zone_fit(&f->vm->zone, m->gpa, m->size, f->fn->limits.max_bytes);
	ram = gw_vm_ram(f->vm);
	if (!ret && ram && ram->fd >= 0)
		gw_dma_expect(f->dma, ram);
	return ret;
}

void gw_vm_leave(struct gw_vm_function *f)
{
	gw_window_leave(&f->vm->window, f->fn);
	gw_pools_leave(&f->vm->pools, f->fn);
}

const struct gw_ram *gw_vm_ram(const struct gw_vm *vm)
{
	return vm->window.ram.size ? &vm->window.ram : vm->pools.ram.size ? &vm->pools.ram : NULL;
}

const struct gw_window *gw_vm_window(const struct gw_vm *vm)
{
	return &vm->window;
}

const struct gw_pools *gw_vm_pools(const struct gw_vm *vm)
{
	return &vm->pools;
}

const struct gw_zone *gw_vm_zone(const struct gw_vm *vm)
{
	return &vm->zone;
}

int gw_vm_amend(const struct gw_vm *vm, void *fdt)
{
	switch (vm->plan) {
	case GW_PLAN_POOL: return gw_fdt_put_pools(fdt, &vm->pools, vm->log);
	case GW_PLAN_PARAVIRT: return vm->zone.size ? gw_fdt_put_zone(fdt, &vm->zone, vm->log) : 0;
	default: return gw_fdt_put_window(fdt, &vm->window, vm->log);
	}
}

int gw_vm_amend_file(const struct gw_vm *vm, const char *path)
{
	switch (vm->plan) {
	case GW_PLAN_POOL: return gw_fdt_add_pools(path, path, &vm->pools, vm->log);
	case GW_PLAN_PARAVIRT:
		return vm->zone.size ? gw_fdt_add_zone(path, path, &vm->zone, vm->log) : 0;
	default: return gw_fdt_add_window(path, path, &vm->window, vm->log);
	}
}
