/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GANGWAY_COMPAT_H
#define GANGWAY_COMPAT_H

/* What differs between the kernels that are supported, 6.12 to 7.3; Kbuild asks their headers. */

#include <linux/device.h>
#include <linux/dma-map-ops.h>
#include <linux/gfp.h>
#include <linux/scatterlist.h>

/* does not include what it needs of the above */
#include <linux/iommu-dma.h>

/* Of newer kernels; no driver of an older one sets it. */
#ifndef DMA_ATTR_MMIO
#define DMA_ATTR_MMIO	0UL
#endif

/* How alloc_contig_range() is told to move away what is in the way. */
#ifdef GW_HAVE_ACR_FLAGS
#define GW_CONTIG_KIND	ACR_FLAGS_NONE
#else
#define GW_CONTIG_KIND	MIGRATE_MOVABLE
#endif

/* Which operations a device has of its own, on kernels where it can. */
static inline bool gw_has_dma_ops(const struct device *dev)
{
#ifdef CONFIG_ARCH_HAS_DMA_OPS
	return dev->dma_ops;
#else
	return false;
#endif
}

#endif
