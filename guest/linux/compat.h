/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GANGWAY_COMPAT_H
#define GANGWAY_COMPAT_H

/* What differs between the kernels that are supported, 6.12 to 7.3; Kbuild asks their headers. */

#include <linux/device.h>
#include <linux/dma-map-ops.h>
#include <linux/gfp.h>
#include <linux/scatterlist.h>
#include <linux/version.h>

/* does not include what it needs of the above */
#include <linux/iommu-dma.h>

#ifndef CONFIG_64BIT
#error "gangway-dma is for 64-bit kernels"
#endif
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
#error "gangway-dma needs Linux 6.12 or newer"
#endif

/* Attributes of newer kernels; no driver of an older one sets them. */
#ifndef DMA_ATTR_MMIO
#define DMA_ATTR_MMIO			0UL
#endif
#ifndef DMA_ATTR_REQUIRE_COHERENT
#define DMA_ATTR_REQUIRE_COHERENT	0UL
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
