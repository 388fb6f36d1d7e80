/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_HOST_VFIO_DMA_H
#define GW_HOST_VFIO_DMA_H

#include <gangway/host.h>

#include "host/vfio/function.h"

/* struct gw_function_ops and struct gw_peer_ops */
int gw_vfio_dma_map(struct gw_function *f, const struct gw_memory *mem, uint64_t size,
		    const gw_iova *want, struct gw_mapping *map);
int gw_vfio_dma_unmap(struct gw_function *f, uint64_t handle);
uint64_t gw_vfio_room(struct gw_function *f);
int gw_vfio_bar_export(struct gw_function *f, unsigned int bar, const struct gw_bar_range *range,
		       unsigned int nr, int *fd);

/** gw_vfio_dma_again() - after @fn's memory did not decode: others reach it again */
void gw_vfio_dma_again(struct gw_vfio_function *fn) GW_HOLDS(fn->host->lock);

int gw_vfio_dma_map_bar(struct gw_function *f, struct gw_function *peer, unsigned int bar,
			const struct gw_bar_range *range, const gw_iova *want,
			struct gw_mapping *map);

#endif
