/* SPDX-License-Identifier: BSD-3-Clause */
#include <gangway/pci.h>

#include "base/util.h"
#include "host/core/client.h"

/*
 * How it works: the handlers of core.c's table for identity, limits, faults, config space,
 * registers and reset. Each stands alone, and runs in the thread that made the call. Without the
 * claim only what the platform itself shows to anyone is real: the address, the limits and the
 * BARs; config space is all ones.
 */

#define CONFIG_SIZE	4096u
#define VENDOR_ID	0x00u
#define DEVICE_ID	0x02u
#define REVISION	0x08u
#define BAR_FIRST	0x10u
#define BAR_LAST	0x24u

/* COMMAND can be accessed also while the device sleeps. Return: whether this is such an access */
static bool command_asleep(struct gw_core *core, unsigned int off, unsigned int width)
{
	return off == GW_PCI_COMMAND && width == 2 && atomic_load(&core->asleep);
}

static uint32_t command(struct gw_core *core)
{
	uint32_t val;

	gw_core_lock(&core->lock);
	val = core_command(core);
	gw_core_unlock(&core->lock);
	return val;
}

static uint32_t config(struct gw_core_client *c, unsigned int off, unsigned int width)
{
	if (!atomic_load(&c->claimed))
		return UINT32_MAX >> (32 - 8 * width);
	if (command_asleep(c->core, off, width))
		return command(c->core);
	if (atomic_load(&c->core->asleep))
		return UINT32_MAX >> (32 - 8 * width);
	return c->core->platform->config_read(c->core->ctx, off, width);
}

uint32_t core_get_identity(struct gw_core_client *c, struct core_call *call)
{
	uint8_t at[3];

	c->core->platform->address(c->core->ctx, at);
	for (unsigned int i = 0; i < 3; i++)
		call->out[i] = at[i];
	call->out[3] = config(c, VENDOR_ID, 2);
	call->out[4] = config(c, DEVICE_ID, 2);
	call->out[5] = config(c, REVISION, 4) >> 8;
	return GW_IORETURN_SUCCESS;
}

uint32_t core_get_limits(struct gw_core_client *c, struct core_call *call)
{
	struct gw_core_limits l;

	atomic_store(&c->extended, true);
	c->core->platform->limits(c->core->ctx, &l);
	call->out[0] = l.granule;
	call->out[1] = l.max_bytes;
	call->out[2] = l.max_maps;
	call->out[3] = l.max_map_bytes;
	call->out[4] = l.segments;
	call->out[5] = l.flags;
	call->out[6] = l.iova_first;
	call->out[7] = l.iova_last;
	return GW_IORETURN_SUCCESS;
}

void gw_core_fault(struct gw_core *core, const uint32_t words[GW_DEXT_FAULT_WORDS])
{
	gw_core_lock(&core->budget_lock);
	core->faults++;
	for (unsigned int i = 0; i < GW_DEXT_FAULT_WORDS; i++)
		core->fault[i] = words[i];
	gw_core_unlock(&core->budget_lock);
}

uint32_t core_get_faults(struct gw_core_client *c, struct core_call *call)
{
	struct gw_core *core = c->core;

	gw_core_lock(&core->budget_lock);
	call->out[0] = core->faults;
	for (unsigned int i = 0; i < GW_DEXT_FAULT_WORDS; i++)
		call->out[1 + i] = core->fault[i];
	gw_core_unlock(&core->budget_lock);
	return GW_IORETURN_SUCCESS;
}

static bool in_config(uint64_t off, uint64_t width)
{
	return (width == 1 || width == 2 || width == 4) && off <= CONFIG_SIZE - width &&
	       off % width == 0;
}

/*
 * The platform's own BAR registers hold its addresses and unreliable type bits, so whole
 * registers are made from what it says about the BAR: no address, type bits only.
 */
static uint32_t bar_register(struct gw_core *core, unsigned int bar)
{
	struct gw_core_bar info;

	return core->platform->bar(core->ctx, bar, &info) ? 0 : (uint32_t)info.type;
}

uint32_t core_config_read(struct gw_core_client *c, struct core_call *call)
{
	uint64_t off = call->in[0], width = call->in[1];

	if (!in_config(off, width))
		return GW_IORETURN_BAD_ARGUMENT;
	if (width == 4 && off >= BAR_FIRST && off <= BAR_LAST)
		call->out[0] = bar_register(c->core, (unsigned int)(off - BAR_FIRST) / 4);
	else
		call->out[0] = config(c, (unsigned int)off, (unsigned int)width);
	return GW_IORETURN_SUCCESS;
}

uint32_t core_config_write(struct gw_core_client *c, struct core_call *call)
{
	uint64_t off = call->in[0], width = call->in[1], val = call->in[2];
	struct gw_core *core = c->core;

	if (!in_config(off, width))
		return GW_IORETURN_BAD_ARGUMENT;
	if (!atomic_load(&c->claimed))	/* it is dropped, as macOS does */
		return GW_IORETURN_SUCCESS;
	if (command_asleep(core, (unsigned int)off, (unsigned int)width)) {
		gw_core_lock(&core->lock);
		core_set_command(core, (uint32_t)val);
		gw_core_unlock(&core->lock);
	} else if (!atomic_load(&core->asleep)) {
		core->platform->config_write(core->ctx, (unsigned int)off, (unsigned int)width,
					     (uint32_t)val);
	}
	return GW_IORETURN_SUCCESS;
}

uint32_t core_get_bar_info(struct gw_core_client *c, struct core_call *call)
{
	struct gw_core_bar info;
	uint32_t ret;

	if (call->in[0] >= GW_DEXT_NR_BARS)
		return GW_IORETURN_BAD_ARGUMENT;
	ret = c->core->platform->bar(c->core->ctx, (unsigned int)call->in[0], &info);
	if (ret)
		return ret;
	call->out[0] = info.index;
	call->out[1] = info.size;
	call->out[2] = info.type;
	return GW_IORETURN_SUCCESS;
}

/* Whether an access lies in the memory BAR of that index: the platform must not see another. */
static bool in_bar(const struct gw_core *core, uint64_t index, uint64_t off, uint64_t width)
{
	for (unsigned int i = 0; i < GW_DEXT_NR_BARS; i++) {
		const struct gw_core_bar *bar = &core->bar[i];

		if (!bar->size || bar->index != index || bar->type & 1)
			continue;
		return gw_is_pow2(width) && width <= 8 && off % width == 0 && off < bar->size &&
		       width <= bar->size - off;
	}
	return false;
}

uint32_t core_mmio_read(struct gw_core_client *c, struct core_call *call)
{
	const uint64_t *in = call->in;

	if (!atomic_load(&c->claimed)) {	/* only an earlier dext lets a client come here */
		call->out[0] = UINT64_MAX;
		return GW_IORETURN_SUCCESS;
	}
	if (!in_bar(c->core, in[0], in[1], in[2]))
		return GW_IORETURN_BAD_ARGUMENT;
	call->out[0] = UINT64_MAX;
	if (atomic_load(&c->core->asleep))
		return GW_IORETURN_SUCCESS;
	return c->core->platform->mmio_read(c->core->ctx, in[0], in[1], (unsigned int)in[2],
					    call->out);
}

uint32_t core_mmio_write(struct gw_core_client *c, struct core_call *call)
{
	const uint64_t *in = call->in;

	if (!atomic_load(&c->claimed))
		return GW_IORETURN_SUCCESS;
	if (!in_bar(c->core, in[0], in[1], in[2]))
		return GW_IORETURN_BAD_ARGUMENT;
	if (atomic_load(&c->core->asleep))
		return GW_IORETURN_SUCCESS;
	return c->core->platform->mmio_write(c->core->ctx, in[0], in[1], (unsigned int)in[2],
					     in[3]);
}

/* One reset at a time; the function's own first, the port's if it has none or it fails. */
uint32_t core_reset_device(struct gw_core_client *c, struct core_call *call)
{
	struct gw_core *core = c->core;
	uint32_t ret;

	gw_core_lock(&core->lock);
	ret = core->platform->reset(core->ctx, true);
	if (ret)
		ret = core->platform->reset(core->ctx, false);
	gw_core_unlock(&core->lock);
	return ret;
}
