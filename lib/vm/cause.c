/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>

#include "vm/vm.h"

/*
 * Accesses of a device that reach nothing, for one reason: the guest gave it addresses of its own.
 * A device may be at work while its function's lock is held, so nothing here takes that lock, nor
 * one under which another thread takes it.
 */

static bool in_ram(const struct gw_vm *vm, uint64_t at)
{
	const struct gw_ram *ram = gw_vm_ram(vm);

	return ram && at >= ram->gpa.v && at - ram->gpa.v < ram->size;
}

static bool in_registers(struct gw_vm *vm, uint64_t at)
{
	bool found = false;

	pthread_mutex_lock(&vm->list_lock);
	GW_READABLE(vm->lock);
	for (struct gw_vm_function *f = vm->functions; f && !found; f = f->next)
		found = gw_guest_function_had_bar(f->guest, (gw_gpa){ at });
	pthread_mutex_unlock(&vm->list_lock);
	return found;
}

static enum gw_vm_cause find_cause(struct gw_vm *vm, gw_iova at)
{
	if (vm->plan != GW_PLAN_WINDOW && vm->plan != GW_PLAN_POOL)
		return GW_VM_CAUSE_UNKNOWN;
	if (in_ram(vm, at.v))
		return GW_VM_CAUSE_RAM;
	return in_registers(vm, at.v) ? GW_VM_CAUSE_REGISTERS : GW_VM_CAUSE_UNKNOWN;
}

bool gw_vm_had_cause(const struct gw_vm *vm, enum gw_vm_cause cause)
{
	return atomic_load(&vm->had[cause]);
}

const char *gw_vm_cause_text(enum gw_vm_cause cause)
{
	static const char *const text[GW_VM_NR_CAUSES] = {
		[GW_VM_CAUSE_RAM] = "these are addresses of the guest's RAM: it does not follow dma-ranges, "
				    "as where it boots by ACPI without gangway's tables (run --firmware and "
				    "serve --acpi-table have them) or does not know them (plan direct or "
				    "paravirt is needed)",
		[GW_VM_CAUSE_REGISTERS] = "this is the guest's address of a device's registers, which plans "
					  "window and pool do not reach; plan direct does",
	};

	return text[cause];
}

static void tell(void *opaque, const struct gw_sim_fault *f)
{
	struct gw_vm *vm = opaque;
	enum gw_vm_cause cause = find_cause(vm, f->iova);

	if (cause != GW_VM_CAUSE_UNKNOWN && !atomic_exchange(&vm->had[cause], true))
		gw_warn(vm->log, "%02x:%02x.%x: DMA at %#" PRIx64 ": %s", f->bus, f->dev, f->fn,
			f->iova.v, gw_vm_cause_text(cause));
}

void gw_vm_tell_causes(struct gw_vm *vm)
{
	const struct gw_sim_watcher watcher = { .fault = tell, .opaque = vm };

	gw_sim_watch_faults(vm->sim, &watcher);
}
