/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GANGWAY_BLOCK_H
#define GANGWAY_BLOCK_H

#include <linux/bitmap.h>
#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>

#include "request.h"

struct device;
struct gw_companion;
struct gw_ram;

#define GW_HOT_SLOTS	64	/* a power of two */

/**
 * struct gw_block - a range of guest memory that the host has mapped
 * @rb_phys:      in set->by_phys
 * @subtree_last: likewise
 * @rb_iova:      in set->by_iova, once live
 * @node:         in set->clock once live, or in a list of blocks that are going
 * @start:        physical address
 * @last:         of the last byte
 * @iova:         where the function sees @start
 * @seg:          the host's answer
 * @req:          the request that maps or unmaps it
 * @refs:         users, and GW_BLOCK_GONE once there can be no more of them
 * @uses:         about how many users there were
 * @touched:      had a user since it was last considered for eviction
 * @parked:       not in set->clock, as it had users when it was considered; the last puts it back
 * @aligned:      of the size that was current
 * @live:         the host has mapped it. Until then only the holder of fill_lock sees it
 * @hot:          where in set->hot it has been, by bits
 * @rcu:          to free it
 *
 * Protected by set->lock; @seg, @req by who maps or unmaps the block. Who finds a live block in
 * set->hot takes a reference, or gives it back, without the lock.
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

/**
 * struct gw_blocks - the blocks of one function
 * @companion:   who maps them
 * @dev:         the function, for messages
 * @ram:         where RAM is
 * @strict:      nothing stays mapped that is not in use
 * @lock:        protects what follows
 * @by_phys:     blocks by physical address; they can overlap
 * @by_iova:     live blocks by their address for the function
 * @clock:       live blocks, but for those that are parked, in the order in which they are
 *               considered for eviction
 * @leaving:     blocks that go, of which the host could not be told while it was being reset
 * @hot:         live blocks that were looked up by physical address and by IOVA; see hot_index().
 *               Written with @lock, read by RCU
 * @used_bytes:  mapped, or about to be
 * @used_maps:   likewise
 * @room:        what the host would have us map in all: the budget, or less while others share it
 * @nr:          number in @by_phys
 * @shift:       log2 of the size of new blocks
 * @max_shift:   its limit
 * @gone_blocks: blocks that were evicted since @shift was last looked at
 * @gone_pages:  how many pages these had
 * @gone_uses:   how often one was mapped
 * @pinned:      bytes in blocks with users, at most
 * @unseen:      blocks made since @pinned was counted
 */
struct gw_blocks {
	struct gw_companion *companion;
	struct device *dev;
	const struct gw_ram *ram;
	bool strict;
	spinlock_t lock;
	struct rb_root_cached by_phys;
	struct rb_root by_iova;
	struct list_head clock;
	struct list_head leaving;
	struct gw_block __rcu *hot[2][GW_HOT_SLOTS];
	u64 used_bytes;
	u32 used_maps;
	u64 room;
	u32 nr;
	unsigned int shift, max_shift;
	unsigned int gone_blocks;
	u64 gone_pages;
	u64 gone_uses;
	u64 pinned;
	u32 unseen;
};

/**
 * struct gw_want - a wish that a range be mapped, in a batch
 * @phys:     where the range starts
 * @len:      bytes
 * @boundary: a mask: the addresses must not have a multiple of @boundary + 1 between them, if the
 *            range is not larger than that; 0: they may
 * @last:     the last address that the function can put out
 * @iova:     the answer
 * @block:    what the range is in; NULL: it is found again by the address
 * @done:     is it mapped?
 */
struct gw_want {
	phys_addr_t phys;
	size_t len;
	u64 boundary;
	u64 last;
	u64 iova;
	struct gw_block *block;
	bool done;
};

/* Can a range not be at @iova? */
static inline bool gw_want_misfits(const struct gw_want *want, u64 iova)
{
	u64 last = iova + want->len - 1;

	return last > want->last ||
	       (want->len - 1 <= want->boundary && (iova ^ last) & ~want->boundary);
}

void gw_blocks_init(struct gw_blocks *set, struct gw_companion *c);
struct gw_block *gw_block_new(struct gw_blocks *set, const struct gw_want *want,
			      unsigned int shift);
void gw_block_insert(struct gw_blocks *set, struct gw_block *b);
void gw_block_remove(struct gw_blocks *set, struct gw_block *b);
struct gw_block *gw_block_get(struct gw_blocks *set, const struct gw_want *want, bool pending);
struct gw_block *gw_block_get_hot(struct gw_blocks *set, const struct gw_want *want);
bool gw_block_put_hot(struct gw_blocks *set, u64 iova);
struct gw_block *gw_block_at(struct gw_blocks *set, u64 iova);
struct gw_block *gw_block_first(struct gw_blocks *set);
bool gw_block_live(struct gw_blocks *set, struct gw_block *b);
bool gw_block_put(struct gw_blocks *set, struct gw_block *b, struct list_head *going);
bool gw_block_end(struct gw_block *b);
bool gw_block_retire(struct gw_block *b);
void gw_block_unpark(struct gw_blocks *set, struct gw_block *b);
struct gw_block *gw_block_next(struct gw_blocks *set, phys_addr_t start, phys_addr_t last,
			       struct gw_block *after);

#endif
