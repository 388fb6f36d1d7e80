/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/util.h"
#include "host/core/client.h"

/* What needs no claim: identity, limits, config space, registers. And reset. */

#define CONFIG_SIZE	4096u
#define BAR_FIRST	0x10u
#define BAR_LAST	0x24u

uint32_t gw_core_get_identity(struct gw_core_client *c, struct core_call *call)
{
	c->core->hooks->identity(c->core, call->out);
	return GW_IORETURN_SUCCESS;
}

uint32_t gw_core_get_limits(struct gw_core_client *c, struct core_call *call)
{
	c->core->hooks->limits(c->core, call->out);
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
	uint64_t info[3];

	return core->hooks->bar_info(core, bar, info) ? 0 : (uint32_t)info[2];
}

uint32_t gw_core_config_read(struct gw_core_client *c, struct core_call *call)
{
	uint64_t off = call->in[0], width = call->in[1];

	if (!in_config(off, width))
		return GW_IORETURN_BAD_ARGUMENT;
	if (width == 4 && off >= BAR_FIRST && off <= BAR_LAST)
		call->out[0] = bar_register(c->core, (unsigned int)(off - BAR_FIRST) / 4);
	else
		call->out[0] = c->core->hooks->config_read(c->core, (unsigned int)off,
							   (unsigned int)width);
	return GW_IORETURN_SUCCESS;
}

uint32_t gw_core_config_write(struct gw_core_client *c, struct core_call *call)
{
	uint64_t off = call->in[0], width = call->in[1], val = call->in[2];

	if (!in_config(off, width))
		return GW_IORETURN_BAD_ARGUMENT;
	c->core->hooks->config_write(c->core, (unsigned int)off, (unsigned int)width,
				     (uint32_t)val);
	return GW_IORETURN_SUCCESS;
}

uint32_t gw_core_get_bar_info(struct gw_core_client *c, struct core_call *call)
{
	if (call->in[0] >= GW_NR_BARS)
		return GW_IORETURN_BAD_ARGUMENT;
	return c->core->hooks->bar_info(c->core, call->in[0], call->out);
}

uint32_t gw_core_mmio_read(struct gw_core_client *c, struct core_call *call)
{
	return c->core->hooks->mmio_read(c->core, call->in[0], call->in[1], call->in[2],
					 call->out);
}

uint32_t gw_core_mmio_write(struct gw_core_client *c, struct core_call *call)
{
	return c->core->hooks->mmio_write(c->core, call->in[0], call->in[1], call->in[2],
					  call->in[3]);
}

/* One reset at a time; the function's own first, the port's if it has none or it fails. */
uint32_t gw_core_reset_device(struct gw_core_client *c, struct core_call *call)
{
	struct gw_core *core = c->core;
	uint32_t ret;

	pthread_mutex_lock(&core->lock);
	ret = core->hooks->reset(core, true);
	if (ret)
		ret = core->hooks->reset(core, false);
	pthread_mutex_unlock(&core->lock);
	return ret;
}
