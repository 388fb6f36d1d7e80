// SPDX-License-Identifier: GPL-2.0-only
/*
 * Coherent memory of a function in mode windows: pages, mapped for as long as they are allocated.
 *
 * How it works. Drivers expect addresses that are multiples of the size, but the host promises
 * multiples of its granule only. So more is allocated than is asked for, and the function gets what is
 * aligned of it. How far in that begins stands in the description of its first page, which is ours.
 */

#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#include "coherent.h"
#include "space.h"

#define MAX_ALIGNED	SZ_1M

static size_t coherent_align(size_t size)
{
	return PAGE_SIZE << get_order(size);
}

/* All that is allocated for the sake of @size. */
static size_t coherent_total(const struct gw_space *s, size_t size)
{
	size_t align = coherent_align(size), granule = gw_granule(s->companion);
	size_t spare = align > granule && size <= MAX_ALIGNED ? align - granule : 0;

	return PAGE_ALIGN(size) + spare;
}

/**
 * gw_coherent_alloc() - allocate memory that the function can reach
 * @s:    what it can reach
 * @size: bytes
 * @iova: its address for the function
 * @gfp:  flags
 *
 * Return: pages, zeroed; or NULL.
 */
void *gw_coherent_alloc(struct gw_space *s, size_t size, u64 *iova, gfp_t gfp)
{
	size_t total = coherent_total(s, size), lead = 0;
	struct gw_want want = {
		.len = total, .last = min_not_zero(s->dev->coherent_dma_mask, s->dev->bus_dma_limit),
	};
	void *cpu;

	if (!size || get_order(total) > MAX_PAGE_ORDER)
		return NULL;
	cpu = alloc_pages_exact(total, gfp | __GFP_ZERO);
	if (!cpu)
		return NULL;
	want.phys = virt_to_phys(cpu);
	if (gw_space_map(s, &want, gfp & __GFP_NOWARN ? GW_MAP_QUIET : 0)) {
		free_pages_exact(cpu, total);
		return NULL;
	}
	if (total > PAGE_ALIGN(size))
		lead = ALIGN(want.iova, coherent_align(size)) - want.iova;
	set_page_private(virt_to_page(cpu + lead), lead);
	*iova = want.iova + lead;
	return cpu + lead;
}

/**
 * gw_coherent_free() - free memory
 * @s:    what the function can reach
 * @cpu:  as allocated
 * @size: as allocated
 * @iova: as allocated
 */
void gw_coherent_free(struct gw_space *s, void *cpu, size_t size, u64 iova)
{
	size_t total = coherent_total(s, size), lead = page_private(virt_to_page(cpu));

	if (WARN_ON_ONCE(lead > total - PAGE_ALIGN(size)))
		return;
	set_page_private(virt_to_page(cpu), 0);
	gw_space_unmap(s, iova - lead, total);
	free_pages_exact(cpu - lead, total);
}
