/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "base/util.h"
#include "host/sim/host.h"

/* The simulated platform under the dext core: the bus and the DART. */

static struct gw_sim_function *function_of(struct gw_core *core)
{
	return container_of(core, struct gw_sim_function, core);
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

static void identity(struct gw_core *core, uint64_t id[6])
{
	const struct gw_endpoint_bus *b = &function_of(core)->bus;

	id[0] = b->bus;
	id[1] = b->dev;
	id[2] = b->fn;
	id[3] = b->ep->desc.vendor;
	id[4] = b->ep->desc.device;
	id[5] = b->ep->desc.class_code;
}

static void limits(struct gw_core *core, uint64_t out[8])
{
	const struct gw_dart_limits *l = &function_of(core)->sim->limits;

	out[0] = l->granule;
	out[1] = l->max_bytes;
	out[2] = l->max_maps;
	out[3] = l->max_map_bytes;
	out[4] = l->segments;
	out[5] = GW_DEXT_LIMIT_REMOTE | (l->caller_iova ? GW_DEXT_LIMIT_CALLER_IOVA : 0);
	out[6] = l->caller_iova ? 0 : GW_DART_FIRST;
	out[7] = l->caller_iova ? GW_DART_CALLER_LAST : GW_DART_LAST;
}

static uint32_t config_read(struct gw_core *core, unsigned int off, unsigned int width)
{
	return gw_bus_config_read(&function_of(core)->bus, off, width);
}

static void config_write(struct gw_core *core, unsigned int off, unsigned int width, uint32_t val)
{
	gw_bus_config_write(&function_of(core)->bus, off, width, val);
}

/* Memory indices count the BARs that there are. */
static uint32_t bar_info(struct gw_core *core, uint64_t bar, uint64_t info[3])
{
	const struct gw_endpoint_desc *desc = &function_of(core)->bus.ep->desc;

	if (!desc->bar[bar].size)
		return GW_IORETURN_NOT_FOUND;
	info[0] = 0;
	for (unsigned int i = 0; i < bar; i++)
		info[0] += desc->bar[i].size != 0;
	info[1] = desc->bar[bar].size;
	info[2] = gw_config_bar_type(&desc->bar[bar]);
	return GW_IORETURN_SUCCESS;
}

static uint32_t bar_memory(struct gw_core *core, unsigned int bar, struct gw_core_memory *mem)
{
	const struct gw_sim_memory *m = &function_of(core)->bus.bar[bar];

	if (!m->addr)
		return GW_IORETURN_UNSUPPORTED;
	*mem = (struct gw_core_memory){ .addr = m->addr, .size = m->size, .fd = m->fd };
	return GW_IORETURN_SUCCESS;
}

/* The BAR of a memory index, if the access lies inside it. */
static bool find_register(struct gw_core *core, uint64_t index, uint64_t off, uint64_t width,
			  unsigned int *bar)
{
	const struct gw_endpoint_desc *desc = &function_of(core)->bus.ep->desc;

	for (*bar = 0; *bar < GW_NR_BARS; ++*bar) {
		if (!desc->bar[*bar].size || index--)
			continue;
		return gw_is_pow2(width) && width <= 8 && off % width == 0 &&
		       off <= desc->bar[*bar].size - width;
	}
	return false;
}

static uint32_t mmio_read(struct gw_core *core, uint64_t index, uint64_t off, uint64_t width,
			  uint64_t *val)
{
	unsigned int bar;

	if (!find_register(core, index, off, width, &bar))
		return GW_IORETURN_BAD_ARGUMENT;
	return ioreturn(gw_bus_mmio_read(&function_of(core)->bus, bar, off, (unsigned int)width,
					 val));
}

static uint32_t mmio_write(struct gw_core *core, uint64_t index, uint64_t off, uint64_t width,
			   uint64_t val)
{
	unsigned int bar;

	if (!find_register(core, index, off, width, &bar))
		return GW_IORETURN_BAD_ARGUMENT;
	return ioreturn(gw_bus_mmio_write(&function_of(core)->bus, bar, off, (unsigned int)width,
					  val));
}

static uint32_t memory_alloc(struct gw_core *core, uint64_t size, uint64_t align,
			     struct gw_core_memory *mem)
{
	uint64_t g = function_of(core)->sim->limits.granule;
	struct gw_sim_memory m;
	int ret;

	size = (size + g - 1) & ~(g - 1);
	ret = gw_sim_memory_alloc(&m, "gangway-dma", size, align > g ? align : g);
	if (ret)
		return ioreturn(ret);
	*mem = (struct gw_core_memory){ .addr = m.addr, .size = m.size, .fd = m.fd };
	return GW_IORETURN_SUCCESS;
}

static void memory_free(struct gw_core *core, struct gw_core_memory *mem)
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

static uint32_t dma_prepare(struct gw_core *core, void *mapping, const struct gw_core_request *req,
			    struct gw_segment *seg, unsigned int *nr)
{
	struct gw_sim_function *f = function_of(core);
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
	ret = gw_dart_register(&f->bus.dart, mapping, &r, seg, *nr, nr);
	return ret == -ERANGE ? GW_IORETURN_NOT_ALIGNED : ioreturn(ret);
}

static void dma_complete(struct gw_core *core, void *mapping)
{
	gw_dart_unregister(&function_of(core)->bus.dart, mapping);
}

static uint32_t dma_probe(struct gw_core *core, void *mapping, uint64_t off, uint64_t *val)
{
	int ret = gw_dart_peek(mapping, off, val);

	return ret == -ERANGE ? GW_IORETURN_OVERRUN : ioreturn(ret);
}

static uint32_t irq_setup(struct gw_core *core, unsigned int *nr)
{
	unsigned int got = gw_bus_irq_setup(&function_of(core)->bus);

	if (*nr > got)
		*nr = got;
	return got ? GW_IORETURN_SUCCESS : GW_IORETURN_UNSUPPORTED;
}

static void irq_teardown(struct gw_core *core)
{
	gw_bus_irq_teardown(&function_of(core)->bus);
}

static bool reset_fails(struct gw_sim *sim)
{
	uint64_t after = atomic_load(&sim->opt[GW_SIM_FAIL_RESET_AFTER]);

	return atomic_load(&sim->opt[GW_SIM_FAIL_RESET]) ||
	       (after && atomic_fetch_add(&sim->resets, 1) >= after);
}

static uint32_t reset(struct gw_core *core, bool flr)
{
	struct gw_sim_function *f = function_of(core);

	return ioreturn(gw_bus_reset(&f->bus, flr, reset_fails(f->sim)));
}

static void terminate(struct gw_core *core)
{
	gw_core_gone(core);
}

const struct gw_core_hooks gw_sim_hooks = {
	.mapping_size = sizeof(struct gw_dart_mapping),
	.identity = identity,
	.limits = limits,
	.config_read = config_read,
	.config_write = config_write,
	.bar_info = bar_info,
	.bar_memory = bar_memory,
	.mmio_read = mmio_read,
	.mmio_write = mmio_write,
	.memory_alloc = memory_alloc,
	.memory_free = memory_free,
	.dma_prepare = dma_prepare,
	.dma_complete = dma_complete,
	.dma_probe = dma_probe,
	.irq_setup = irq_setup,
	.irq_teardown = irq_teardown,
	.reset = reset,
	.terminate = terminate,
};

void gw_sim_irq(struct gw_endpoint_bus *b, unsigned int v)
{
	struct gw_sim_function *f = container_of(b, struct gw_sim_function, bus);
	uint64_t lose = atomic_load(&f->sim->opt[GW_SIM_LOSE_IRQ]);
	uint64_t times = atomic_load(&f->sim->opt[GW_SIM_IRQ_STORM]);
	bool notify = !lose || (atomic_fetch_add(&f->sim->irq_count, 1) + 1) % lose;

	atomic_fetch_add_explicit(&b->irqs, 1, memory_order_relaxed);
	do
		gw_core_interrupt(&f->core, v, notify);
	while (times-- > 1);
}
