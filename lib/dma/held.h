/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_DMA_HELD_H
#define GW_DMA_HELD_H

#include <stdbool.h>
#include <stdint.h>

#include <gangway/addr.h>
#include <gangway/host.h>

#include "base/queue.h"
#include "dma/file.h"

/*
 * What a host could not unmap, as the device still uses it: the memory stays mapped in this process
 * until a later try succeeds. The caller locks.
 */

struct gw_dma_run;

/** struct gw_dma_held - a mapping at the host */
struct gw_dma_held {
	SLIST_ENTRY(gw_dma_held) link;
	uint64_t handle, size;
	struct gw_file *file;		/* one of whose users it is; NULL: none */
	struct gw_file **more;		/* likewise, for several pieces; from the heap */
	unsigned int nr_more;
	const uint8_t *addr;		/* of a run that was mapped at @iova; NULL: of another
					 * mapping */
	gw_iova iova;
	const struct gw_function *peer;	/* whose BAR it is; NULL: nobody's, or it has gone */
};

SLIST_HEAD(gw_dma_held_list, gw_dma_held);

/**
 * gw_dma_held_add() - keep a mapping
 * @what: copied; its use of the files, and @more, become the list's
 *
 * Without memory for it the mapping and its files stay for good.
 */
void gw_dma_held_add(struct gw_dma_held_list *l, const struct gw_dma_held *what);

/** gw_dma_held_retry() - unmap what @fn's host can by now. Return: nothing is left */
bool gw_dma_held_retry(struct gw_dma_held_list *l, struct gw_function *fn);

/**
 * gw_dma_held_take() - a VMM maps again what is still mapped, so the mapping goes on
 *
 * Return: whether that was so; *@handle is the host's, and the use of the file has ended.
 */
bool gw_dma_held_take(struct gw_dma_held_list *l, gw_iova iova, uint64_t size, const uint8_t *addr,
		      uint64_t *handle);

/**
 * gw_dma_held_part() - @peer goes. Return: whether some of its BARs is in the list, and must stay
 */
bool gw_dma_held_part(struct gw_dma_held_list *l, const struct gw_function *peer);

/** gw_dma_held_forget() - what is left, with its files, stays for good */
void gw_dma_held_forget(struct gw_dma_held_list *l);

#endif
