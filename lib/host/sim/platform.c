/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "base/util.h"
#include "host/sim/host.h"

/*
 * How it works: the simulated platform under the dext core, as a table of operations. Each goes to
 * the function's bus or to its DART, in the thread that called the core, and its result becomes an
 * IOReturn. Where macOS has a way of its own (one session, config space without one, interrupts
 * that are configured once), this does the same. gw_sim_irq() goes the other way: the bus tells the
 * core of an interrupt, in the device's thread.
 */

static struct gw_sim_function *function_of(void *ctx)
{
	return ctx;
}

static uint32_t ioreturn(int err)
{
	switch (err) {
	case 0:
		return GW_IORETURN_SUCCESS;
	case -EINVAL:
	case -EOVERFLOW:
	case -EFAULT:
		return GW_IORETURN_BAD_ARGUMENT;
	case -E2BIG:
	case -ENOSPC:
		return GW_IORETURN_NO_SPACE;
	case -EEXIST:
		return GW_IORETURN_STILL_OPEN;
	case -EOPNOTSUPP:
		return GW_IORETURN_UNSUPPORTED;
	case -ENOMEM:
		return GW_IORETURN_NO_MEMORY;
	case -ETIMEDOUT:
		return GW_IORETURN_TIMEOUT;
	}
	return GW_IORETURN_IO_ERROR;
}

/* macOS grants a session to one; here the core is the only one that asks. */
static uint32_t session_open(void *ctx)
{
	struct gw_sim_function *f = function_of(ctx);

	return atomic_exchange(&f->session, true) ? GW_IORETURN_EXCLUSIVE_ACCESS :
						    GW_IORETURN_SUCCESS;
}

/* As macOS does: neither decoding nor bus mastering outlives a session. */
static void session_close(void *ctx)
{
	struct gw_sim_function *f = function_of(ctx);
	uint32_t command = gw_bus_config_read(&f->bus, GW_PCI_COMMAND, 2);

	gw_bus_config_write(&f->bus, GW_PCI_COMMAND, 2,
			    command & ~(uint32_t)(GW_PCI_COMMAND_MEMORY | GW_PCI_COMMAND_MASTER));
	atomic_store(&f->session, false);
}

static void address(void *ctx, uint8_t at[3])
{
	const struct gw_endpoint_bus *b = &function_of(ctx)->bus;

	at[0] = b->bus;
	at[1] = b->dev;
	at[2] = b->fn;
}

static void limits(void *ctx, struct gw_core_limits *out)
{
	const struct gw_dart_limits *l = &function_of(ctx)->sim->limits;

	*out = (struct gw_core_limits){
		.granule = l->granule,
		.max_bytes = l->max_bytes,
		.max_maps = l->max_maps,
		.max_map_bytes = l->max_map_bytes,
		.segments = l->segments,
		.flags = GW_DEXT_LIMIT_REMOTE | (l->caller_iova ? GW_DEXT_LIMIT_CALLER_IOVA : 0),
		.iova_first = l->caller_iova ? 0 : gw_dart_first(l),
		.iova_last = l->caller_iova ? GW_DART_CALLER_LAST : gw_dart_last(l),
	};
}

/* Without a session macOS lets config space read as all ones, and drops what is written. */
static uint32_t config_read(void *ctx, unsigned int off, unsigned int width)
{
	if (!atomic_load(&function_of(ctx)->session))
		return UINT32_MAX >> (32 - 8 * width);
	return gw_bus_config_read(&function_of(ctx)->bus, off, width);
}

static void config_write(void *ctx, unsigned int off, unsigned int width, uint32_t val)
{
	if (atomic_load(&function_of(ctx)->session))
		gw_bus_config_write(&function_of(ctx)->bus, off, width, val);
}

/* Memory indices count the BARs that there are. */
static uint32_t bar_info(void *ctx, unsigned int bar, struct gw_core_bar *info)
{
	const struct gw_endpoint_desc *desc = &function_of(ctx)->bus.ep->desc;

	if (!desc->bar[bar].size)
		return GW_IORETURN_NOT_FOUND;
	info->index = 0;
	for (unsigned int i = 0; i < bar; i++)
		info->index += desc->bar[i].size != 0;
	info->size = desc->bar[bar].size;
	info->type = gw_config_bar_type(&desc->bar[bar]);
	return GW_IORETURN_SUCCESS;
}

static uint32_t bar_memory(void *ctx, unsigned int bar, struct gw_core_memory *mem)
{
	const struct gw_sim_memory *m = &function_of(ctx)->bus.bar[bar];

	if (!m->addr)
		return GW_IORETURN_UNSUPPORTED;
	*mem = (struct gw_core_memory){ .addr = m->addr, .size = m->size, .fd = m->fd };
	return GW_IORETURN_SUCCESS;
}

/* The BAR of a memory index. A real platform does not look whether an access lies in it. */
static unsigned int find_bar(void *ctx, uint64_t index, uint64_t off, unsigned int width)
{
	const struct gw_endpoint_desc *desc = &function_of(ctx)->bus.ep->desc;
	unsigned int bar = 0;

	while (bar < GW_NR_BARS && (!desc->bar[bar].size || index--))
		bar++;
	assert(bar < GW_NR_BARS && off % width == 0 && off < desc->bar[bar].size &&
	       width <= desc->bar[bar].size - off);
	return bar;
}

static uint32_t mmio_read(void *ctx, uint64_t index, uint64_t off, unsigned int width,
			  uint64_t *val)
{
	return ioreturn(gw_bus_mmio_read(&function_of(ctx)->bus, find_bar(ctx, index, off, width),
					 off, width, val));
}

static uint32_t mmio_write(void *ctx, uint64_t index, uint64_t off, unsigned int width,
			   uint64_t val)
{
	return ioreturn(gw_bus_mmio_write(&function_of(ctx)->bus, find_bar(ctx, index, off, width),
					  off, width, val));
}

static uint32_t memory_alloc(void *ctx, uint64_t size, uint64_t align, struct gw_core_memory *mem)
{
	uint64_t g = function_of(ctx)->sim->limits.granule;
	struct gw_sim_memory m;
	int ret;

	size = (size + g - 1) & ~(g - 1);
	ret = gw_sim_memory_alloc(&m, "gangway-dma", size, align > g ? align : g);
	if (ret)
		return ioreturn(ret);
	*mem = (struct gw_core_memory){ .addr = m.addr, .size = m.size, .fd = m.fd };
	return GW_IORETURN_SUCCESS;
}

static void memory_free(void *ctx, struct gw_core_memory *mem)
{
	struct gw_sim_memory m = { .addr = mem->addr, .size = mem->size, .fd = mem->fd };

	gw_sim_memory_free(&m);
	mem->addr = NULL;
}

static bool map_fails(struct gw_sim *sim)
{
	uint64_t nth = atomic_load(&sim->opt[GW_SIM_FAIL_MAP]);
	uint64_t one_in = atomic_load(&sim->opt[GW_SIM_FAIL_MAP_ONE_IN]);
	bool fails = nth && atomic_fetch_add(&sim->map_calls, 1) + 1 == nth;

	if (one_in && (atomic_fetch_add(&sim->map_calls_in, 1) + 1) % one_in == 0)
		fails = true;
	return fails;
}

static uint32_t dma_prepare(void *ctx, void *mapping, const struct gw_core_request *req,
			    struct gw_core_prepared *out)
{
	struct gw_sim_function *f = function_of(ctx);
	struct gw_segment seg[GW_CORE_MAX_SEGMENTS];
	gw_iova want = { req->iova };
	struct gw_dart_request r = { .size = req->size, .want = req->fixed ? &want : NULL };
	int ret;

	r.mem.remote = req->remote;
	r.mem.read_only = req->read_only;
	if (req->remote)
		r.mem.remote_addr.v = req->addr;
	else
		r.mem.addr = (void *)(uintptr_t)req->addr;
	if (map_fails(f->sim))
		return GW_IORETURN_IO_ERROR;
	ret = gw_dart_register(&f->bus.dart, mapping, &r, seg, GW_CORE_MAX_SEGMENTS, &out->nr);
	if (ret)
		return ioreturn(ret);
	for (unsigned int i = 0; i < out->nr; i++)
		out->seg[i] = (struct gw_core_segment){ seg[i].iova.v, seg[i].size };
	out->directions = GW_CORE_DIRECTION_OUT | (req->read_only ? 0 : GW_CORE_DIRECTION_IN);
	return GW_IORETURN_SUCCESS;
}

/* An endpoint that keeps hold of memory that had to go must not begin anything in it. */
static uint32_t dma_complete(void *ctx, void *mapping)
{
	struct gw_endpoint_bus *b = &function_of(ctx)->bus;
	int ret = gw_dart_unregister(&b->dart, mapping);

	if (ret) {
		gw_bus_fence(b);
		gw_dart_reopen(mapping);
	}
	return ioreturn(ret);
}

static uint32_t dma_probe(void *ctx, void *mapping, uint64_t off, uint64_t *val)
{
	int ret = gw_dart_peek(mapping, off, val);

	return ret == -ERANGE ? GW_IORETURN_OVERRUN : ioreturn(ret);
}

/* What is configured once stays, like on macOS: another type, or more, is refused. */
static uint32_t irq_configure(void *ctx, enum gw_core_irq_type type, unsigned int *nr)
{
	struct gw_sim_function *f = function_of(ctx);
	const struct gw_endpoint_desc *desc = &f->bus.ep->desc;
	unsigned int got;

	if (!*nr || (type == GW_CORE_IRQ_MSIX ? !desc->msix_vectors :
					      desc->msix_vectors || !desc->msi_vectors))
		return GW_IORETURN_BAD_ARGUMENT;
	if (f->irqs_configured)
		return GW_IORETURN_UNSUPPORTED;
	got = gw_bus_irq_setup(&f->bus);
	f->irqs_configured = true;
	if (*nr > got)
		*nr = got;
	return GW_IORETURN_SUCCESS;
}

/* The core decides whether it takes them: a message that nobody waits for is lost. */
static uint32_t irq_enable(void *ctx, bool on)
{
	return GW_IORETURN_SUCCESS;
}

static bool reset_fails(struct gw_sim *sim)
{
	uint64_t after = atomic_load(&sim->opt[GW_SIM_FAIL_RESET_AFTER]);

	return atomic_load(&sim->opt[GW_SIM_FAIL_RESET]) ||
	       (after && atomic_fetch_add(&sim->resets, 1) >= after);
}

static uint32_t reset(void *ctx, bool flr)
{
	struct gw_sim_function *f = function_of(ctx);

	return ioreturn(gw_bus_reset(&f->bus, flr, reset_fails(f->sim)));
}

static void terminate(void *ctx)
{
	gw_core_gone(function_of(ctx)->core);
}

static void event(void *ctx, enum gw_core_event event, uint64_t a, uint64_t b)
{
	struct gw_sim_function *f = function_of(ctx);

	switch (event) {
	case GW_CORE_EVENT_PREPARE:
		break;			/* the DART does not bring the machine down */
	case GW_CORE_EVENT_LEFT:
		gw_trace(f->sim->log, "dext: a connection closed with %" PRIu64 " regions of %"
			 PRIu64 " bytes registered", a, b);
		break;
	case GW_CORE_EVENT_TRUNCATED:
		gw_log_guest(f->sim->log, "%s: cannot map %" PRIu64 " bytes: they fall into more than "
			     "%d pieces", f->bus.name, a, GW_CORE_MAX_SEGMENTS);
		break;
	case GW_CORE_EVENT_POWER:
		gw_trace(f->sim->log, "%s: %s", f->bus.name, a ? "has power again" : "goes to sleep");
		break;
	case GW_CORE_EVENT_BUDGET:
		gw_log_guest(f->sim->log, "%s: cannot map %" PRIu64 " bytes: %" PRIu64 " of %" PRIu64
			     " are in use", f->bus.name, a, b, f->sim->limits.max_bytes);
		break;
	}
}

const struct gw_core_platform gw_sim_platform = {
	.mapping_size = sizeof(struct gw_dart_mapping),
	.open = session_open,
	.close = session_close,
	.address = address,
	.limits = limits,
	.bar = bar_info,
	.config_read = config_read,
	.config_write = config_write,
	.bar_memory = bar_memory,
	.mmio_read = mmio_read,
	.mmio_write = mmio_write,
	.memory_alloc = memory_alloc,
	.memory_free = memory_free,
	.dma_prepare = dma_prepare,
	.dma_complete = dma_complete,
	.dma_probe = dma_probe,
	.irq_configure = irq_configure,
	.irq_enable = irq_enable,
	.reset = reset,
	.terminate = terminate,
	.event = event,
};

void gw_sim_irq(struct gw_endpoint_bus *b, unsigned int v)
{
	struct gw_sim_function *f = container_of(b, struct gw_sim_function, bus);
	uint64_t lose = atomic_load(&f->sim->opt[GW_SIM_LOSE_IRQ]);
	uint64_t times = atomic_load(&f->sim->opt[GW_SIM_IRQ_STORM]);
	bool notify = !lose || (atomic_fetch_add(&f->sim->irq_count, 1) + 1) % lose;

	atomic_fetch_add_explicit(&b->irqs, 1, memory_order_relaxed);
	do
		gw_core_interrupt(f->core, v, notify);
	while (times-- > 1);
}
