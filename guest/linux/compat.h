/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GANGWAY_COMPAT_H
#define GANGWAY_COMPAT_H

/* What differs between the kernels that are supported, 6.12 to 7.2. */

#include <linux/device.h>
#include <linux/dma-map-ops.h>
#include <linux/scatterlist.h>
#include <linux/version.h>

/* does not include what it needs of the above */
#include <linux/iommu-dma.h>

#ifndef CONFIG_ARCH_HAS_DMA_OPS
#error "gangway-dma needs a kernel with CONFIG_ARCH_HAS_DMA_OPS (set by CONFIG_XEN)"
#endif
#ifndef CONFIG_64BIT
#error "gangway-dma is for 64-bit kernels"
#endif
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
#error "gangway-dma needs Linux 6.12 or newer"
#endif

/* 6.18 maps physical ranges, of RAM and MMIO alike, where pages and resources were mapped. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
#define GW_HAVE_MAP_PHYS
#endif

/* Attributes of newer kernels; no driver of an older one sets them. */
#ifndef DMA_ATTR_MMIO
#define DMA_ATTR_MMIO			0UL
#endif
#ifndef DMA_ATTR_REQUIRE_COHERENT
#define DMA_ATTR_REQUIRE_COHERENT	0UL
#endif
#ifndef DMA_ATTR_CC_SHARED
#define DMA_ATTR_CC_SHARED		0UL
#endif

#endif
