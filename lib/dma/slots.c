/* SPDX-License-Identifier: BSD-3-Clause */
#include "dma/slots.h"

#include <stdlib.h>

/* A handle has the generation in its upper half, then a count of uses, then the index. */
#define INDEX_BITS	20
#define USE_BITS	12

_Static_assert(GW_DMA_GUEST_MAPS == 1u << INDEX_BITS, "an index fits");

static uint32_t handle_index(uint64_t handle)
{
	return (uint32_t)handle & (GW_DMA_GUEST_MAPS - 1);
}

/* One more chunk; the table of chunks doubles. */
static bool slots_grow(struct gw_dma_slots *s)
{
	struct gw_dma_slot **table = s->chunk, *chunk;
	uint32_t chunks = s->room / GW_DMA_CHUNK;

	if (s->room == GW_DMA_GUEST_MAPS)
		return false;
	if (!(chunks & (chunks - 1))) {
		table = realloc(table, (chunks ? 2 * chunks : 1) * sizeof(*table));
		if (!table)
			return false;
		s->chunk = table;
	}
	chunk = calloc(GW_DMA_CHUNK, sizeof(*chunk));
	if (!chunk)
		return false;
	table[chunks] = chunk;
	s->room += GW_DMA_CHUNK;
	return true;
}

struct gw_dma_slot *gw_dma_slot_get(struct gw_dma_slots *s, uint32_t generation)
{
	struct gw_dma_slot *slot;
	uint32_t index;

	if (s->free) {
		index = s->free - 1;
		slot = gw_dma_slot_at(s, index);
		s->free = slot->next;
	} else {
		if (s->nr == s->room && !slots_grow(s))
			return NULL;
		index = s->nr++;
		slot = gw_dma_slot_at(s, index);
	}
	slot->used = (uint16_t)((slot->used + 1) & ((1u << USE_BITS) - 1));
	slot->handle = (uint64_t)generation << 32 | (uint32_t)slot->used << INDEX_BITS | index;
	slot->nr_spans = 0;
	slot->more = NULL;
	return slot;
}

void gw_dma_slot_put(struct gw_dma_slots *s, struct gw_dma_slot *slot)
{
	slot->next = s->free;
	s->free = handle_index(slot->handle) + 1;
	slot->handle = 0;
	free(slot->more);
	slot->more = NULL;
}

struct gw_dma_slot *gw_dma_slot_find(struct gw_dma_slots *s, uint64_t handle)
{
	uint32_t index = handle_index(handle);
	struct gw_dma_slot *slot;

	if (!handle || index >= s->nr)
		return NULL;
	slot = gw_dma_slot_at(s, index);
	return slot->handle == handle ? slot : NULL;
}

void gw_dma_slots_fini(struct gw_dma_slots *s)
{
	for (uint32_t i = 0; i < s->room / GW_DMA_CHUNK; i++)
		free(s->chunk[i]);
	free(s->chunk);
	*s = (struct gw_dma_slots){ 0 };
}
