/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_DMA_SLOTS_H
#define GW_DMA_SLOTS_H

#include <stdbool.h>
#include <stdint.h>


#include <gangway/dma.h>

#include "base/queue.h"

/*
 * The mappings of one address space by their handles. A handle is an index into a table, a count
 * of how often that place has been used, and the generation; so finding one is an array access, and
 * one that was released is told from its successor. The caller locks.
 */

struct gw_dma_run;
struct gw_dma_slot;

/* The part of a mapping that lies in one run. */
struct gw_dma_span {
	LIST_ENTRY(gw_dma_span) link;
	struct gw_dma_run *run;
	struct gw_dma_slot *slot;
};

LIST_HEAD(gw_dma_spans, gw_dma_span);

struct gw_dma_slot {
	uint64_t handle;		/* the guest's; 0: not in use */
	uint64_t host;			/* the host's */
	uint64_t size;			/* bytes */
	gw_iova iova;			/* of the first segment */
	uint32_t next;			/* free one */
	uint16_t used;			/* how often */
	uint16_t nr_spans;
	struct gw_dma_span first;	/* nearly always the only one */
	struct gw_dma_span *more;
};

#define GW_DMA_CHUNK		256u			/* slots */

/**
 * struct gw_dma_slots - the table; zeroed is empty
 * @nr:   slots ever used, below which all live ones are
 * @free: head of the list of free ones below @nr, plus one; 0: none
 */
struct gw_dma_slots {
	struct gw_dma_slot **chunk;
	uint32_t nr, room, free;
};

/** gw_dma_slot_at() - @index is below @nr */
static inline struct gw_dma_slot *gw_dma_slot_at(struct gw_dma_slots *s, uint32_t index)
{
	return &s->chunk[index / GW_DMA_CHUNK][index % GW_DMA_CHUNK];
}

/** gw_dma_slot_get() - one that is free, with a handle. Return: NULL without memory or room */
struct gw_dma_slot *gw_dma_slot_get(struct gw_dma_slots *s, uint32_t generation);

/** gw_dma_slot_put() - free it; its spans have gone */
void gw_dma_slot_put(struct gw_dma_slots *s, struct gw_dma_slot *slot);

/** gw_dma_slot_find() - the mapping that @handle is of, or NULL */
struct gw_dma_slot *gw_dma_slot_find(struct gw_dma_slots *s, uint64_t handle);

/** gw_dma_slots_fini() - no slot is in use */
void gw_dma_slots_fini(struct gw_dma_slots *s);

#endif
