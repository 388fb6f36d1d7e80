// SPDX-License-Identifier: GPL-2.0-only
/*
 * Coherent memory: allocated and mapped in chunks, and given out in pages, so that an allocation
 * seldom needs the host, and that addresses are aligned to the size as drivers expect, which the
 * host does not promise.
 */

#include <linux/bitmap.h>
#include <linux/dma-direct.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "coherent.h"
#include "space.h"

#define MAX_CHUNK	SZ_2M
#define CHUNKS_IN_BUDGET 16

/* Those that change what memory is allocated; for them a chunk of their own. */
#define SPECIAL_ATTRS	(DMA_ATTR_WRITE_COMBINE | DMA_ATTR_NO_KERNEL_MAPPING)

static const dma_addr_t no_base = DMA_MAPPING_ERROR;

static struct device *coherent_base(const struct gw_coherent *p)
{
	return &p->space->companion->pdev->dev;
}

/* The last address that the function can put out. */
static u64 coherent_last(const struct gw_coherent *p)
{
	struct device *dev = p->space->dev;

	return min_not_zero(dev->coherent_dma_mask, dev->bus_dma_limit);
}

/* The CPU has no address of it: what dma-direct allocated is known by the description of its page. */
static bool chunk_is_hidden(const struct gw_chunk *chunk)
{
	return chunk->base != no_base && chunk->attrs & DMA_ATTR_NO_KERNEL_MAPPING;
}

/* What memory in a chunk is called. */
static void *chunk_cpu(const struct gw_chunk *chunk, size_t at)
{
	return chunk_is_hidden(chunk) ? (struct page *)chunk->cpu + (at >> PAGE_SHIFT) :
					chunk->cpu + at;
}

static phys_addr_t chunk_phys(const struct gw_coherent *p, const struct gw_chunk *chunk)
{
	return chunk->base == no_base ? virt_to_phys(chunk->cpu) :
					dma_to_phys(coherent_base(p), chunk->base);
}

static void chunk_free_memory(struct gw_coherent *p, struct gw_chunk *chunk)
{
	if (chunk->base == no_base)
		free_pages_exact(chunk->cpu, chunk->size);
	else
		dma_free_attrs(coherent_base(p), chunk->size, chunk->cpu, chunk->base, chunk->attrs);
}

static bool chunk_alloc_memory(struct gw_coherent *p, struct gw_chunk *chunk, gfp_t gfp)
{
	chunk->base = no_base;
	if (p->plain && get_order(chunk->size) <= MAX_PAGE_ORDER)
		chunk->cpu = alloc_pages_exact(chunk->size, gfp | __GFP_ZERO);
	else
		chunk->cpu = dma_alloc_attrs(coherent_base(p), chunk->size, &chunk->base, gfp,
					     chunk->attrs);
	return chunk->cpu;
}

/* Free a chunk that is not mapped: now, or later what dma-direct may have to sleep for. */
static void chunk_free_unmapped(struct gw_coherent *p, struct gw_chunk *chunk)
{
	unsigned long flags;

	if (chunk->base != no_base) {
		spin_lock_irqsave(&p->lock, flags);
		list_add(&chunk->node, &p->doomed);
		spin_unlock_irqrestore(&p->lock, flags);
		schedule_work(&p->reap);
		return;
	}
	chunk_free_memory(p, chunk);
	bitmap_free(chunk->map);
	kfree(chunk);
}

static void chunk_free(struct gw_coherent *p, struct gw_chunk *chunk)
{
	gw_space_unmap(p->space, chunk->iova, chunk->size);
	chunk_free_unmapped(p, chunk);
}

/* Free what could not be freed where it was given up. */
static void coherent_reap(struct work_struct *work)
{
	struct gw_coherent *p = container_of(work, struct gw_coherent, reap);
	struct gw_chunk *chunk, *next;
	LIST_HEAD(doomed);

	spin_lock_irq(&p->lock);
	list_splice_init(&p->doomed, &doomed);
	spin_unlock_irq(&p->lock);
	list_for_each_entry_safe(chunk, next, &doomed, node) {
		chunk_free_memory(p, chunk);
		bitmap_free(chunk->map);
		kfree(chunk);
	}
}

/* gw_coherent_init() - before anything else */
void gw_coherent_init(struct gw_coherent *p, struct gw_space *s)
{
	p->space = s;
	spin_lock_init(&p->lock);
	INIT_LIST_HEAD(&p->chunks);
	INIT_LIST_HEAD(&p->doomed);
	INIT_WORK(&p->reap, coherent_reap);
}

/* A chunk; if @aligned, its address is a multiple of its size, which is a power of two. */
static struct gw_chunk *chunk_new(struct gw_coherent *p, size_t size, gfp_t gfp,
				  unsigned long attrs, bool aligned)
{
	struct gw_want want = { .len = size, .boundary = aligned ? size - 1 : 0 };
	gfp_t small = gfp & ~(__GFP_ZERO | __GFP_COMP);
	struct gw_chunk *chunk = kzalloc(sizeof(*chunk), small);

	if (!chunk)
		return NULL;
	chunk->size = size;
	chunk->attrs = attrs;
	chunk->map = bitmap_zalloc(size >> PAGE_SHIFT, small);
	if (!chunk->map || !chunk_alloc_memory(p, chunk, gfp))
		goto free;
	want.phys = chunk_phys(p, chunk);
	want.last = coherent_last(p);
	if (!gw_space_map(p->space, &want, gfp & __GFP_NOWARN ? GW_MAP_QUIET : 0)) {
		chunk->iova = want.iova;
		return chunk;
	}
	chunk_free_unmapped(p, chunk);
	return NULL;
free:
	bitmap_free(chunk->map);
	kfree(chunk);
	return NULL;
}

/* Take pages of a chunk, at an address that is a multiple of @align pages. Return the offset. */
static ssize_t chunk_take(struct gw_chunk *chunk, unsigned long pages, unsigned long align)
{
	unsigned long bits = chunk->size >> PAGE_SHIFT, mask = align - 1, at;

	at = bitmap_find_next_zero_area_off(chunk->map, bits, 0, pages, mask,
					    (chunk->iova >> PAGE_SHIFT) & mask);
	if (at >= bits)
		return -ENOSPC;
	bitmap_set(chunk->map, at, pages);
	chunk->used += pages;
	return at << PAGE_SHIFT;
}

static struct gw_chunk *coherent_take(struct gw_coherent *p, unsigned long pages, ssize_t *at)
{
	struct gw_chunk *chunk, *found = NULL;
	u64 last = coherent_last(p);
	unsigned long flags;

	spin_lock_irqsave(&p->lock, flags);
	list_for_each_entry(chunk, &p->chunks, node) {
		if (chunk->attrs & SPECIAL_ATTRS || chunk->iova + chunk->size - 1 > last)
			continue;
		*at = chunk_take(chunk, pages, roundup_pow_of_two(pages));
		if (*at >= 0) {
			found = chunk;
			break;
		}
	}
	spin_unlock_irqrestore(&p->lock, flags);
	return found;
}

/*
 * A new chunk with @pages taken: one to share; or with room to align them; or just as large. Up to
 * half of what a chunk can be, memory that is not aligned to its size is of no use to drivers.
 */
static struct gw_chunk *coherent_grow(struct gw_coherent *p, unsigned long pages, gfp_t gfp,
				      unsigned long attrs, ssize_t *at)
{
	size_t size = pages << PAGE_SHIFT, spare = roundup_pow_of_two(size);
	gfp_t try = gfp | __GFP_NOWARN | __GFP_NORETRY;
	bool aligns = size + spare <= MAX_CHUNK;
	struct gw_chunk *chunk = NULL;
	unsigned long flags;

	if (size + spare <= p->chunk_size && !(attrs & SPECIAL_ATTRS))
		chunk = chunk_new(p, p->chunk_size, try, attrs, false);
	if (!chunk && aligns)
		chunk = chunk_new(p, size + spare, try, attrs, false);
	if (!chunk)
		chunk = chunk_new(p, aligns ? spare : size, gfp, attrs, aligns);
	if (!chunk)
		return NULL;
	spin_lock_irqsave(&p->lock, flags);
	*at = chunk_take(chunk, pages, roundup_pow_of_two(pages));
	if (*at < 0)
		*at = chunk_take(chunk, pages, 1);
	list_add(&chunk->node, &p->chunks);
	spin_unlock_irqrestore(&p->lock, flags);
	return chunk;
}

/**
 * gw_coherent_alloc() - allocate memory that the function can reach
 * @p:     the coherent memory
 * @size:  bytes
 * @iova:  its address for the function
 * @gfp:   flags
 * @attrs: DMA_ATTR_*
 *
 * Return: what dma_alloc_attrs() would, zeroed; or NULL.
 */
void *gw_coherent_alloc(struct gw_coherent *p, size_t size, u64 *iova, gfp_t gfp, unsigned long attrs)
{
	unsigned long pages = PAGE_ALIGN(size) >> PAGE_SHIFT;
	struct gw_chunk *chunk = NULL;
	ssize_t at;

	if (!pages)
		return NULL;
	if (p->plain)
		attrs &= ~SPECIAL_ATTRS;	/* nothing to be had from them */
	if (!(attrs & SPECIAL_ATTRS))
		chunk = coherent_take(p, pages, &at);
	if (!chunk)
		chunk = coherent_grow(p, pages, gfp, attrs, &at);
	if (!chunk)
		return NULL;
	*iova = chunk->iova + at;
	if (!chunk_is_hidden(chunk))
		memset(chunk->cpu + at, 0, size);
	return chunk_cpu(chunk, at);
}

/* How far into its chunk memory is that was given out. */
static size_t chunk_offset(const struct gw_chunk *chunk, const void *cpu)
{
	if (chunk_is_hidden(chunk))
		return ((const struct page *)cpu - (const struct page *)chunk->cpu) << PAGE_SHIFT;
	return cpu - chunk->cpu;
}

/* The chunk with memory that was given out. The caller holds the lock. */
static struct gw_chunk *coherent_find(struct gw_coherent *p, const void *cpu)
{
	struct gw_chunk *chunk;

	lockdep_assert_held(&p->lock);
	list_for_each_entry(chunk, &p->chunks, node)
		if (cpu >= chunk->cpu && cpu < chunk_cpu(chunk, chunk->size))
			return chunk;
	return NULL;
}

/**
 * gw_coherent_free() - free memory
 * @p:    the coherent memory
 * @cpu:  as allocated
 * @size: as allocated
 */
void gw_coherent_free(struct gw_coherent *p, void *cpu, size_t size)
{
	unsigned long pages = PAGE_ALIGN(size) >> PAGE_SHIFT, flags;
	struct gw_chunk *chunk;

	spin_lock_irqsave(&p->lock, flags);
	chunk = coherent_find(p, cpu);
	if (!WARN_ON_ONCE(!chunk || chunk->used < pages)) {
		bitmap_clear(chunk->map, chunk_offset(chunk, cpu) >> PAGE_SHIFT, pages);
		chunk->used -= pages;
		/* the last one stays, for the next to allocate */
		if (!chunk->used && (!list_is_singular(&p->chunks) ||
				     chunk->size != p->chunk_size))
			list_del(&chunk->node);
		else
			chunk = NULL;
	} else {
		chunk = NULL;
	}
	spin_unlock_irqrestore(&p->lock, flags);
	if (chunk)
		chunk_free(p, chunk);
}

/**
 * gw_coherent_open() - the space is open: chunks can be mapped
 * @p:     the coherent memory
 * @plain: what the kernel allocates needs no preparation by dma-direct
 */
void gw_coherent_open(struct gw_coherent *p, bool plain)
{
	size_t limit = min_t(u64, MAX_CHUNK, p->space->companion->budget_bytes / CHUNKS_IN_BUDGET);

	p->plain = plain;
	p->chunk_size = max(rounddown_pow_of_two(max(limit, (size_t)1)), PAGE_SIZE);
}

/**
 * gw_coherent_close() - no driver is bound any more, so nobody uses the chunks
 * @p:       the coherent memory; its space is open
 * @reached: the function may still reach what was mapped: what its driver left is not freed
 */
void gw_coherent_close(struct gw_coherent *p, bool reached)
{
	struct gw_chunk *chunk, *next;

	list_for_each_entry_safe(chunk, next, &p->chunks, node) {
		list_del(&chunk->node);
		if (chunk->used)
			dev_warn(p->space->dev, "gangway: its driver did not free %lu pages\n",
				 chunk->used);
		gw_space_unmap(p->space, chunk->iova, chunk->size);
		if (!reached || !chunk->used)
			chunk_free_unmapped(p, chunk);
	}
	flush_work(&p->reap);
}

/* Copy what there is to know of the chunk with @cpu in it, which stays while @cpu is allocated. */
static bool coherent_look(struct gw_coherent *p, const void *cpu, struct gw_chunk *copy)
{
	struct gw_chunk *chunk;
	unsigned long flags;

	spin_lock_irqsave(&p->lock, flags);
	chunk = coherent_find(p, cpu);
	if (chunk)
		*copy = *chunk;
	spin_unlock_irqrestore(&p->lock, flags);
	return chunk;
}

/**
 * gw_coherent_mmap() - map allocated memory into a process
 * @p:    the coherent memory
 * @vma:  where to
 * @cpu:  as allocated
 * @size: as allocated
 *
 * Return: 0, -ENXIO if it is not so much or nothing that was allocated, or another error.
 */
int gw_coherent_mmap(struct gw_coherent *p, struct vm_area_struct *vma, void *cpu, size_t size)
{
	unsigned long pages = PAGE_ALIGN(size) >> PAGE_SHIFT, count = vma_pages(vma);
	struct gw_chunk chunk;
	size_t at;

	if (!coherent_look(p, cpu, &chunk))
		return -ENXIO;
	at = chunk_offset(&chunk, cpu);
	if (chunk.base != no_base)
		return dma_mmap_attrs(coherent_base(p), vma, cpu, chunk.base + at, size, chunk.attrs);
	if (vma->vm_pgoff >= pages || count > pages - vma->vm_pgoff)
		return -ENXIO;
	return remap_pfn_range(vma, vma->vm_start, PHYS_PFN(virt_to_phys(cpu)) + vma->vm_pgoff,
			       count << PAGE_SHIFT, vma->vm_page_prot);
}

/**
 * gw_coherent_sgtable() - describe allocated memory
 * @p:    the coherent memory
 * @sgt:  the table to make
 * @cpu:  as allocated
 * @size: as allocated
 *
 * Return: 0, -ENXIO if that was not allocated, or another error.
 */
int gw_coherent_sgtable(struct gw_coherent *p, struct sg_table *sgt, void *cpu, size_t size)
{
	struct gw_chunk chunk;
	int ret;

	if (!coherent_look(p, cpu, &chunk))
		return -ENXIO;
	if (chunk.base != no_base)
		return dma_get_sgtable_attrs(coherent_base(p), sgt, cpu,
					     chunk.base + chunk_offset(&chunk, cpu), size, chunk.attrs);
	ret = sg_alloc_table(sgt, 1, GFP_KERNEL);
	if (!ret)
		sg_set_page(sgt->sgl, virt_to_page(cpu), PAGE_ALIGN(size), 0);
	return ret;
}
