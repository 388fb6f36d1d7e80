/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GANGWAY_COHERENT_H
#define GANGWAY_COHERENT_H

#include <linux/list.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

struct gw_space;
struct vm_area_struct;

/**
 * struct gw_chunk - a piece of coherent memory
 * @node:  in the list of those that are in use, or of those to be freed
 * @cpu:   what it was allocated as
 * @base:  its address for the companion, if dma-direct prepared it
 * @attrs: DMA_ATTR_* that it was allocated with
 * @size:  bytes
 * @iova:  its address for the function
 * @used:  pages in use
 * @map:   which ones
 */
struct gw_chunk {
	struct list_head node;
	void *cpu;
	dma_addr_t base;
	unsigned long attrs;
	size_t size;
	u64 iova;
	unsigned long used;
	unsigned long *map;
};

/**
 * struct gw_coherent - coherent memory of one function
 * @space:      where it is mapped
 * @plain:      what the kernel allocates needs no preparation by dma-direct
 * @chunk_size: bytes of a chunk that allocations share
 * @reap:       frees those in @doomed
 * @lock:       protects what follows, and all in the chunks
 * @chunks:     those in use
 * @doomed:     chunks without users that wait to be freed, which may sleep
 */
struct gw_coherent {
	struct gw_space *space;
	bool plain;
	size_t chunk_size;
	struct work_struct reap;
	spinlock_t lock;
	struct list_head chunks;
	struct list_head doomed;
};

void gw_coherent_init(struct gw_coherent *p, struct gw_space *s);
void gw_coherent_open(struct gw_coherent *p, bool plain);
void gw_coherent_close(struct gw_coherent *p, bool reached);
void *gw_coherent_alloc(struct gw_coherent *p, size_t size, u64 *iova, gfp_t gfp,
			unsigned long attrs);
void gw_coherent_free(struct gw_coherent *p, void *cpu, size_t size);
int gw_coherent_mmap(struct gw_coherent *p, struct vm_area_struct *vma, void *cpu, size_t size);
int gw_coherent_sgtable(struct gw_coherent *p, struct sg_table *sgt, void *cpu, size_t size);

#endif
