/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GANGWAY_OPS_H
#define GANGWAY_OPS_H

#include <linux/dma-map-ops.h>

#include "space.h"

/**
 * struct gw_windows - a function whose memory is mapped as needed, by DMA operations of its own
 * @ops:   of the function; found from there by container_of()
 * @space: what it can reach
 */
struct gw_windows {
	struct dma_map_ops ops;
	struct gw_space space;
};

#ifdef CONFIG_ARCH_HAS_DMA_OPS
void gw_windows_open(struct gw_windows *w, struct device *dev, const struct gw_ram *ram,
		     bool strict);
void gw_windows_close(struct gw_windows *w);
#else
/* Without operations of a device's own there is no such mode, and pair.c does not choose it. */
static inline void gw_windows_open(struct gw_windows *w, struct device *dev,
				   const struct gw_ram *ram, bool strict)
{
}

static inline void gw_windows_close(struct gw_windows *w)
{
}
#endif

#endif
