/* SPDX-License-Identifier: BSD-3-Clause */
#include "dma/lost.h"

#include <errno.h>
#include <stdlib.h>

void gw_dma_lost_add(struct gw_dma_losses *l, const struct gw_dma_lost *lost)
{
	if (!l->at)
		l->at = calloc(GW_DMA_LOST_MAX, sizeof(*l->at));
	if (!l->at)
		return;
	l->at[(l->first + l->nr) % GW_DMA_LOST_MAX] = *lost;
	if (l->nr < GW_DMA_LOST_MAX)
		l->nr++;
	else
		l->first = (l->first + 1) % GW_DMA_LOST_MAX;
}

int gw_dma_lost_take(struct gw_dma_losses *l, struct gw_dma_lost *lost)
{
	if (!l->nr)
		return -ENOENT;
	*lost = l->at[l->first];
	l->first = (l->first + 1) % GW_DMA_LOST_MAX;
	l->nr--;
	return 0;
}

void gw_dma_lost_forget(struct gw_dma_losses *l)
{
	free(l->at);
	*l = (struct gw_dma_losses){ 0 };
}
