/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/lock.h"
#include "base/util.h"
#include "dma/dma.h"

/*
 * How it works: under plan paravirt the guest asks for mappings of its memory, and the host says
 * at which addresses they are. A mapping lies in one run of guest memory, or in several that follow
 * each other also in this process; it is linked to each of them by a span. So when the VMM takes
 * a run away, its mappings are at hand and go first, and the memory a mapping was made of is there
 * as long as the mapping is.
 *
 * All mappings have host memory: one that the VMM keeps to itself cannot be mapped. So waiting for
 * the device to let go of one never means waiting for the VMM.
 */

/* limit: pieces that one consists of */
#define MAX_SPANS	64u		/* x86 firmware cuts low memory into six pieces */
#define LOOKS		8u		/* mappings that go between two looks at the clock */

static int mapping_check(const struct gw_dma *dma, const struct gw_dma_want *w, uint64_t *last)
	GW_HOLDS(dma->gate)
{
	const struct gw_host_limits *l = &dma->fn->limits;
	uint64_t size = w->size;

	if (!size || (w->gpa.v | size) & (l->granule - 1))
		return -EINVAL;
	if (__builtin_add_overflow(w->gpa.v, size - 1, last))
		return -EOVERFLOW;
	if (dma->plan != GW_PLAN_PARAVIRT)
		return -EPROTO;
	if (dma->releasing)
		return -EBUSY;
	return 0;
}

static struct gw_dma_span *slot_span(struct gw_dma_slot *slot, unsigned int i)
{
	return i ? &slot->more[i - 1] : &slot->first;
}

static int slot_link(struct gw_dma_slot *slot, struct gw_run *run, unsigned int nr)
{
	if (nr > MAX_SPANS)
		return -EXDEV;
	if (nr > 1) {
		slot->more = calloc(nr - 1, sizeof(*slot->more));
		if (!slot->more)
			return -ENOMEM;
	}
	for (unsigned int i = 0; i < nr; i++, run = gw_run_next(run)) {
		struct gw_dma_span *span = slot_span(slot, i);

		span->slot = slot;
		span->run = gw_dma_run_of(run);
		LIST_INSERT_HEAD(&span->run->spans, span, link);
	}
	slot->nr_spans = (uint16_t)nr;
	return 0;
}

static void slot_release(struct gw_dma *dma, struct gw_dma_slot *slot)
{
	for (unsigned int i = 0; i < slot->nr_spans; i++)
		LIST_REMOVE(slot_span(slot, i), link);
	gw_dma_slot_put(&dma->slots, slot);
}

static int mapping_undo(struct gw_dma *dma, struct gw_dma_slot *slot)
{
	int ret = gw_function_unmap(dma->fn, slot->host, slot->size);

	if (ret)
		return ret;
	slot_release(dma, slot);
	return 0;
}

/* The device may still reach it: its files must not become something else. */
static void mapping_hold(struct gw_dma *dma, struct gw_dma_slot *slot)
{
	struct gw_dma_held held = { .handle = slot->host, .size = slot->size };

	if (slot->nr_spans > 1)
		held.more = calloc(slot->nr_spans - 1u, sizeof(*held.more));
	for (unsigned int i = 0; i < slot->nr_spans; i++) {
		struct gw_file *file = slot_span(slot, i)->run->run.file;

		if (!file)
			continue;
		file->users++;		/* without memory for @more, for good */
		if (!i)
			held.file = file;
		else if (held.more)
			held.more[held.nr_more++] = file;
	}
	gw_dma_held_add(&dma->held, &held);
}

/* The slot goes in any case. Return: 0; -errno of the host */
static int mapping_drop(struct gw_dma *dma, struct gw_dma_slot *slot)
{
	int ret = mapping_undo(dma, slot);

	if (!ret)
		return 0;
	gw_err_guest(dma->log, "%s: cannot unmap %#" PRIx64 " bytes of guest memory: %s",
		     dma->fn->info.name, slot->size, strerror(-ret));
	mapping_hold(dma, slot);
	slot_release(dma, slot);
	return ret;
}

/* All of @map lies at or below @last. */
static bool map_reachable(const struct gw_mapping *map, gw_iova last)
{
	for (unsigned int i = 0; last.v && i < map->nr_segments; i++)
		if (map->seg[i].iova.v > last.v ||
		    map->seg[i].size - 1 > last.v - map->seg[i].iova.v)
			return false;
	return true;
}

/* Bytes of the function's own budget that are left. */
static uint64_t budget_left(const struct gw_dma *dma)
{
	const struct gw_host_limits *l = &dma->fn->limits;
	struct gw_account a;

	gw_function_mapped(dma->fn, &a);
	return a.maps < l->max_maps && a.bytes < l->max_bytes ? l->max_bytes - a.bytes : 0;
}

/* Within the budget it is the host that has no room. */
static int host_map(struct gw_dma *dma, const struct gw_memory *mem, uint64_t size,
		    struct gw_mapping *map)
{
	int ret;

	if (mem->last.v && mem->last.v < dma->fn->limits.iova_first.v)
		return -ERANGE;
	ret = gw_function_map(dma->fn, mem, size, NULL, map);
	if (ret == -ENOMEM || (ret == -ENOSPC && size <= budget_left(dma)))
		return -ENOBUFS;
	return ret;
}

static int mapping_make(struct gw_dma *dma, const struct gw_dma_want *w, struct gw_mapping *map)
	GW_HOLDS(dma->gate)
{
	struct gw_memory mem = { .read_only = w->read_only, .last = w->last };
	int prot = GW_PROT_READ | (w->read_only ? 0 : GW_PROT_WRITE), ret;
	struct gw_dma_slot *slot;
	struct gw_run *run;
	unsigned int nr;
	uint64_t last;

	ret = mapping_check(dma, w, &last);
	if (!ret)
		ret = gw_guest_memory_runs(&dma->memory, gw_vmm_addr_of_gpa(w->gpa), last, prot,
					   &run, &nr);
	if (ret)
		return ret;
	slot = gw_dma_slot_get(&dma->slots, dma->generation);
	if (!slot)
		return -ENOMEM;
	ret = slot_link(slot, run, nr);
	if (ret)
		goto release_slot;
	mem.addr = run->addr + (w->gpa.v - run->node.first);
	ret = host_map(dma, &mem, w->size, map);
	if (ret)
		goto release_slot;
	slot->host = map->handle;
	slot->size = w->size;
	slot->iova = map->seg[0].iova;
	map->handle = slot->handle;
	if (map_reachable(map, w->last))
		return 0;
	mapping_drop(dma, slot);
	return -ERANGE;
release_slot:
	slot_release(dma, slot);
	return ret;
}

int gw_dma_guest_map(struct gw_dma *dma, const struct gw_dma_want *want, struct gw_mapping *map)
{
	int ret;

	gw_gate_lock_patient(&dma->gate);
	ret = mapping_make(dma, want, map);
	gw_gate_unlock(&dma->gate);
	return ret;
}

int gw_dma_guest_unmap(struct gw_dma *dma, uint64_t handle)
{
	struct gw_dma_slot *slot;
	int ret;

	gw_gate_lock_patient(&dma->gate);
	slot = gw_dma_slot_find(&dma->slots, handle);
	if (slot)
		ret = mapping_undo(dma, slot);
	else
		ret = handle >> 32 == dma->generation ? -ENOENT : -ESTALE;
	gw_gate_unlock(&dma->gate);
	return ret;
}

bool gw_dma_guest_live(struct gw_dma *dma, uint64_t handle)
{
	bool live;

	gw_gate_lock_patient(&dma->gate);
	live = gw_dma_slot_find(&dma->slots, handle);
	gw_gate_unlock(&dma->gate);
	return live;
}

int gw_dma_drop_run(struct gw_dma *dma, struct gw_dma_run *run)
{
	struct gw_dma_span *span;
	int ret = 0, err;

	while ((span = LIST_FIRST(&run->spans))) {
		const struct gw_dma_lost lost = { .handle = span->slot->handle,
						  .iova = span->slot->iova,
						  .size = span->slot->size };

		err = mapping_drop(dma, span->slot);
		ret = ret ? ret : err;
		gw_dma_lost_add(&dma->losses, &lost);
		dma->dropped++;
	}
	return ret;
}

int gw_dma_guest_lost(struct gw_dma *dma, struct gw_dma_lost *lost)
{
	int ret;

	gw_gate_lock_patient(&dma->gate);
	ret = gw_dma_lost_take(&dma->losses, lost);
	gw_gate_unlock(&dma->gate);
	return ret;
}

uint64_t gw_dma_guest_left(struct gw_dma *dma)
{
	uint64_t left = budget_left(dma), room = UINT64_MAX;

	if (dma->fn->ops->room)
		room = dma->fn->ops->room(dma->fn);
	return (left < room ? left : room) & ~(dma->fn->limits.granule - 1);
}

/* Return: whether all have gone; else the time was up. */
static bool drop_until(struct gw_dma *dma, uint64_t deadline)
{
	struct gw_dma_slots *s = &dma->slots;
	unsigned int gone = 0;

	for (; s->nr; s->nr--) {
		struct gw_dma_slot *slot = gw_dma_slot_at(s, s->nr - 1);

		if (!slot->handle)
			continue;
		if (gone++ % LOOKS == LOOKS - 1 && gw_now_ns() >= deadline)
			return false;
		mapping_drop(dma, slot);
	}
	s->free = 0;
	return true;
}

void gw_dma_drop_all(struct gw_dma *dma)
{
	drop_until(dma, UINT64_MAX);
	gw_dma_lost_forget(&dma->losses);
	dma->releasing = false;
	if (!++dma->generation)
		dma->generation = 1;
}

int gw_dma_guest_release(struct gw_dma *dma, uint64_t deadline)
{
	int ret = -EAGAIN;

	gw_gate_lock_patient(&dma->gate);
	dma->releasing = true;
	if (drop_until(dma, deadline)) {
		gw_dma_drop_all(dma);
		ret = 0;
	}
	gw_gate_unlock(&dma->gate);
	return ret;
}
