/* SPDX-License-Identifier: BSD-3-Clause */
#include <gangway/pci.h>

#include "base/util.h"
#include "host/core/client.h"

/*
 * Sleep: the platform takes the device's power, and brings it back with config space as it was, but
 * the device has forgotten all else. What is registered stays so, and so do claims and interrupts.
 * Meanwhile nothing may be asked of the device, as macOS would wait for its power, and reading a
 * register of a device without power brings the machine down. COMMAND alone is answered, from a
 * copy that is written afterwards, so that whoever turns bus mastering off meanwhile finds it off.
 */

#define NO_DEVICE	0xffffu

uint32_t core_command(struct gw_core *core)
{
	return atomic_load(&core->asleep) ? core->command :
					    core->platform->config_read(core->ctx, GW_PCI_COMMAND, 2);
}

void core_set_command(struct gw_core *core, uint32_t val)
{
	if (atomic_load(&core->asleep))
		core->command = (uint16_t)val;
	else
		core->platform->config_write(core->ctx, GW_PCI_COMMAND, 2, val);
}

static void power_goes(struct gw_core *core) GW_HOLDS(core->lock)
{
	core->command = NO_DEVICE;
	if (core->claims) {
		core->command = (uint16_t)core_command(core);
		/* quiet when the write returns */
		core_set_command(core, core->command & ~GW_PCI_COMMAND_MASTER);
	}
	atomic_fetch_add(&core->sleeps, 1);
	atomic_store(&core->asleep, true);
}

static void power_is_back(struct gw_core *core) GW_HOLDS(core->lock)
{
	atomic_store(&core->asleep, false);
	if (core->claims && core->command != NO_DEVICE)
		core_set_command(core, core->command);
}

void gw_core_power(struct gw_core *core, bool on)
{
	bool changes;

	gw_core_lock(&core->lock);
	changes = atomic_load(&core->asleep) == on;
	if (changes && on)
		power_is_back(core);
	else if (changes)
		power_goes(core);
	gw_core_unlock(&core->lock);
	if (!changes)
		return;
	core->platform->event(core->ctx, GW_CORE_EVENT_POWER, on, atomic_load(&core->sleeps));
	if (!on)
		core_tell_sleep(core);
}
