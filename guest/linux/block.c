// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks: ranges of guest memory that the host has mapped, where the budget does not cover RAM.
 *
 * How it works. A block is aligned, and of the size that is current, so that neighbours of what was
 * mapped find it there. It stays when nobody uses it any more. When room is needed, blocks are
 * considered in turn, and those without users go, unless they had one since their last turn: that is
 * nearly the order in which they were used, and nobody needs a lock to use one. Blocks that go after
 * few of their pages were mapped were too large, and after most of them were, too small, so the size
 * follows. A range that fits none of that size has a block of exactly its granules; blocks may
 * overlap, as the same memory can be mapped twice.
 */

#include <linux/bitmap.h>
#include <linux/interval_tree_generic.h>
#include <linux/slab.h>

#include "block.h"
#include "companion.h"
#include "ram.h"

#define block_start(b)	((b)->start)
#define block_last(b)	((b)->last)

INTERVAL_TREE_DEFINE(struct gw_block, rb_phys, phys_addr_t, subtree_last, block_start,
		     block_last, static inline, blocks)

/**
 * gw_blocks_init() - before anything else; there are none
 * @set: the blocks, zeroed
 * @c:   who maps them
 */
void gw_blocks_init(struct gw_blocks *set, struct gw_companion *c)
{
	set->companion = c;
	spin_lock_init(&set->lock);
	set->by_phys = RB_ROOT_CACHED;
	set->by_iova = RB_ROOT;
	INIT_LIST_HEAD(&set->clock);
	INIT_LIST_HEAD(&set->leaving);
}

/* Let a new block reach as far as an aligned one of that size does, within RAM. */
static void block_align(const struct gw_blocks *set, struct gw_block *b, unsigned int shift)
{
	const struct gw_run *run = gw_ram_run(set->ram, b->start, b->last);
	phys_addr_t start, last;

	for (; run && shift <= set->max_shift; shift++) {
		start = ALIGN_DOWN(b->start, 1ull << shift);
		last = start + (1ull << shift) - 1;
		if (last >= b->last) {
			b->start = max(start, run->start);
			b->last = min(last, run->last);
			b->aligned = true;
			return;
		}
	}
}

/**
 * gw_block_new() - make a block that is not mapped yet
 * @set:   the blocks
 * @want:  the range that it is for
 * @shift: log2 of its size, or 0: no more than the granules that the range touches
 *
 * Return: the block, with one user, or NULL.
 */
struct gw_block *gw_block_new(struct gw_blocks *set, const struct gw_want *want,
			      unsigned int shift)
{
	struct gw_block *b = kzalloc(sizeof(*b), GFP_ATOMIC | __GFP_NOWARN);
	u64 granule = gw_granule(set->companion);

	if (!b)
		return NULL;
	INIT_LIST_HEAD(&b->node);
	atomic_set(&b->refs, 1);
	b->uses = 1;
	b->start = ALIGN_DOWN(want->phys, granule);
	b->last = (want->phys + want->len - 1) | (granule - 1);
	if (shift)
		block_align(set, b, shift);
	b->req.op = GW_RING_MAP;
	b->req.addr = b->start;
	b->req.len = b->last - b->start + 1;
	if (gw_companion_places(set->companion) && want->last != U64_MAX)
		b->req.last = want->last;
	b->req.segs = &b->seg;
	b->req.room = 1;
	return b;
}

/* gw_block_insert() - put a block where the holder of fill_lock finds it */
void gw_block_insert(struct gw_blocks *set, struct gw_block *b)
{
	lockdep_assert_held(&set->lock);
	blocks_insert(b, &set->by_phys);
	set->nr++;
}

enum { HOT_PHYS, HOT_IOVA };

/* Where to keep a block for who looks for this address. Blocks next to one another do not meet. */
static unsigned int hot_index(const struct gw_blocks *set, u64 addr)
{
	return (addr >> READ_ONCE(set->shift)) % GW_HOT_SLOTS;
}

static void hot_set(struct gw_blocks *set, unsigned int by, u64 addr, struct gw_block *b)
{
	unsigned int i = hot_index(set, addr);

	__set_bit(i, b->hot[by]);
	rcu_assign_pointer(set->hot[by][i], b);
}

static void hot_forget(struct gw_blocks *set, const struct gw_block *b)
{
	unsigned int by, i;

	for (by = HOT_PHYS; by <= HOT_IOVA; by++)
		for_each_set_bit(i, b->hot[by], GW_HOT_SLOTS)
			if (rcu_access_pointer(set->hot[by][i]) == b)
				RCU_INIT_POINTER(set->hot[by][i], NULL);
}

/* gw_block_remove() - have nobody find a block any more; it is freed by RCU */
void gw_block_remove(struct gw_blocks *set, struct gw_block *b)
{
	lockdep_assert_held(&set->lock);
	blocks_remove(b, &set->by_phys);
	set->nr--;
	if (b->live) {
		hot_forget(set, b);
		rb_erase(&b->rb_iova, &set->by_iova);
	}
	list_del_init(&b->node);
	WRITE_ONCE(b->parked, false);
}

/**
 * gw_block_live() - publish a block that the host has mapped at @b->seg
 * @set: the blocks
 * @b: the block
 *
 * Return: false, and nothing changed, if the host's answer cannot be: it is too short, wraps, is
 * not a multiple of the granule, or is where another block is.
 */
bool gw_block_live(struct gw_blocks *set, struct gw_block *b)
{
	struct rb_node **link = &set->by_iova.rb_node, *parent = NULL;
	u64 len = b->last - b->start, iova = b->seg.iova;

	lockdep_assert_held(&set->lock);
	if (b->seg.len <= len || iova + len < iova || iova & (gw_granule(set->companion) - 1))
		return false;
	while (*link) {
		struct gw_block *other = rb_entry(*link, struct gw_block, rb_iova);

		parent = *link;
		if (iova + len < other->iova)
			link = &parent->rb_left;
		else if (iova > other->iova + (other->last - other->start))
			link = &parent->rb_right;
		else
			return false;
	}
	b->iova = iova;
	b->live = true;
	rb_link_node(&b->rb_iova, parent, link);
	rb_insert_color(&b->rb_iova, &set->by_iova);
	list_add_tail(&b->node, &set->clock);
	return true;
}

static bool block_suits(const struct gw_block *b, const struct gw_want *want, bool pending)
{
	if (b->start > want->phys || b->last < want->phys + want->len - 1)
		return false;
	if (!b->live)
		return pending;
	return !gw_want_misfits(want, b->iova + (want->phys - b->start));
}

static struct gw_block *block_find(struct gw_blocks *set, const struct gw_want *want, bool pending)
{
	phys_addr_t phys = want->phys, last = phys + want->len - 1;
	struct gw_block *b;

	for (b = blocks_iter_first(&set->by_phys, phys, last); b;
	     b = blocks_iter_next(b, phys, last))
		if (block_suits(b, want, pending))
			return b;
	return NULL;
}

/**
 * gw_block_get() - become a user of a block with a range in it
 * @set:     the blocks
 * @want:    the range
 * @pending: one that is being mapped will do
 *
 * Return: the block or NULL.
 */
struct gw_block *gw_block_get(struct gw_blocks *set, const struct gw_want *want, bool pending)
{
	struct gw_block *b = block_find(set, want, pending);

	lockdep_assert_held(&set->lock);
	if (!b)
		return NULL;
	if (b->live)
		hot_set(set, HOT_PHYS, want->phys, b);
	/* it has not gone, as it would then not be found with the lock held */
	atomic_inc(&b->refs);
	b->uses++;
	return b;
}

/**
 * gw_block_get_hot() - the same without the lock, for most
 * @set:  the blocks
 * @want: the range
 *
 * Return: the block, which is live, or NULL: there may be one all the same.
 */
struct gw_block *gw_block_get_hot(struct gw_blocks *set, const struct gw_want *want)
{
	phys_addr_t phys = want->phys;
	struct gw_block *b;

	rcu_read_lock();
	b = rcu_dereference(set->hot[HOT_PHYS][hot_index(set, phys)]);
	if (!b || phys < b->start || phys > b->last || want->len - 1 > b->last - phys ||
	    gw_want_misfits(want, b->iova + (phys - b->start)) ||
	    !atomic_inc_unless_negative(&b->refs))
		b = NULL;
	rcu_read_unlock();
	if (b)
		WRITE_ONCE(b->uses, b->uses + 1);	/* one more or less does not matter */
	return b;
}

static bool block_has(const struct gw_block *b, u64 iova)
{
	return iova >= b->iova && iova - b->iova <= b->last - b->start;
}

/* gw_block_unpark() - it has lost its last user: if parked, it is considered for eviction again */
void gw_block_unpark(struct gw_blocks *set, struct gw_block *b)
{
	lockdep_assert_held(&set->lock);
	if (!b->parked)
		return;
	WRITE_ONCE(b->parked, false);
	list_add_tail(&b->node, &set->clock);
}

/**
 * gw_block_put_hot() - one user less, without the lock, for most
 * @set:  the blocks, which are not strict
 * @iova: an address in the block
 *
 * Return: is it done?
 */
bool gw_block_put_hot(struct gw_blocks *set, u64 iova)
{
	struct gw_block *b;
	unsigned long flags;
	int left = -1;

	rcu_read_lock();
	b = rcu_dereference(set->hot[HOT_IOVA][hot_index(set, iova)]);
	if (b && block_has(b, iova)) {
		if (!READ_ONCE(b->touched))
			WRITE_ONCE(b->touched, true);
		/*
		 * Live blocks do not overlap here. So if this one is live, it is that of the
		 * caller, who keeps it from going; else this fails.
		 */
		left = atomic_dec_if_positive(&b->refs);
	}
	/*
	 * atomic_dec_if_positive() is a full barrier; it pairs with smp_mb() in clock_park(): either
	 * we see it parked, or that sees that nobody is left.
	 */
	if (!left && READ_ONCE(b->parked)) {
		spin_lock_irqsave(&set->lock, flags);
		gw_block_unpark(set, b);
		spin_unlock_irqrestore(&set->lock, flags);
	}
	rcu_read_unlock();
	return left >= 0;
}

/* gw_block_at() - find the live block that an address is in */
struct gw_block *gw_block_at(struct gw_blocks *set, u64 iova)
{
	struct rb_node *node = set->by_iova.rb_node;

	lockdep_assert_held(&set->lock);
	while (node) {
		struct gw_block *b = rb_entry(node, struct gw_block, rb_iova);

		if (block_has(b, iova)) {
			hot_set(set, HOT_IOVA, iova, b);
			return b;
		}
		node = iova < b->iova ? node->rb_left : node->rb_right;
	}
	return NULL;
}

/* gw_block_first() - one of the blocks there are, or NULL */
struct gw_block *gw_block_first(struct gw_blocks *set)
{
	struct rb_node *node = rb_first_cached(&set->by_phys);

	lockdep_assert_held(&set->lock);
	return node ? rb_entry(node, struct gw_block, rb_phys) : NULL;
}

/**
 * gw_block_end() - let a block have no new users
 * @b: a block that is about to be removed, or is not live
 *
 * Return: does it still have users?
 */
bool gw_block_end(struct gw_block *b)
{
	return atomic_fetch_add(GW_BLOCK_GONE, &b->refs);
}

/* gw_block_retire() - let a block have no new users, if it has none now; return whether so */
bool gw_block_retire(struct gw_block *b)
{
	return !atomic_cmpxchg(&b->refs, 0, GW_BLOCK_GONE);
}

/**
 * gw_block_put() - one user less
 * @set:   the blocks
 * @b:     a live block of it
 * @going: where it goes if it is to be unmapped, for gw_clock_unmap()
 *
 * Return: did it have users?
 */
bool gw_block_put(struct gw_blocks *set, struct gw_block *b, struct list_head *going)
{
	int left;

	lockdep_assert_held(&set->lock);
	WRITE_ONCE(b->touched, true);
	left = atomic_dec_if_positive(&b->refs);
	if (left)
		return left > 0;
	if (set->strict) {
		gw_block_retire(b);	/* nobody finds it without the lock */
		gw_block_remove(set, b);
		list_add_tail(&b->node, going);
	} else {
		gw_block_unpark(set, b);
	}
	return true;
}

/* gw_block_next() - the block after @after, or the first, with memory of @start to @last; or NULL */
struct gw_block *gw_block_next(struct gw_blocks *set, phys_addr_t start, phys_addr_t last,
			       struct gw_block *after)
{
	lockdep_assert_held(&set->lock);
	return after ? blocks_iter_next(after, start, last) :
		       blocks_iter_first(&set->by_phys, start, last);
}
