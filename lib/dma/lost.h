/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_DMA_LOST_H
#define GW_DMA_LOST_H

#include <gangway/dma.h>

/*
 * Mappings of the guest's that ended because the VMM took their memory away: the latest of them,
 * until the guest has asked. The caller locks.
 */

#define GW_DMA_LOST_MAX	4096u	/* limit: those remembered that the VMM has taken away */

/** struct gw_dma_losses - the list; zeroed is empty. @at is made with the first one */
struct gw_dma_losses {
	struct gw_dma_lost *at;
	uint32_t first, nr;
};

/** gw_dma_lost_add() - note one; the oldest gives way, and without memory none is noted */
void gw_dma_lost_add(struct gw_dma_losses *l, const struct gw_dma_lost *lost);

/** gw_dma_lost_take() - the oldest. Return: 0; -ENOENT there is none */
int gw_dma_lost_take(struct gw_dma_losses *l, struct gw_dma_lost *lost);

/** gw_dma_lost_forget() - empty the list, and free it */
void gw_dma_lost_forget(struct gw_dma_losses *l);

#endif
