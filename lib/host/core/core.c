/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include <gangway/pci.h>

#include "base/util.h"
#include "host/core/client.h"

/*
 * How it works: every selector has a row that says how many scalars it takes and gives, and
 * whether the caller must have claimed the function; only a call that passes reaches its handler.
 * The first client to claim opens the function and the last to go closes it, so that a client
 * which dies leaves a device that does no DMA. Once the function is gone, what gives something
 * back still works and all else answers NO_DEVICE.
 */

struct gw_core *gw_core_new(const struct gw_core_platform *platform, void *ctx,
			    unsigned int flags)
{
	struct gw_core *core = calloc(1, sizeof(*core));

	if (!core)
		return NULL;
	core->platform = platform;
	core->ctx = ctx;
	core->old = flags & GW_CORE_OLD;
	gw_use_close(&core->irq_use);
	if (!gw_core_lock_init(&core->lock))
		goto free_core;
	if (gw_core_lock_init(&core->budget_lock))
		return core;
	gw_core_lock_fini(&core->lock);
free_core:
	free(core);
	return NULL;
}

void gw_core_free(struct gw_core *core)
{
	if (!core)
		return;
	gw_core_lock_fini(&core->budget_lock);
	gw_core_lock_fini(&core->lock);
	free(core);
}

static bool client_locks_init(struct gw_core_client *c)
{
	if (!gw_core_lock_init(&c->lock))
		return false;
	if (!gw_core_lock_init(&c->buffer_lock))
		goto fini_lock;
	if (gw_core_lock_init(&c->wait_lock))
		return true;
	gw_core_lock_fini(&c->buffer_lock);
fini_lock:
	gw_core_lock_fini(&c->lock);
	return false;
}

uint32_t gw_core_client_new(struct gw_core *core, void *ctx, struct gw_core_client **client)
{
	struct gw_core_client *c;

	if (atomic_load(&core->gone))
		return GW_IORETURN_NO_DEVICE;
	c = calloc(1, sizeof(*c));
	if (!c || !client_locks_init(c)) {
		free(c);
		return GW_IORETURN_NO_MEMORY;
	}
	c->core = core;
	c->ctx = ctx;
	*client = c;
	return GW_IORETURN_SUCCESS;
}

static void master_off(struct gw_core *core) GW_HOLDS(core->lock)
{
	core_set_command(core, core_command(core) & ~GW_PCI_COMMAND_MASTER);
}

/* The first to claim begins the session; what cannot change is learnt now. */
static uint32_t begin(struct gw_core *core) GW_HOLDS(core->lock)
{
	const struct gw_core_platform *p = core->platform;
	uint32_t ret = p->open(core->ctx);

	if (ret)
		return ret;
	p->limits(core->ctx, &core->limits);
	for (unsigned int i = 0; i < GW_DEXT_NR_BARS; i++)
		if (p->bar(core->ctx, i, &core->bar[i]))
			core->bar[i] = (struct gw_core_bar){ .size = 0 };
	core_set_command(core, core_command(core) | GW_PCI_COMMAND_MEMORY |
			       GW_PCI_COMMAND_MASTER);
	return GW_IORETURN_SUCCESS;
}

static uint32_t do_claim(struct gw_core_client *c, struct core_call *call)
{
	struct gw_core *core = c->core;
	uint32_t ret = GW_IORETURN_SUCCESS;

	gw_core_lock(&core->lock);
	if (!atomic_load(&c->claimed)) {
		if (!core->claims)
			ret = begin(core);
		if (!ret) {
			core->claims++;
			atomic_store(&c->claimed, true);
		}
	}
	gw_core_unlock(&core->lock);
	return ret;
}

/* The last one to go turns the device off; the write returns when it is quiet. */
static void quiet(struct gw_core_client *c)
{
	struct gw_core *core = c->core;

	gw_core_lock(&core->lock);
	if (atomic_load(&c->claimed) && core->claims == 1)
		master_off(core);
	gw_core_unlock(&core->lock);
}

static void unclaim(struct gw_core_client *c)
{
	struct gw_core *core = c->core;

	gw_core_lock(&core->lock);
	if (atomic_exchange(&c->claimed, false) && !--core->claims)
		core->platform->close(core->ctx);
	gw_core_unlock(&core->lock);
}

void gw_core_client_free(struct gw_core_client *c)
{
	if (!c)
		return;
	quiet(c);
	core_drop_interrupts(c);
	core_drop_regions(c);
	core_drop_buffer(c);
	unclaim(c);
	gw_core_lock_fini(&c->wait_lock);
	gw_core_lock_fini(&c->buffer_lock);
	gw_core_lock_fini(&c->lock);
	free(c);
}

/* A client cannot take a device away from another one that uses it. */
static uint32_t do_terminate(struct gw_core_client *c, struct core_call *call)
{
	struct gw_core *core = c->core;
	bool others;

	gw_core_lock(&core->lock);
	others = core->claims > (atomic_load(&c->claimed) ? 1u : 0u);
	if (!others && core->claims)
		master_off(core);
	gw_core_unlock(&core->lock);
	if (others)
		return GW_IORETURN_EXCLUSIVE_ACCESS;
	core->platform->terminate(core->ctx);
	return GW_IORETURN_SUCCESS;
}

struct core_op {
	uint32_t (*run)(struct gw_core_client *c, struct core_call *call);
	uint8_t in, out;
	bool claim;			/* only for who has claimed */
	bool strict;			/* likewise, though an earlier dext did not ask for it */
	bool always;			/* also when the function is gone */
	bool awake;			/* not while the device sleeps */
};

static const struct core_op ops[GW_DEXT_NR_SELECTORS] = {
	[GW_DEXT_GET_IDENTITY] = { core_get_identity, .out = 6 },
	[GW_DEXT_CLAIM] = { do_claim, .awake = true },
	[GW_DEXT_TERMINATE] = { do_terminate, .strict = true },
	[GW_DEXT_ALLOC_BUFFER] = { core_alloc_buffer, .in = 2, .out = 6,
				     .claim = true, .awake = true },
	[GW_DEXT_FREE_BUFFER] = { core_free_buffer, .claim = true, .always = true },
	[GW_DEXT_REGISTER_REGION] = { core_register_region, .in = 3, .out = 3,
				     .claim = true, .awake = true },
	[GW_DEXT_UNREGISTER_REGION] = { core_unregister_region, .in = 1, .claim = true,
					.always = true },
	[GW_DEXT_PROBE_REGION] = { core_probe_region, .in = 2, .out = 1, .claim = true },
	[GW_DEXT_CONFIG_READ] = { core_config_read, .in = 2, .out = 1 },
	[GW_DEXT_CONFIG_WRITE] = { core_config_write, .in = 3, .strict = true },
	[GW_DEXT_GET_BAR_INFO] = { core_get_bar_info, .in = 1, .out = 3 },
	[GW_DEXT_MMIO_READ] = { core_mmio_read, .in = 3, .out = 1, .strict = true },
	[GW_DEXT_MMIO_WRITE] = { core_mmio_write, .in = 4, .strict = true },
	[GW_DEXT_SETUP_INTERRUPTS] = { core_setup_interrupts, .out = 1,
				     .claim = true, .awake = true },
	[GW_DEXT_CHECK_INTERRUPT] = { core_check_interrupt, .out = 4, .claim = true },
	[GW_DEXT_SET_IRQ_MASK] = { core_set_irq_mask, .in = 4, .claim = true },
	[GW_DEXT_RESET_DEVICE] = { core_reset_device, .claim = true, .awake = true },
	[GW_DEXT_GET_FAULTS] = { core_get_faults, .out = 1 + GW_DEXT_FAULT_WORDS, .claim = true,
				 .always = true },
	[GW_DEXT_GET_LIMITS] = { core_get_limits, .out = 8 },
	[GW_DEXT_REGISTER_AT] = { core_register_at, .in = 5, .out = 3,
				     .claim = true, .awake = true },
	[GW_DEXT_REGISTER_REMOTE] = { core_register_remote, .in = 6, .out = 3,
				     .claim = true, .awake = true },
};

uint32_t gw_core_call(struct gw_core_client *c, uint32_t selector, const uint64_t *in,
		      unsigned int nr_in, uint64_t *out, unsigned int *nr_out)
{
	const struct core_op *op = selector < ARRAY_SIZE(ops) ? &ops[selector] : NULL;
	unsigned int room = nr_out ? *nr_out : 0;
	struct core_call call = { .in = in, .out = out, .room = room };
	uint32_t ret;

	if (nr_out)
		*nr_out = 0;
	if (!op || !op->run || (c->core->old && selector >= GW_DEXT_GET_LIMITS))
		return GW_IORETURN_UNSUPPORTED;
	if (nr_in != op->in || room < op->out || (nr_in && !in) || (op->out && !out))
		return GW_IORETURN_BAD_ARGUMENT;
	if (atomic_load(&c->core->gone) && !op->always)
		return GW_IORETURN_NO_DEVICE;
	if ((op->claim || (op->strict && !c->core->old)) && !atomic_load(&c->claimed))
		return GW_IORETURN_NOT_OPEN;
	if (op->awake && atomic_load(&c->core->asleep))
		return GW_IORETURN_NO_POWER;
	call.nr_filled = op->out;
	ret = op->run(c, &call);
	if (ret == GW_IORETURN_SUCCESS && nr_out)
		*nr_out = call.nr_filled;
	return ret;
}

uint32_t gw_core_call_async(struct gw_core_client *c, uint32_t selector,
			    void (*done)(void *opaque, uint32_t result), void *opaque)
{
	if (selector != GW_DEXT_WAIT_INTERRUPT)
		return GW_IORETURN_UNSUPPORTED;
	if (!done)
		return GW_IORETURN_BAD_ARGUMENT;
	if (atomic_load(&c->core->gone))
		return GW_IORETURN_NO_DEVICE;
	if (!atomic_load(&c->claimed))
		return GW_IORETURN_NOT_OPEN;
	return core_wait_interrupt(c, done, opaque);
}

static uint32_t map_bar(struct gw_core_client *c, unsigned int bar,
			uint32_t (*view)(void *opaque, const struct gw_core_memory *mem),
			void *opaque)
{
	struct gw_core *core = c->core;
	struct gw_core_memory mem;
	uint32_t ret = GW_IORETURN_UNSUPPORTED;

	if (core->bar[bar].size && !(core->bar[bar].type & 1))
		ret = core->platform->bar_memory(core->ctx, bar, &mem);
	return ret ? ret : view(opaque, &mem);
}

uint32_t gw_core_map(struct gw_core_client *c, uint64_t type,
		     uint32_t (*view)(void *opaque, const struct gw_core_memory *mem),
		     void *opaque)
{
	if (type > GW_DEXT_MEMORY_IRQ_PAGE)
		return GW_IORETURN_BAD_ARGUMENT;
	if (atomic_load(&c->core->gone))
		return GW_IORETURN_NO_DEVICE;
	if (!atomic_load(&c->claimed))
		return GW_IORETURN_NOT_OPEN;
	if (type == GW_DEXT_MEMORY_BUFFER)
		return core_map_buffer(c, view, opaque);
	if (type != GW_DEXT_MEMORY_IRQ_PAGE)
		return map_bar(c, (unsigned int)type - GW_DEXT_MEMORY_BAR0, view, opaque);
	if (!atomic_load(&c->irq_ready))
		return GW_IORETURN_NOT_READY;
	return view(opaque, &c->irq_memory);
}
