/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>

#include "base/util.h"
#include "host/sim/bus.h"

/* What an endpoint calls. None of it takes a lock of the bus, so quiesce() may wait for any. */

static void fault(struct gw_endpoint_bus *b, gw_iova iova, size_t len, enum gw_dma_dir dir)
{
	struct gw_sim_fault f = { .bus = b->bus, .dev = b->dev, .fn = b->fn, .iova = iova,
				  .size = len, .dir = dir };

	gw_fault_add(b->faults, &f);
	gw_log_guest(b->log, "%s: DMA fault: the device %s %zu bytes at %#" PRIx64
		     ", which it was not given", b->name,
		     dir == GW_DMA_READ ? "reads" : "writes", len, iova.v);
	if (b->faults->watcher.fault)
		b->faults->watcher.fault(b->faults->watcher.opaque, &f);
}

void gw_endpoint_io_failed(struct gw_endpoint *ep)
{
	atomic_fetch_add_explicit(&ep->bus->io_errors, 1, memory_order_relaxed);
}

static int dma(struct gw_endpoint_bus *b, gw_iova iova, void *buf, size_t len, enum gw_dma_dir dir)
{
	int ret;

	if (!atomic_load_explicit(&b->master, memory_order_acquire))
		return -EPERM;
	ret = gw_dart_copy(&b->dart, iova, buf, len, dir);
	if (ret == -EFAULT)
		fault(b, iova, len, dir);
	return ret;
}

int gw_endpoint_dma_read(struct gw_endpoint *ep, gw_iova iova, void *buf, size_t len)
{
	int ret = dma(ep->bus, iova, buf, len, GW_DMA_READ);

	if (!ret)
		atomic_fetch_add_explicit(&ep->bus->read_bytes, len, memory_order_relaxed);
	return ret;
}

int gw_endpoint_dma_write(struct gw_endpoint *ep, gw_iova iova, const void *buf, size_t len)
{
	/* only read from for this direction */
	int ret = dma(ep->bus, iova, (void *)(uintptr_t)buf, len, GW_DMA_WRITE);

	if (!ret)
		atomic_fetch_add_explicit(&ep->bus->written_bytes, len, memory_order_relaxed);
	return ret;
}

int gw_endpoint_pin(struct gw_endpoint *ep, gw_iova iova, size_t len, enum gw_dma_dir dir,
		    struct gw_endpoint_pin *pin)
{
	struct gw_endpoint_bus *b = ep->bus;
	int ret;

	if (!atomic_load_explicit(&b->master, memory_order_acquire))
		return -EPERM;
	ret = gw_dart_pin(&b->dart, iova, len, dir, pin);
	if (ret == -EFAULT)
		fault(b, iova, len, dir);
	if (!ret)
		atomic_fetch_add_explicit(dir == GW_DMA_READ ? &b->read_bytes : &b->written_bytes,
					  len, memory_order_relaxed);
	return ret;
}

void gw_endpoint_unpin(struct gw_endpoint *ep, struct gw_endpoint_pin *pin)
{
	gw_dart_unpin(&ep->bus->dart, pin);
}

void gw_endpoint_irq(struct gw_endpoint *ep, unsigned int v)
{
	struct gw_endpoint_bus *b = ep->bus;

	switch (atomic_load(&b->irq_mode)) {
	case GW_BUS_IRQ_OFF:
		return;
	case GW_BUS_IRQ_MSI:
		/* fewer messages than vectors: they share (PCI 3.0, 6.8.3.4); we grant one */
		v = 0;
		break;
	case GW_BUS_IRQ_MSIX:
		if (v >= ep->desc.msix_vectors)
			return;
		break;
	case GW_BUS_IRQ_MSIX_MASKED:
		if (v >= ep->desc.msix_vectors)
			return;
		atomic_fetch_or(&b->irq_held[v / 64], 1ull << v % 64);
		/* unmasked meanwhile: whoever takes the bit delivers it */
		if (atomic_load(&b->irq_mode) != GW_BUS_IRQ_MSIX ||
		    !(atomic_fetch_and(&b->irq_held[v / 64], ~(1ull << v % 64)) >> v % 64 & 1))
			return;
		break;
	}
	b->irq(b, v);
}

void *gw_endpoint_bar_mem(struct gw_endpoint *ep, unsigned int bar)
{
	return bar < GW_NR_BARS ? ep->bus->bar[bar].addr : NULL;
}
