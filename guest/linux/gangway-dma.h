/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GANGWAY_DMA_H
#define GANGWAY_DMA_H

/*
 * How it works. A companion device maps guest memory for one function, and answers at which
 * addresses (IOVAs) the function reaches it. When a driver binds to the function, pair.c gives
 * the function dma_map_ops of its own (ops.c), which go to the companion's struct gw_space. That
 * maps all RAM at once if the budget allows (ram.c), else blocks of it as needed (block.c).
 * ring.c and regs.c carry requests to the host and never sleep.
 *
 * Preparing memory for the CPU's sake, that is cache maintenance and the bouncing that the kernel
 * was told to do, is left to dma-direct: the companion is a device on the same bus, so memory is
 * mapped in its name, and what comes out is what the host is asked to map.
 *
 * Lock order: device lock, gw_companions_lock, control; and of those held with interrupts off,
 * space->fill_lock, rings->lock or regs_lock. coherent->lock and space->lock are held alone or in
 * fill_lock, and never while the host is asked.
 */

#include <linux/dma-map-ops.h>
#include <linux/interval_tree_generic.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/percpu.h>
#include <linux/rbtree.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "gangway-abi.h"

struct gw_companion;
struct gw_space;

/* Guest RAM, as physically contiguous runs; both bounds are multiples of the granule. */
struct gw_run {
	phys_addr_t start, last;
};

/* What the host answered to a map: consecutive pieces of the range, each with its address. */
struct gw_segment {
	u64 iova, len;
};

/**
 * struct gw_request - one thing that the host is asked to do
 * @node:   in the list that gw_companion_submit() gets
 * @op:     GW_RING_MAP or GW_RING_UNMAP
 * @addr:   physical address to map
 * @len:    bytes to map
 * @handle: what UNMAP undoes; MAP sets it
 * @segs:   room for the answer to MAP
 * @room:   elements of @segs
 * @nr:     segments answered; if more than @room, the last are lost
 * @status: GW_STATUS_*
 */
struct gw_request {
	struct list_head node;
	u16 op;
	u16 status;
	u16 room;
	u16 nr;
	u64 addr;
	u64 len;
	u64 handle;
	struct gw_segment *segs;
};

#define GW_HOT_SLOTS	64	/* a power of two */

/**
 * struct gw_block - a range of guest memory that the host has mapped
 * @rb_phys, @subtree_last: in space->by_phys
 * @rb_iova: in space->by_iova, once live
 * @node:    in space->clock once live, in space->stale, or in a list of blocks that are going
 * @start, @last: physical addresses
 * @iova:    where the function sees @start
 * @seg:     the host's answer
 * @req:     the request that maps or unmaps it
 * @refs:    users, and GW_BLOCK_GONE once there can be no more of them
 * @uses:    about how many users there were
 * @touched: had a user since it was last considered for eviction
 * @parked:  not in space->clock, as it had users when it was considered; the last one puts it back
 * @hot:     where in space->hot it has been, by bits
 * @aligned: of the size that was current
 * @live:    the host has mapped it. Until then only the holder of fill_lock sees it.
 * @rcu:     to free it
 *
 * Protected by space->lock; @seg, @req by who maps or unmaps the block. Who finds a live block in
 * space->hot takes a reference, or gives it back, without the lock.
 */
struct gw_block {
	struct rb_node rb_phys;
	phys_addr_t subtree_last;
	struct rb_node rb_iova;
	struct list_head node;
	phys_addr_t start, last;
	u64 iova;
	struct gw_segment seg;
	struct gw_request req;
	atomic_t refs;
	unsigned int uses;
	bool touched;
	bool parked;
	bool aligned;
	bool live;
	DECLARE_BITMAP(hot[2], GW_HOT_SLOTS);
	struct rcu_head rcu;
};

#define GW_BLOCK_GONE	INT_MIN

/* A piece of RAM that is mapped for as long as its generation lasts. */
struct gw_extent {
	phys_addr_t start, last;
	u64 iova;
};

/**
 * struct gw_cover - all of guest RAM, mapped once
 * @next:     those of earlier generations
 * @nr:       number of @extents
 * @bytes:    mapped for them
 * @nr_handles: number of @handles
 * @handles:  what the host calls the mappings
 * @extents:  in order of @start
 *
 * Does not change once published.
 */
struct gw_cover {
	struct gw_cover *next;
	u64 bytes;
	unsigned int nr_handles;
	u64 *handles;
	unsigned int nr;
	struct gw_extent extents[];
};

enum gw_stat {
	GW_STAT_HITS,		/* maps that found a block */
	GW_STAT_MISSES,		/* maps that made one */
	GW_STAT_EVICTIONS,	/* blocks unmapped to make room */
	GW_STAT_FAILURES,	/* maps that failed */
	GW_STAT_REQUESTS,	/* sent to the host */
	GW_STAT_DOORBELLS,	/* writes that leave the guest, to send them */
	GW_NR_STATS,
};

struct gw_stats {
	u64 n[GW_NR_STATS];
};

/* A map that failed, for debugfs. */
struct gw_error {
	u64 when;		/* ktime_get_boottime_ns() */
	phys_addr_t phys;
	u64 len;
	int err;
	u64 used_bytes;
	u32 used_maps;
};

#define GW_NR_ERRORS	16

/**
 * struct gw_space - what one function can reach, and at which addresses
 * @ops:        of the function; found from there by container_of()
 * @companion:  whose space this is
 * @dev:        the function, while a driver is bound to it
 * @plain:      memory needs no preparation by dma-direct
 * @strict:     nothing stays mapped that is not in use
 * @generation: of the companion, that everything here belongs to
 * @cover:      RAM, if it is mapped as a whole; read without a lock
 * @retired:    covers of older generations
 * @runs:       guest RAM
 * @fill_lock:  taken to have the host map something; what is below is protected by @lock
 * @by_phys:    blocks by physical address; they can overlap
 * @by_iova:    live blocks by their address for the function
 * @clock:      live blocks, but for those that are parked, in the order in which they are
 *              considered for eviction
 * @stale:      blocks of older generations that still have users
 * @used_bytes, @used_maps: mapped, or about to be
 * @hot:        live blocks that were looked up by physical address and by IOVA; see hot_index().
 *              Written with @lock, read by RCU
 * @nr_blocks:  number in @by_phys
 * @shift:      log2 of the size of new blocks; @max_shift is its limit
 * @gone_blocks: blocks that were evicted since @shift was last looked at; how many pages they had
 *              is in @gone_pages, and how often one was mapped in @gone_uses
 * @errors:     the last maps that failed
 */
struct gw_space {
	struct dma_map_ops ops;
	struct gw_companion *companion;
	struct device *dev;
	bool plain;
	bool strict;
	u32 generation;
	struct gw_cover *cover;
	struct gw_cover *retired;
	struct gw_run *runs;
	unsigned int nr_runs;
	spinlock_t fill_lock;

	spinlock_t lock;
	struct rb_root_cached by_phys;
	struct rb_root by_iova;
	struct list_head clock;
	struct list_head stale;
	struct gw_block __rcu *hot[2][GW_HOT_SLOTS];
	u64 used_bytes;
	u32 used_maps;
	u32 nr_blocks;
	unsigned int shift, max_shift;
	u64 gone_uses;
	u64 gone_pages;
	unsigned int gone_blocks;
	struct gw_error errors[GW_NR_ERRORS];
	unsigned int nr_errors;
};

/*
 * A wish that a range be mapped, in a batch. @boundary is a mask: the addresses must not have a
 * multiple of @boundary + 1 between them, if the range is not larger than that; 0: they may.
 */
struct gw_want {
	phys_addr_t phys;
	size_t len;
	u64 boundary;
	u64 iova;
	struct gw_block *block;	/* NULL: it is in the cover */
	bool done;
};

#define GW_MAX_WANTS	16

/* Would a range at @iova cross a boundary that it must not cross? */
static inline bool gw_crosses(u64 iova, size_t len, u64 boundary)
{
	return len - 1 <= boundary && (iova ^ (iova + len - 1)) & ~boundary;
}

/* A piece of coherent memory; see coherent.c. */
struct gw_chunk {
	struct list_head node;
	void *cpu;
	dma_addr_t base;	/* for the companion, if dma-direct prepared it */
	unsigned long attrs;
	size_t size;
	u64 iova;
	u32 generation;
	unsigned long used;	/* pages */
	unsigned long *map;	/* pages in use */
};

/* @doomed: chunks without users that wait to be freed, which cannot be done in atomic context */
struct gw_coherent {
	struct gw_space *space;
	spinlock_t lock;	/* what follows, and all in the chunks */
	struct list_head chunks;
	struct list_head doomed;
	size_t chunk_size;
};

/* Protected by lock, apart from what is set up before the first request. */
struct gw_rings {
	spinlock_t lock;
	struct gw_ring *hdr;	/* NULL: there is no ring */
	struct gw_ring_sqe *sq;
	struct gw_ring_cqe *cq;
	struct gw_request **by_tag;
	size_t bytes;
	u32 size;
	u32 tail, head;
	bool broken;
};

/* The command page of the earlier device, where there is no ring. regs_lock protects it. */
struct gw_command {
	struct gw_cmd_page *page;
	void *request;
	void *response;
	unsigned int max;	/* entries of one command */
};

/**
 * struct gw_companion - a companion device
 * @ref:       held by the driver and by work under way
 * @node:      in gw_companions
 * @control:   protects @gone and writes of CONTROL
 * @gone:      the device is not there any more
 * @pdev:      the device
 * @function:  what it serves, while a driver is bound to that; under gw_companions_lock
 * @leaving:   serves no driver that is bound from now on; under gw_companions_lock
 * @hidden:    the function that is to be removed
 * @announce:  has the function appear
 * @forget:    has the function, hidden again, removed
 * @regs:      BAR0
 * @page:      BAR2, or NULL
 * @regs_lock: orders the halves of registers of 64 bits, and the command page
 */
struct gw_companion {
	struct kref ref;
	struct list_head node;
	struct mutex control;
	bool gone;
	struct pci_dev *pdev;
	struct pci_dev *function;
	bool leaving;
	struct pci_dev *hidden;
	struct work_struct announce;
	struct work_struct forget;

	void __iomem *regs;
	struct gw_companion_page __iomem *page;
	spinlock_t regs_lock;
	u64 cookie;
	u32 features;
	unsigned int granule_shift;
	u64 budget_bytes;
	u32 budget_maps;
	u64 max_map;
	unsigned int iova_bits;

	struct gw_rings rings;
	struct gw_command command;
	struct gw_space space;
	struct gw_coherent coherent;
	struct gw_stats __percpu *stats;
	struct dentry *debugfs;
};

u32 gw_regs_generation(struct gw_companion *c);

static inline void gw_count(struct gw_companion *c, enum gw_stat which)
{
	this_cpu_inc(c->stats->n[which]);
}

/**
 * gw_companion_generation() - which generation mappings made now belong to
 * @c: the companion
 *
 * Return: a number that changes when all mappings have gone.
 */
static inline u32 gw_companion_generation(struct gw_companion *c)
{
	if (likely(c->rings.hdr))
		return le32_to_cpu(READ_ONCE(c->rings.hdr->generation));
	return gw_regs_generation(c);
}

static inline u64 gw_granule(const struct gw_companion *c)
{
	return 1ull << c->granule_shift;
}

/* main.c */
extern bool gw_strict;
void gw_companion_put(struct gw_companion *c);
int gw_companion_submit(struct gw_companion *c, struct list_head *requests);

/* regs.c */
int gw_regs_init(struct gw_companion *c);
void gw_regs_fini(struct gw_companion *c);
int gw_regs_submit(struct gw_companion *c, struct list_head *requests);
int gw_regs_control(struct gw_companion *c, u32 what);
u32 gw_regs_read(struct gw_companion *c, unsigned int reg);
u64 gw_regs_read64(struct gw_companion *c, unsigned int reg);
void gw_regs_write(struct gw_companion *c, unsigned int reg, u32 value);
void gw_regs_write64(struct gw_companion *c, unsigned int reg, u64 value);

/* ring.c */
int gw_rings_start(struct gw_companion *c);
void gw_rings_quiesce(struct gw_companion *c);
void gw_rings_stop(struct gw_companion *c);
int gw_rings_submit(struct gw_companion *c, struct list_head *requests);

/* pair.c */
extern struct workqueue_struct *gw_workqueue;
int gw_pairs_init(void);
void gw_pairs_fini(void);
int gw_pairs_add(struct gw_companion *c);
void gw_pairs_remove(struct gw_companion *c);

/* ram.c */
int gw_ram_runs(struct gw_space *s);
struct gw_cover *gw_cover_new(struct gw_space *s);
void gw_cover_unmap(struct gw_space *s, struct gw_cover *cover);
void gw_cover_free(struct gw_cover *cover);
const struct gw_extent *gw_cover_find(const struct gw_cover *cover, phys_addr_t phys);

/**
 * gw_cover_iova() - translate a range
 * @cover: the cover, or NULL
 * @phys:  where the range starts
 * @len:   bytes, at least one
 * @iova:  the address, if it has one
 *
 * Return: is all of the range in one piece of the cover?
 */
static inline bool gw_cover_iova(const struct gw_cover *cover, phys_addr_t phys, size_t len,
				 u64 *iova)
{
	const struct gw_extent *e;

	if (!cover)
		return false;
	e = cover->nr == 1 ? cover->extents : gw_cover_find(cover, phys);
	if (!e || phys < e->start || phys > e->last || len - 1 > e->last - phys)
		return false;
	*iova = e->iova + (phys - e->start);
	return true;
}

/**
 * gw_cover_phys() - find what is at an address
 * @cover: the cover, or NULL
 * @iova:  an address that the function uses
 * @phys:  what is there
 *
 * Return: is it of the cover?
 */
static inline bool gw_cover_phys(const struct gw_cover *cover, u64 iova, phys_addr_t *phys)
{
	unsigned int i;

	for (i = 0; cover && i < cover->nr; i++) {
		const struct gw_extent *e = &cover->extents[i];

		if (iova >= e->iova && iova - e->iova <= e->last - e->start) {
			*phys = e->start + (iova - e->iova);
			return true;
		}
	}
	return false;
}

/* block.c */
struct gw_block *gw_block_new(struct gw_space *s, phys_addr_t phys, size_t len, bool exact);
void gw_block_insert(struct gw_space *s, struct gw_block *b);
void gw_block_remove(struct gw_space *s, struct gw_block *b);
struct gw_block *gw_block_get(struct gw_space *s, const struct gw_want *want, bool pending);
struct gw_block *gw_block_get_hot(struct gw_space *s, phys_addr_t phys, size_t len, u64 boundary);
bool gw_block_put_hot(struct gw_space *s, u64 iova);
struct gw_block *gw_block_at(struct gw_space *s, u64 iova);
struct gw_block *gw_block_stale(struct gw_space *s, u64 iova);
struct gw_block *gw_block_first(struct gw_space *s);
bool gw_block_live(struct gw_space *s, struct gw_block *b);
bool gw_block_put(struct gw_space *s, struct gw_block *b, struct list_head *going);
bool gw_block_end(struct gw_block *b);
void gw_blocks_unmap(struct gw_space *s, struct list_head *going);
void gw_blocks_size(struct gw_space *s);
bool gw_blocks_reserve(struct gw_space *s, u64 bytes, u32 maps);

/* space.c */
void gw_space_init(struct gw_space *s, struct gw_companion *c);
int gw_space_open(struct gw_space *s, struct device *dev);
void gw_space_close(struct gw_space *s);
int gw_space_map_many(struct gw_space *s, struct gw_want *wants, unsigned int n);
int gw_space_map(struct gw_space *s, phys_addr_t phys, size_t len, u64 *iova);
void gw_space_unmap(struct gw_space *s, u64 iova, size_t len);
bool gw_space_phys(struct gw_space *s, u64 iova, phys_addr_t *phys);
size_t gw_space_max_mapping(struct gw_space *s);

/* coherent.c */
void gw_coherent_init(struct gw_coherent *p, struct gw_space *s);
void gw_coherent_open(struct gw_coherent *p);
void gw_coherent_close(struct gw_coherent *p);
void *gw_coherent_alloc(struct gw_coherent *p, size_t size, u64 *iova, gfp_t gfp, unsigned long attrs);
void gw_coherent_free(struct gw_coherent *p, void *cpu, size_t size);
int gw_coherent_mmap(struct gw_coherent *p, struct vm_area_struct *vma, void *cpu, size_t size);
int gw_coherent_sgtable(struct gw_coherent *p, struct sg_table *sgt, void *cpu, size_t size);

/* ops.c */
extern const struct dma_map_ops gw_refuse_ops;
void gw_ops_init(struct gw_space *s);

/* debug.c */
void gw_debug_init(void);
void gw_debug_fini(void);
void gw_debug_add(struct gw_companion *c);
void gw_debug_remove(struct gw_companion *c);

#endif
