/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/vfio/ops.h"

#include "config/caps.h"
#include "host/vfio/claim.h"
#include "host/vfio/dma.h"
#include "host/vfio/function.h"
#include "host/vfio/reset.h"

/*
 * How it works: what is asked of an open function is handed to its parts, between gw_vfio_enter()
 * and gw_vfio_leave() where the kernel's descriptor is used: nobody closes the descriptor in
 * between, and once the function was given up gw_vfio_enter() fails.
 */

static int config_read(struct gw_function *f, unsigned int off, unsigned int width, uint32_t *val)
{
	struct gw_vfio_function *fn = gw_vfio_fn(f);
	int ret = gw_vfio_enter(fn);

	if (ret)
		return ret;
	ret = gw_vfio_device_read(&fn->device, off, width, val);
	gw_vfio_leave(fn);
	return ret;
}

/* Does a write of config space turn bus mastering on? The bit is in COMMAND's first byte. */
static bool makes_master(unsigned int off, uint32_t val)
{
	return off == GW_PCI_COMMAND && val & GW_PCI_COMMAND_MASTER;
}

/* Will a write of config space have memory decode that does not? Only where a peer reached it. */
static bool makes_memory(struct gw_vfio_function *fn, unsigned int off, uint32_t val)
{
	uint32_t was;

	return off == GW_PCI_COMMAND && val & GW_PCI_COMMAND_MEMORY && atomic_load(&fn->reached) &&
	       !gw_vfio_device_read(&fn->device, GW_PCI_COMMAND, 2, &was) &&
	       !(was & GW_PCI_COMMAND_MEMORY);
}

static int config_write(struct gw_function *f, unsigned int off, unsigned int width, uint32_t val)
{
	struct gw_vfio_function *fn = gw_vfio_fn(f);
	int ret = gw_vfio_enter(fn);
	bool again;

	if (ret)
		return ret;
	again = makes_memory(fn, off, val);
	if (makes_master(off, val) && !atomic_load(&fn->claimed))
		ret = -EPERM;
	else
		ret = gw_vfio_device_write(&fn->device, off, width, val);
	gw_vfio_leave(fn);
	if (ret || !again)
		return ret;
	pthread_mutex_lock(&fn->host->lock);
	gw_vfio_dma_again(fn);
	pthread_mutex_unlock(&fn->host->lock);
	return 0;
}

static int bar_info(struct gw_function *f, unsigned int bar, struct gw_bar_info *info)
{
	if (bar >= GW_NR_BARS)
		return -EINVAL;
	*info = gw_vfio_fn(f)->bars.bar[bar].info;
	return 0;
}

static int bar_map(struct gw_function *f, unsigned int bar, struct gw_bar_map *map)
{
	struct gw_vfio_function *fn = gw_vfio_fn(f);
	int ret = gw_vfio_enter(fn);

	if (ret)
		return ret;
	ret = gw_vfio_bars_map(&fn->bars, bar, map);
	gw_vfio_leave(fn);
	return ret;
}

static void bar_unmap(struct gw_function *f, unsigned int bar)
{
	gw_vfio_bars_unmap(&gw_vfio_fn(f)->bars, bar);
}

static int reg_read(struct gw_function *f, unsigned int bar, gw_bar_off off, unsigned int width,
		    uint64_t *val)
{
	struct gw_vfio_function *fn = gw_vfio_fn(f);
	int ret = gw_vfio_enter(fn);

	if (ret)
		return ret;
	ret = gw_vfio_bars_read(&fn->bars, bar, off.v, width, val);
	gw_vfio_leave(fn);
	return ret;
}

static int reg_write(struct gw_function *f, unsigned int bar, gw_bar_off off, unsigned int width,
		     uint64_t val)
{
	struct gw_vfio_function *fn = gw_vfio_fn(f);
	int ret = gw_vfio_enter(fn);

	if (ret)
		return ret;
	ret = gw_vfio_bars_write(&fn->bars, bar, off.v, width, val);
	gw_vfio_leave(fn);
	return ret;
}

static int irq_setup(struct gw_function *f, struct gw_irq_sink *sink, unsigned int *nr)
{
	return gw_vfio_irqs_setup(&gw_vfio_fn(f)->irqs, sink, nr);
}

static int irq_mask(struct gw_function *f, const uint64_t enabled[GW_IRQ_WORDS])
{
	gw_vfio_irqs_mask(&gw_vfio_fn(f)->irqs, enabled);
	return 0;
}

static void irq_teardown(struct gw_function *f)
{
	struct gw_vfio_function *fn = gw_vfio_fn(f);

	if (!gw_vfio_enter(fn)) {
		gw_vfio_irqs_disable(&fn->irqs);	/* the sink hears nothing in any case */
		gw_vfio_leave(fn);
	}
	gw_vfio_irqs_forget_sink(&fn->irqs);
}

static int irq_enable(struct gw_function *f, enum gw_irq index, unsigned int nr)
{
	struct gw_vfio_function *fn = gw_vfio_fn(f);
	int ret = gw_vfio_enter(fn);

	if (ret)
		return ret;
	ret = gw_vfio_irqs_enable(&fn->irqs, index, nr);
	gw_vfio_leave(fn);
	return ret;
}

static int irq_eventfd(struct gw_function *f, enum gw_irq index, unsigned int vector, int fd)
{
	struct gw_vfio_function *fn = gw_vfio_fn(f);
	int ret = gw_vfio_enter(fn);

	if (ret)
		return ret;
	ret = gw_vfio_irqs_eventfd(&fn->irqs, index, vector, fd);
	gw_vfio_leave(fn);
	return ret;
}

static int intx_mask(struct gw_function *f, bool masked)
{
	struct gw_vfio_function *fn = gw_vfio_fn(f);
	int ret = gw_vfio_enter(fn);

	if (ret)
		return ret;
	ret = gw_vfio_irqs_intx_mask(&fn->irqs, masked);
	gw_vfio_leave(fn);
	return ret;
}

static int intx_unmask_fd(struct gw_function *f, int fd)
{
	struct gw_vfio_function *fn = gw_vfio_fn(f);
	int ret = gw_vfio_enter(fn);

	if (ret)
		return ret;
	ret = gw_vfio_irqs_intx_unmask_fd(&fn->irqs, fd);
	gw_vfio_leave(fn);
	return ret;
}

static int function_gone(struct gw_function *f, int *fd)
{
	*fd = gw_vfio_fn(f)->gone_fd;
	return 0;
}

static void function_close(struct gw_function *f)
{
	uint32_t command;

	/* the kernel does so too, but only after all mappings of the BARs are gone */
	if (!config_read(f, GW_PCI_COMMAND, 2, &command))
		config_write(f, GW_PCI_COMMAND, 2, command & ~GW_PCI_COMMAND_MASTER);
	gw_vfio_function_free(gw_vfio_fn(f));
}

static const struct gw_claim_ops claim_ops = {
	.take = gw_vfio_claim,
	.drop = gw_vfio_unclaim,
};

static const struct gw_irq_ops irq_ops = {
	.enable = irq_enable,
	.eventfd = irq_eventfd,
	.intx_mask = intx_mask,
	.intx_unmask_fd = intx_unmask_fd,
};

static const struct gw_peer_ops peer_ops = {
	.bar_export = gw_vfio_bar_export,
	.dma_map_bar = gw_vfio_dma_map_bar,
};

const struct gw_function_ops gw_vfio_ops = {
	.config_read = config_read,
	.config_write = config_write,
	.bar_info = bar_info,
	.bar_map = bar_map,
	.bar_unmap = bar_unmap,
	.reg_read = reg_read,
	.reg_write = reg_write,
	.dma_map = gw_vfio_dma_map,
	.dma_unmap = gw_vfio_dma_unmap,
	.irq_setup = irq_setup,
	.irq_teardown = irq_teardown,
	.irq_mask = irq_mask,
	.reset = gw_vfio_reset,
	.gone = function_gone,
	.close = function_close,
	.claim = &claim_ops,
	.irq = &irq_ops,
	.peer = &peer_ops,
	.room = gw_vfio_room,
};
