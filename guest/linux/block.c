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
#include <linux/slab.h>

#include "gangway-dma.h"
#include "trace.h"

#define MAX_SHIFT	25	/* 32 MiB */
#define MIN_BLOCKS	64	/* that a budget is good for */
#define OBSERVED	16	/* evicted blocks that decide about the size */
#define SPARSE		64	/* one page of so many was mapped */
#define DENSE		2

#define block_start(b)	((b)->start)
#define block_last(b)	((b)->last)

INTERVAL_TREE_DEFINE(struct gw_block, rb_phys, phys_addr_t, subtree_last, block_start,
		     block_last, static inline, blocks)

/* What a new block for a range should hold. */
static void block_range(const struct gw_space *s, struct gw_block *b, bool exact)
{
	const struct gw_run *run = NULL;
	unsigned int i, shift;

	for (i = 0; i < s->nr_runs && !run; i++)
		if (b->start >= s->runs[i].start && b->last <= s->runs[i].last)
			run = &s->runs[i];
	if (!run || exact)
		return;
	for (shift = READ_ONCE(s->shift); shift <= s->max_shift; shift++) {
		phys_addr_t start = ALIGN_DOWN(b->start, 1ull << shift);
		phys_addr_t last = start + (1ull << shift) - 1;

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
 * @s:     the space
 * @phys:  start of the range that it is for
 * @len:   bytes of that
 * @exact: no more than the granules that the range touches
 *
 * Return: the block, with one user, or NULL.
 */
struct gw_block *gw_block_new(struct gw_space *s, phys_addr_t phys, size_t len, bool exact)
{
	struct gw_block *b = kzalloc(sizeof(*b), GFP_ATOMIC | __GFP_NOWARN);
	u64 granule = gw_granule(s->companion);

	if (!b)
		return NULL;
	INIT_LIST_HEAD(&b->node);
	atomic_set(&b->refs, 1);
	b->uses = 1;
	b->start = ALIGN_DOWN(phys, granule);
	b->last = (phys + len - 1) | (granule - 1);
	block_range(s, b, exact);
	b->req.op = GW_RING_MAP;
	b->req.addr = b->start;
	b->req.len = b->last - b->start + 1;
	b->req.segs = &b->seg;
	b->req.room = 1;
	return b;
}

/* Is there a block that starts here? */
static bool block_starts(struct gw_space *s, phys_addr_t start)
{
	struct gw_block *b;

	for (b = blocks_iter_first(&s->by_phys, start, start); b;
	     b = blocks_iter_next(b, start, start))
		if (b->start == start)
			return true;
	return false;
}

/*
 * The command page calls a mapping by its address, and has one of each: where there is one, start
 * a little earlier.
 */
static void block_rename(struct gw_space *s, struct gw_block *b)
{
	u64 granule = gw_granule(s->companion);

	while (b->start >= granule && block_starts(s, b->start))
		b->start -= granule;
	b->req.addr = b->start;
	b->req.len = b->last - b->start + 1;
}

/* gw_block_insert() - put a block where the holder of fill_lock finds it */
void gw_block_insert(struct gw_space *s, struct gw_block *b)
{
	lockdep_assert_held(&s->lock);
	if (!s->companion->rings.hdr)
		block_rename(s, b);
	blocks_insert(b, &s->by_phys);
	s->nr_blocks++;
}

enum { HOT_PHYS, HOT_IOVA };

/* Where to keep a block for who looks for this address. Blocks next to one another do not meet. */
static unsigned int hot_index(const struct gw_space *s, u64 addr)
{
	return (addr >> READ_ONCE(s->shift)) % GW_HOT_SLOTS;
}

static void hot_set(struct gw_space *s, unsigned int by, u64 addr, struct gw_block *b)
{
	unsigned int i = hot_index(s, addr);

	__set_bit(i, b->hot[by]);
	rcu_assign_pointer(s->hot[by][i], b);
}

static void hot_forget(struct gw_space *s, const struct gw_block *b)
{
	unsigned int by, i;

	for (by = HOT_PHYS; by <= HOT_IOVA; by++)
		for_each_set_bit(i, b->hot[by], GW_HOT_SLOTS)
			if (rcu_access_pointer(s->hot[by][i]) == b)
				RCU_INIT_POINTER(s->hot[by][i], NULL);
}

/* gw_block_remove() - have nobody find a block any more; it is freed by RCU */
void gw_block_remove(struct gw_space *s, struct gw_block *b)
{
	lockdep_assert_held(&s->lock);
	blocks_remove(b, &s->by_phys);
	s->nr_blocks--;
	if (b->live) {
		hot_forget(s, b);
		rb_erase(&b->rb_iova, &s->by_iova);
	}
	list_del_init(&b->node);
	WRITE_ONCE(b->parked, false);
}

/**
 * gw_block_live() - publish a block that the host has mapped at @b->seg
 * @s: the space
 * @b: the block
 *
 * Return: false, and nothing changed, if the host's answer cannot be: it is too short, wraps, or
 * is where another block is.
 */
bool gw_block_live(struct gw_space *s, struct gw_block *b)
{
	struct rb_node **link = &s->by_iova.rb_node, *parent = NULL;
	u64 len = b->last - b->start, iova = b->seg.iova;

	lockdep_assert_held(&s->lock);
	if (b->seg.len <= len || iova + len < iova)
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
	rb_insert_color(&b->rb_iova, &s->by_iova);
	list_add_tail(&b->node, &s->clock);
	return true;
}

static bool block_suits(const struct gw_block *b, const struct gw_want *want, bool pending)
{
	if (b->start > want->phys || b->last < want->phys + want->len - 1)
		return false;
	if (!b->live)
		return pending;
	return !gw_crosses(b->iova + (want->phys - b->start), want->len, want->boundary);
}

static struct gw_block *block_find(struct gw_space *s, const struct gw_want *want, bool pending)
{
	phys_addr_t phys = want->phys, last = phys + want->len - 1;
	struct gw_block *b;

	for (b = blocks_iter_first(&s->by_phys, phys, last); b;
	     b = blocks_iter_next(b, phys, last))
		if (block_suits(b, want, pending))
			return b;
	return NULL;
}

/**
 * gw_block_get() - become a user of a block with a range in it
 * @s:       the space
 * @want:    the range
 * @pending: one that is being mapped will do
 *
 * Return: the block or NULL.
 */
struct gw_block *gw_block_get(struct gw_space *s, const struct gw_want *want, bool pending)
{
	struct gw_block *b = block_find(s, want, pending);

	lockdep_assert_held(&s->lock);
	if (!b)
		return NULL;
	if (b->live)
		hot_set(s, HOT_PHYS, want->phys, b);
	/* it has not gone, as it would then not be found with the lock held */
	atomic_inc(&b->refs);
	b->uses++;
	return b;
}

/**
 * gw_block_get_hot() - the same without the lock, for most
 * @s:        the space
 * @phys:     where the range starts
 * @len:      bytes
 * @boundary: as in struct gw_want
 *
 * Return: the block, which is live, or NULL: there may be one all the same.
 */
struct gw_block *gw_block_get_hot(struct gw_space *s, phys_addr_t phys, size_t len, u64 boundary)
{
	struct gw_block *b;

	rcu_read_lock();
	b = rcu_dereference(s->hot[HOT_PHYS][hot_index(s, phys)]);
	if (!b || phys < b->start || phys > b->last || len - 1 > b->last - phys ||
	    gw_crosses(b->iova + (phys - b->start), len, boundary) ||
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

/* A block has lost its last user; if it was parked, it is to be considered for eviction again. */
static void block_unpark(struct gw_space *s, struct gw_block *b)
{
	lockdep_assert_held(&s->lock);
	if (!b->parked)
		return;
	WRITE_ONCE(b->parked, false);
	list_add_tail(&b->node, &s->clock);
}

/**
 * gw_block_put_hot() - one user less, without the lock, for most
 * @s:    the space, which is not strict
 * @iova: an address in the block
 *
 * Return: is it done?
 */
bool gw_block_put_hot(struct gw_space *s, u64 iova)
{
	struct gw_block *b;
	unsigned long flags;
	int left = -1;

	rcu_read_lock();
	b = rcu_dereference(s->hot[HOT_IOVA][hot_index(s, iova)]);
	/* if it is of a newer generation than what the caller mapped, there is more in these */
	smp_rmb();
	if (b && block_has(b, iova) && list_empty(&s->stale) && !READ_ONCE(s->retired)) {
		if (!READ_ONCE(b->touched))
			WRITE_ONCE(b->touched, true);
		/*
		 * Live blocks do not overlap here. So if this one is live, it is that of the
		 * caller, who keeps it from going; else this fails.
		 */
		left = atomic_dec_if_positive(&b->refs);
	}
	/* ordered, so that either we see it parked, or block_park() sees that nobody is left */
	if (!left && READ_ONCE(b->parked)) {
		spin_lock_irqsave(&s->lock, flags);
		block_unpark(s, b);
		spin_unlock_irqrestore(&s->lock, flags);
	}
	rcu_read_unlock();
	return left >= 0;
}

/* gw_block_at() - find the live block that an address is in */
struct gw_block *gw_block_at(struct gw_space *s, u64 iova)
{
	struct rb_node *node = s->by_iova.rb_node;

	lockdep_assert_held(&s->lock);
	while (node) {
		struct gw_block *b = rb_entry(node, struct gw_block, rb_iova);

		if (block_has(b, iova)) {
			hot_set(s, HOT_IOVA, iova, b);
			return b;
		}
		node = iova < b->iova ? node->rb_left : node->rb_right;
	}
	return NULL;
}

/* gw_block_stale() - the same among blocks of older generations */
struct gw_block *gw_block_stale(struct gw_space *s, u64 iova)
{
	struct gw_block *b;

	lockdep_assert_held(&s->lock);
	list_for_each_entry(b, &s->stale, node)
		if (block_has(b, iova))
			return b;
	return NULL;
}

/* gw_block_first() - one of the blocks there are, or NULL */
struct gw_block *gw_block_first(struct gw_space *s)
{
	struct rb_node *node = rb_first_cached(&s->by_phys);

	lockdep_assert_held(&s->lock);
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

/* Let a block go, if it has no users. */
static bool block_retire(struct gw_block *b)
{
	return !atomic_cmpxchg(&b->refs, 0, GW_BLOCK_GONE);
}

/**
 * gw_block_put() - one user less
 * @s:     the space
 * @b:     a live block of it
 * @going: where it goes if it is to be unmapped, for gw_blocks_unmap()
 *
 * Return: did it have users?
 */
bool gw_block_put(struct gw_space *s, struct gw_block *b, struct list_head *going)
{
	int left;

	lockdep_assert_held(&s->lock);
	WRITE_ONCE(b->touched, true);
	left = atomic_dec_if_positive(&b->refs);
	if (left)
		return left > 0;
	if (s->strict) {
		block_retire(b);	/* nobody finds it without the lock */
		gw_block_remove(s, b);
		list_add_tail(&b->node, going);
	} else {
		block_unpark(s, b);
	}
	return true;
}

/**
 * gw_blocks_unmap() - have the host unmap blocks, and free them
 * @s:     the space
 * @going: the blocks, which nobody finds any more
 *
 * Context: any, without the space's lock.
 */
void gw_blocks_unmap(struct gw_space *s, struct list_head *going)
{
	struct gw_block *b, *next;
	unsigned long flags;
	LIST_HEAD(requests);
	u64 bytes = 0;
	u32 maps = 0;
	int ret;

	if (list_empty(going))
		return;
	list_for_each_entry(b, going, node) {
		b->req.op = GW_RING_UNMAP;
		list_add_tail(&b->req.node, &requests);
	}
	ret = gw_companion_submit(s->companion, &requests);
	list_for_each_entry_safe(b, next, going, node) {
		/* one that the host knows nothing of has gone with its generation */
		if (ret || b->req.status == GW_STATUS_IOERR) {
			dev_err_ratelimited(s->dev, "the host did not unmap %pa-%pa\n", &b->start,
					    &b->last);
		} else {
			bytes += b->last - b->start + 1;
			maps++;
		}
		kfree_rcu(b, rcu);
	}
	spin_lock_irqsave(&s->lock, flags);
	s->used_bytes -= min(bytes, s->used_bytes);
	s->used_maps -= min(maps, s->used_maps);
	spin_unlock_irqrestore(&s->lock, flags);
}

/* Learn from a block that goes how large blocks should be. */
static void blocks_observe(struct gw_space *s, const struct gw_block *b)
{
	if (!b->aligned)
		return;
	s->gone_uses += b->uses;
	s->gone_pages += (b->last - b->start + 1) >> PAGE_SHIFT;
	if (++s->gone_blocks < OBSERVED)
		return;
	if (s->gone_uses * SPARSE < s->gone_pages && s->shift > s->companion->granule_shift)
		s->shift--;
	else if (s->gone_uses * DENSE >= s->gone_pages && s->shift < s->max_shift)
		s->shift++;
	s->gone_uses = 0;
	s->gone_pages = 0;
	s->gone_blocks = 0;
}

static bool blocks_fit(const struct gw_space *s, u64 bytes, u32 maps)
{
	const struct gw_companion *c = s->companion;

	return s->used_bytes + bytes <= c->budget_bytes && s->used_maps + maps <= c->budget_maps;
}

/* Do not consider a block, which has users, until it has none. */
static void block_park(struct gw_space *s, struct gw_block *b)
{
	list_del_init(&b->node);
	WRITE_ONCE(b->parked, true);
	smp_mb();
	if (!atomic_read(&b->refs))
		block_unpark(s, b);
}

/* Consider a block: have it go, if it has no users and had none since it was last considered. */
static bool block_evict(struct gw_space *s, struct gw_block *b, struct list_head *going)
{
	list_move_tail(&b->node, &s->clock);
	if (READ_ONCE(b->touched)) {
		WRITE_ONCE(b->touched, false);
		return false;
	}
	if (!block_retire(b)) {
		block_park(s, b);
		return false;
	}
	gw_block_remove(s, b);
	list_add_tail(&b->node, going);
	blocks_observe(s, b);
	gw_count(s->companion, GW_STAT_EVICTIONS);
	trace_gangway_evict(s->dev, b->start, b->last - b->start + 1, b->iova, b->uses);
	return true;
}

/* Take blocks nobody uses, until there would be room. */
static void blocks_evict(struct gw_space *s, u64 bytes, u32 maps, struct list_head *going)
{
	u64 slack = s->companion->budget_bytes / MIN_BLOCKS;
	/* all twice: at first, all may have been used lately */
	u64 turns = 2 * (u64)s->nr_blocks;
	u32 gone_maps = 0;
	u64 gone = 0;

	/* a little more than needed, as one request for many costs little more than for one */
	for (; turns && !list_empty(&s->clock) &&
	       (s->used_bytes - gone + bytes + slack > s->companion->budget_bytes ||
		s->used_maps - gone_maps + maps > s->companion->budget_maps); turns--) {
		struct gw_block *b = list_first_entry(&s->clock, struct gw_block, node);

		if (block_evict(s, b, going)) {
			gone += b->last - b->start + 1;
			gone_maps++;
		}
	}
}

/**
 * gw_blocks_reserve() - have room in the budget, and take it
 * @s:     the space; the caller holds fill_lock
 * @bytes: to be mapped
 * @maps:  number of mappings
 *
 * Return: false if what is in use leaves no room.
 */
bool gw_blocks_reserve(struct gw_space *s, u64 bytes, u32 maps)
{
	unsigned long flags;
	LIST_HEAD(going);
	bool fit;

	lockdep_assert_held(&s->fill_lock);
	spin_lock_irqsave(&s->lock, flags);
	if (!blocks_fit(s, bytes, maps))
		blocks_evict(s, bytes, maps, &going);
	spin_unlock_irqrestore(&s->lock, flags);
	gw_blocks_unmap(s, &going);

	spin_lock_irqsave(&s->lock, flags);
	fit = blocks_fit(s, bytes, maps);
	if (fit) {
		s->used_bytes += bytes;
		s->used_maps += maps;
	} else if (s->used_bytes + bytes <= s->companion->budget_bytes) {
		if (s->shift < s->max_shift)
			s->shift++;	/* there are too many */
	} else if (s->shift > s->companion->granule_shift) {
		s->shift--;		/* smaller ones pin less */
	}
	spin_unlock_irqrestore(&s->lock, flags);
	return fit;
}

/**
 * gw_blocks_size() - set how large blocks start, and how large they may become
 * @s: the space
 */
void gw_blocks_size(struct gw_space *s)
{
	const struct gw_companion *c = s->companion;
	unsigned int shift = MAX_SHIFT;

	while (shift > c->granule_shift &&
	       (c->budget_bytes >> shift < min_t(u32, MIN_BLOCKS, c->budget_maps) ||
		c->max_map >> shift == 0))
		shift--;
	s->max_shift = max(shift, c->granule_shift);
	s->shift = s->max_shift;
}
