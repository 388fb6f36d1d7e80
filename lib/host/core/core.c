/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/core/client.h"

#include <errno.h>
#include <stdlib.h>

#include "base/util.h"

/*
 * How it works: every selector has a row that says how many scalars it takes and gives, and
 * whether the caller must have claimed the function; only a call that passes reaches its handler.
 * The first client to claim opens the function and the last to go closes it, so that a client
 * which dies leaves a device that does no DMA. Once the function is gone, what gives something
 * back still works and all else answers NO_DEVICE.
 */

#define COMMAND		0x04u
#define COMMAND_ON	0x06u		/* memory and bus master */
#define COMMAND_MASTER	0x04u

int gw_core_init(struct gw_core *core, const struct gw_core_hooks *hooks, struct gw_log *log)
{
	*core = (struct gw_core){ .hooks = hooks, .log = log };
	gw_use_close(&core->irq_use);
	return -pthread_mutex_init(&core->lock, NULL);
}

void gw_core_fini(struct gw_core *core)
{
	pthread_mutex_destroy(&core->lock);
}

int gw_core_client_new(struct gw_core *core, struct gw_core_client **client)
{
	struct gw_core_client *c;

	if (atomic_load(&core->gone))
		return -ENODEV;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->core = core;
	RB_INIT(&c->regions);
	pthread_mutex_init(&c->lock, NULL);
	pthread_mutex_init(&c->buffer_lock, NULL);
	pthread_mutex_init(&c->wait_lock, NULL);
	*client = c;
	return 0;
}

static void master_off(struct gw_core *core)
{
	uint32_t command = core->hooks->config_read(core, COMMAND, 2);

	core->hooks->config_write(core, COMMAND, 2, command & ~COMMAND_MASTER);
}

static uint32_t do_claim(struct gw_core_client *c, struct core_call *call)
{
	struct gw_core *core = c->core;

	pthread_mutex_lock(&core->lock);
	if (!atomic_load(&c->claimed)) {
		if (!core->claims++)
			core->hooks->config_write(core, COMMAND, 2,
						  core->hooks->config_read(core, COMMAND, 2) |
						  COMMAND_ON);
		atomic_store(&c->claimed, true);
	}
	pthread_mutex_unlock(&core->lock);
	return GW_IORETURN_SUCCESS;
}

/* The last one to go turns the device off; the write returns when it is quiet. */
static void unclaim(struct gw_core_client *c)
{
	struct gw_core *core = c->core;

	pthread_mutex_lock(&core->lock);
	if (atomic_exchange(&c->claimed, false) && !--core->claims)
		master_off(core);
	pthread_mutex_unlock(&core->lock);
}

void gw_core_client_free(struct gw_core_client *c)
{
	if (!c)
		return;
	unclaim(c);
	gw_core_drop_interrupts(c);
	gw_core_drop_regions(c);
	gw_core_drop_buffer(c);
	pthread_mutex_destroy(&c->wait_lock);
	pthread_mutex_destroy(&c->buffer_lock);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* Anyone may connect, so this must not take a device from under the one who uses it. */
static uint32_t do_terminate(struct gw_core_client *c, struct core_call *call)
{
	struct gw_core *core = c->core;
	bool others;

	pthread_mutex_lock(&core->lock);
	others = core->claims > (atomic_load(&c->claimed) ? 1 : 0);
	if (!others)
		master_off(core);
	pthread_mutex_unlock(&core->lock);
	if (others)
		return GW_IORETURN_EXCLUSIVE_ACCESS;
	core->hooks->terminate(core);
	return GW_IORETURN_SUCCESS;
}

struct core_op {
	uint32_t (*run)(struct gw_core_client *c, struct core_call *call);
	uint8_t in, out;
	bool claim;			/* only for who has claimed */
	bool always;			/* also when the function is gone */
};

static const struct core_op ops[GW_DEXT_NR_SELECTORS] = {
	[GW_DEXT_GET_IDENTITY] = { gw_core_get_identity, .out = 6 },
	[GW_DEXT_CLAIM] = { do_claim },
	[GW_DEXT_TERMINATE] = { do_terminate },
	[GW_DEXT_ALLOC_BUFFER] = { gw_core_alloc_buffer, .in = 2, .out = 6, .claim = true },
	[GW_DEXT_FREE_BUFFER] = { gw_core_free_buffer, .claim = true, .always = true },
	[GW_DEXT_REGISTER_REGION] = { gw_core_register_region, .in = 3, .out = 3, .claim = true },
	[GW_DEXT_UNREGISTER_REGION] = { gw_core_unregister_region, .in = 1, .claim = true,
					.always = true },
	[GW_DEXT_PROBE_REGION] = { gw_core_probe_region, .in = 2, .out = 1, .claim = true },
	[GW_DEXT_CONFIG_READ] = { gw_core_config_read, .in = 2, .out = 1 },
	[GW_DEXT_CONFIG_WRITE] = { gw_core_config_write, .in = 3 },
	[GW_DEXT_GET_BAR_INFO] = { gw_core_get_bar_info, .in = 1, .out = 3 },
	[GW_DEXT_MMIO_READ] = { gw_core_mmio_read, .in = 3, .out = 1 },
	[GW_DEXT_MMIO_WRITE] = { gw_core_mmio_write, .in = 4 },
	[GW_DEXT_SETUP_INTERRUPTS] = { gw_core_setup_interrupts, .out = 1, .claim = true },
	[GW_DEXT_CHECK_INTERRUPT] = { gw_core_check_interrupt, .out = 4, .claim = true },
	[GW_DEXT_SET_IRQ_MASK] = { gw_core_set_irq_mask, .in = 4, .claim = true },
	[GW_DEXT_RESET_DEVICE] = { gw_core_reset_device, .claim = true },
	[GW_DEXT_GET_LIMITS] = { gw_core_get_limits, .out = 8 },
	[GW_DEXT_REGISTER_AT] = { gw_core_register_at, .in = 5, .out = 3, .claim = true },
	[GW_DEXT_REGISTER_REMOTE] = { gw_core_register_remote, .in = 6, .out = 3, .claim = true },
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
	if (!op || !op->run)
		return GW_IORETURN_UNSUPPORTED;
	if (nr_in != op->in || room < op->out || (nr_in && !in) || (op->out && !out))
		return GW_IORETURN_BAD_ARGUMENT;
	if (atomic_load(&c->core->gone) && !op->always)
		return GW_IORETURN_NO_DEVICE;
	if (op->claim && !atomic_load(&c->claimed))
		return GW_IORETURN_NOT_OPEN;
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
	return gw_core_wait_interrupt(c, done, opaque);
}

static uint32_t map_bar(struct gw_core_client *c, unsigned int bar,
			uint32_t (*view)(void *opaque, const struct gw_core_memory *mem),
			void *opaque)
{
	struct gw_core *core = c->core;
	struct gw_core_memory mem;
	uint32_t ret = core->hooks->bar_memory(core, bar, &mem);

	return ret ? ret : view(opaque, &mem);
}

uint32_t gw_core_map(struct gw_core_client *c, unsigned int type,
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
		return gw_core_map_buffer(c, view, opaque);
	if (type != GW_DEXT_MEMORY_IRQ_PAGE)
		return map_bar(c, type - GW_DEXT_MEMORY_BAR0, view, opaque);
	if (!atomic_load(&c->irq_ready))
		return GW_IORETURN_NOT_READY;
	return view(opaque, &c->irq_memory);
}
