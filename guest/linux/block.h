/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GANGWAY_BLOCK_H
#define GANGWAY_BLOCK_H

#include <linux/bitmap.h>
#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>

#include "ring.h"

struct gw_space;

#define GW_HOT_SLOTS	64	/* a power of two */

/**
 * struct gw_block - a range of guest memory that the host has mapped
 * @rb_phys:      in s->by_phys
 * @phys_max:      likewise
 * @rb_iova:      in s->by_iova
 * @iova_max:      likewise
 * @node:         in s->clock, or in a list of blocks that are going
 * @start:        physical address
 * @last:         of the last byte
 * @req:          the request that maps or unmaps it; its answer says where the function sees it
 * @refs:         users, and GW_BLOCK_GONE once there can be no more of them
 * @uses:         about how many users there were
 * @touched:      had a user since it was last considered for eviction
 * @parked:       not in s->clock, as it had users when it was considered; the last puts it back
 * @aligned:      of the size that was current
 * @hot:          where in s->hot it has been, by bits
 * @rcu:          to free it
 *
 * Protected by s->lock; @req by who maps or unmaps the block. Who finds a block in s->hot
 * takes a reference, or gives it back, without the lock.
 */
struct gw_block {
	struct rb_node rb_phys, rb_iova;
	u64 phys_max, iova_max;
	struct list_head node;
	phys_addr_t start, last;
	struct gw_request req;
	atomic_t refs;
	unsigned int uses;
	bool touched;
	bool parked;
	bool aligned;
	DECLARE_BITMAP(hot[2], GW_HOT_SLOTS);
	struct rcu_head rcu;
};

#define GW_BLOCK_GONE	INT_MIN

/**
 * struct gw_want - a wish that a range be mapped
 * @phys:     where the range starts
 * @len:      bytes
 * @boundary: a mask: the addresses must not have a multiple of @boundary + 1 between them, if the
 *            range is not larger than that; 0: they may
 * @last:     the last address that the function can put out
 * @iova:     the answer
 */
struct gw_want {
	phys_addr_t phys;
	size_t len;
	u64 boundary;
	u64 last;
	u64 iova;
};

/* Can a range not be at @iova? */
static inline bool gw_want_misfits(const struct gw_want *want, u64 iova)
{
	u64 last = iova + want->len - 1;

	return last > want->last ||
	       (want->len - 1 <= want->boundary && (iova ^ last) & ~want->boundary);
}

static inline u64 gw_block_bytes(const struct gw_block *b)
{
	return b->last - b->start + 1;
}

struct gw_block *gw_block_new(struct gw_space *s, const struct gw_want *want,
			      unsigned int shift);
bool gw_block_insert(struct gw_space *s, struct gw_block *b);
void gw_block_remove(struct gw_space *s, struct gw_block *b);
bool gw_block_get(struct gw_space *s, struct gw_want *want);
bool gw_block_get_hot(struct gw_space *s, struct gw_want *want);
bool gw_block_put_hot(struct gw_space *s, u64 iova);
struct gw_block *gw_block_at(struct gw_space *s, u64 iova);
bool gw_block_put(struct gw_space *s, struct gw_block *b, struct list_head *going);
bool gw_block_retire(struct gw_block *b);
struct gw_block *gw_block_next(struct gw_space *s, phys_addr_t start, phys_addr_t last,
			       struct gw_block *after);

void gw_blocks_size(struct gw_space *s);
unsigned int gw_blocks_shift(struct gw_space *s);
bool gw_blocks_reserve(struct gw_space *s, u64 bytes);
bool gw_blocks_make_room(struct gw_space *s, u64 bytes);
void gw_blocks_drop(struct gw_space *s, phys_addr_t start, phys_addr_t last);
void gw_blocks_unmap(struct gw_space *s, struct list_head *going);

#endif
