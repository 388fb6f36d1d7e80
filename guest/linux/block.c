// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks: ranges of guest memory that the host has mapped, where the budget does not cover RAM.
 *
 * How it works. A block is aligned, and of the size that is current, so that neighbours of what was
 * mapped find it there. It stays when nobody uses it any more. When room is needed, blocks are
 * considered in turn, and those without users go, unless they had one since their last turn: that
 * is nearly the order in which they were used, and nobody needs a lock to use one. Blocks that go
 * after few of their pages were mapped were too large, and after most of them were, too small, so
 * the size follows. A range that fits none of that size has a block of exactly its granules; blocks
 * may overlap, as the same memory can be mapped twice.
 *
 * What has users cannot go, however little of a block they use. So a new block is at most a 64th
 * of what is not in use, and when most of the budget is, blocks are small: a driver that holds few
 * pages in many places for long gets a granule for each in the end. Counting what has users means
 * looking at all blocks, which is done now and then; what was made since counts as if it had.
 */

#include <linux/interval_tree_generic.h>
#include <linux/slab.h>

#include "block.h"
#include "companion.h"
#include "ram.h"
#include "space.h"

#define MAX_SHIFT	25	/* 32 MiB */
#define MIN_BLOCKS	64	/* that a budget is good for */
#define OBSERVED	16	/* evicted blocks that decide about the size */
#define SPARSE		64	/* one page of so many was mapped */
#define DENSE		2
#define RECOUNT		16	/* one of so many blocks is new: count again */

#define phys_start(b)	((b)->start)
#define phys_last(b)	((b)->last)
#define iova_start(b)	((b)->req.iova)
#define iova_last(b)	((b)->req.iova + gw_block_bytes(b) - 1)

INTERVAL_TREE_DEFINE(struct gw_block, rb_phys, u64, phys_max, phys_start, phys_last,
		     static inline, by_phys)
INTERVAL_TREE_DEFINE(struct gw_block, rb_iova, u64, iova_max, iova_start, iova_last,
		     static inline, by_iova)

/* Let a new block reach as far as an aligned one of that size does, within RAM. */
static void block_align(const struct gw_space *s, struct gw_block *b, unsigned int shift)
{
	const struct gw_run *run = gw_ram_run(s->ram, b->start, b->last);
	phys_addr_t start, last;

	for (; run && shift <= s->max_shift; shift++) {
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
 * @s:     the space
 * @want:  the range that it is for
 * @shift: log2 of its size, or 0: no more than the granules that the range touches
 *
 * Return: the block, with one user, or NULL.
 */
struct gw_block *gw_block_new(struct gw_space *s, const struct gw_want *want,
			      unsigned int shift)
{
	struct gw_block *b = kzalloc(sizeof(*b), GFP_ATOMIC | __GFP_NOWARN);
	u64 granule = gw_granule(s->companion);

	if (!b)
		return NULL;
	INIT_LIST_HEAD(&b->node);
	atomic_set(&b->refs, 1);
	b->uses = 1;
	b->start = ALIGN_DOWN(want->phys, granule);
	b->last = (want->phys + want->len - 1) | (granule - 1);
	if (shift)
		block_align(s, b, shift);
	b->req.op = GW_RING_MAP;
	b->req.addr = b->start;
	b->req.len = gw_block_bytes(b);
	if (gw_companion_places(s->companion) && want->last != U64_MAX)
		b->req.last = want->last;
	return b;
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

/**
 * gw_block_insert() - publish a block that the host has mapped where @b->req says
 * @s: the space
 * @b: the block
 *
 * Return: false, and nothing changed, if the host's answer cannot be: it is too short, wraps, is
 * not a multiple of the granule, or is where another block is.
 */
bool gw_block_insert(struct gw_space *s, struct gw_block *b)
{
	u64 first = iova_start(b), last = iova_last(b);

	lockdep_assert_held(&s->lock);
	if (b->req.mapped < gw_block_bytes(b) || last < first ||
	    !IS_ALIGNED(first, gw_granule(s->companion)) ||
	    by_iova_iter_first(&s->by_iova, first, last))
		return false;
	by_phys_insert(b, &s->by_phys);
	by_iova_insert(b, &s->by_iova);
	list_add_tail(&b->node, &s->clock);
	s->nr++;
	return true;
}

/* gw_block_remove() - have nobody find a block any more; it is freed by RCU */
void gw_block_remove(struct gw_space *s, struct gw_block *b)
{
	lockdep_assert_held(&s->lock);
	by_phys_remove(b, &s->by_phys);
	by_iova_remove(b, &s->by_iova);
	s->nr--;
	hot_forget(s, b);
	list_del_init(&b->node);
	WRITE_ONCE(b->parked, false);
}

/* gw_block_next() - the block after @after (NULL: before all) in what is from @start to @last */
struct gw_block *gw_block_next(struct gw_space *s, phys_addr_t start, phys_addr_t last,
			       struct gw_block *after)
{
	lockdep_assert_held(&s->lock);
	return after ? by_phys_iter_next(after, start, last) :
		       by_phys_iter_first(&s->by_phys, start, last);
}

/**
 * gw_block_get() - become a user of a block with a range in it
 * @s:    the space
 * @want: the range; its address is left in it
 *
 * Return: is there one?
 */
bool gw_block_get(struct gw_space *s, struct gw_want *want)
{
	phys_addr_t phys = want->phys, last = phys + want->len - 1;
	struct gw_block *b = NULL;

	while ((b = gw_block_next(s, phys, last, b))) {
		want->iova = b->req.iova + (phys - b->start);
		if (b->start > phys || b->last < last || gw_want_misfits(want, want->iova))
			continue;
		hot_set(s, HOT_PHYS, phys, b);
		/* it has not gone, as it would then not be found with the lock held */
		atomic_inc(&b->refs);
		b->uses++;
		return true;
	}
	return false;
}

/* gw_block_get_hot() - the same without the lock, for most: there may be one all the same */
bool gw_block_get_hot(struct gw_space *s, struct gw_want *want)
{
	phys_addr_t phys = want->phys;
	struct gw_block *b;
	bool found;

	rcu_read_lock();
	b = rcu_dereference(s->hot[HOT_PHYS][hot_index(s, phys)]);
	found = b && phys >= b->start && phys <= b->last && want->len - 1 <= b->last - phys;
	if (found) {
		want->iova = b->req.iova + (phys - b->start);
		found = !gw_want_misfits(want, want->iova) && atomic_inc_unless_negative(&b->refs);
	}
	if (found)
		WRITE_ONCE(b->uses, b->uses + 1);	/* one more or less does not matter */
	rcu_read_unlock();
	return found;
}

/* It has lost its last user: if parked, it is considered for eviction again. */
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
 * @s:    the space, which are not strict
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
	if (b && iova >= iova_start(b) && iova <= iova_last(b)) {
		if (!READ_ONCE(b->touched))
			WRITE_ONCE(b->touched, true);
		/*
		 * Blocks do not overlap here. So if this one has not gone, it is that of the
		 * caller, who keeps it from going; else this fails.
		 */
		left = atomic_dec_if_positive(&b->refs);
	}
	/*
	 * atomic_dec_if_positive() is a full barrier; it pairs with smp_mb() in clock_park():
	 * either we see it parked, or that sees that nobody is left.
	 */
	if (!left && READ_ONCE(b->parked)) {
		spin_lock_irqsave(&s->lock, flags);
		block_unpark(s, b);
		spin_unlock_irqrestore(&s->lock, flags);
	}
	rcu_read_unlock();
	return left >= 0;
}

/* gw_block_at() - find the block that an address is in */
struct gw_block *gw_block_at(struct gw_space *s, u64 iova)
{
	struct gw_block *b = by_iova_iter_first(&s->by_iova, iova, iova);

	lockdep_assert_held(&s->lock);
	if (b)
		hot_set(s, HOT_IOVA, iova, b);
	return b;
}

/* gw_block_retire() - let a block have no new users, if it has none now; return whether so */
bool gw_block_retire(struct gw_block *b)
{
	return !atomic_cmpxchg(&b->refs, 0, GW_BLOCK_GONE);
}

/**
 * gw_block_put() - one user less
 * @s:     the space
 * @b:     a block of it
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
		gw_block_retire(b);	/* nobody finds it without the lock */
		gw_block_remove(s, b);
		list_add_tail(&b->node, going);
	} else {
		block_unpark(s, b);
	}
	return true;
}

/* How many blocks there should at least be. */
static u32 clock_blocks(const struct gw_companion *c)
{
	return min_t(u32, MIN_BLOCKS, c->budget_maps);
}

/**
 * gw_blocks_size() - set how large blocks start, and how large they may become
 * @s: the space, of which there are none
 */
void gw_blocks_size(struct gw_space *s)
{
	const struct gw_companion *c = s->companion;
	unsigned int shift = MAX_SHIFT;

	while (shift > c->granule_shift && (c->budget_bytes >> shift < clock_blocks(c) ||
					    c->max_map >> shift == 0))
		shift--;
	s->max_shift = max(shift, c->granule_shift);
	s->shift = s->max_shift;
	s->room = c->budget_bytes;
}

static void clock_count_pinned(struct gw_space *s)
{
	struct gw_block *b = NULL;

	s->pinned = 0;
	s->unseen = 0;
	while ((b = gw_block_next(s, 0, -1, b)))
		if (atomic_read(&b->refs) > 0)
			s->pinned += gw_block_bytes(b);
}

/**
 * gw_blocks_shift() - how large should the next block be?
 * @s: the space
 *
 * Return: log2 of the bytes.
 */
unsigned int gw_blocks_shift(struct gw_space *s)
{
	const struct gw_companion *c = s->companion;
	unsigned int shift;
	unsigned long flags;
	u64 idle;

	spin_lock_irqsave(&s->lock, flags);
	if (s->unseen * RECOUNT >= s->nr)
		clock_count_pinned(s);
	idle = s->room - min(s->pinned, s->room);
	shift = s->shift;
	while (shift > c->granule_shift && idle >> shift < clock_blocks(c))
		shift--;
	s->pinned += 1ull << shift;
	s->unseen++;
	spin_unlock_irqrestore(&s->lock, flags);
	return shift;
}

/**
 * gw_blocks_unmap() - have the host unmap blocks, and free them
 * @s:     the space
 * @going: those that go, which nobody finds any more
 *
 * Context: any, without the lock of the blocks.
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
	spin_lock_irqsave(&s->lock, flags);
	list_splice_init(&s->leaving, going);
	spin_unlock_irqrestore(&s->lock, flags);
	list_for_each_entry(b, going, node) {
		b->req.op = GW_RING_UNMAP;
		b->req.last = 0;
		list_add_tail(&b->req.node, &requests);
	}
	ret = s->companion->transport->submit(s->companion, &requests);
	if (ret == -EBUSY) {
		spin_lock_irqsave(&s->lock, flags);
		list_splice_init(going, &s->leaving);
		spin_unlock_irqrestore(&s->lock, flags);
		return;
	}
	list_for_each_entry_safe(b, next, going, node) {
		/* one that the host knows nothing of has gone with its generation */
		if (ret || b->req.status == GW_STATUS_IOERR) {
			dev_err_ratelimited(s->dev, "the host did not unmap %pa-%pa\n",
					    &b->start, &b->last);
		} else {
			bytes += gw_block_bytes(b);
			maps++;
		}
		kfree_rcu(b, rcu);
	}
	INIT_LIST_HEAD(going);
	spin_lock_irqsave(&s->lock, flags);
	s->used_bytes -= min(bytes, s->used_bytes);
	s->used_maps -= min(maps, s->used_maps);
	spin_unlock_irqrestore(&s->lock, flags);
}

/* Learn from a block that goes how large blocks should be. */
static void clock_observe(struct gw_space *s, const struct gw_block *b)
{
	if (!b->aligned)
		return;
	s->gone_uses += b->uses;
	s->gone_pages += (gw_block_bytes(b)) >> PAGE_SHIFT;
	if (++s->gone_blocks < OBSERVED)
		return;
	if (s->gone_uses * SPARSE < s->gone_pages &&
	    s->shift > s->companion->granule_shift)
		s->shift--;
	else if (s->gone_uses * DENSE >= s->gone_pages && s->shift < s->max_shift)
		s->shift++;
	s->gone_uses = 0;
	s->gone_pages = 0;
	s->gone_blocks = 0;
}

/* Do not consider a block, which has users, until it has none. */
static void clock_park(struct gw_space *s, struct gw_block *b)
{
	list_del_init(&b->node);
	WRITE_ONCE(b->parked, true);
	/* pairs with the decrement in gw_block_put_hot() */
	smp_mb();
	if (!atomic_read(&b->refs))
		block_unpark(s, b);
}

static void clock_take(struct gw_space *s, struct gw_block *b, struct list_head *going)
{
	gw_block_remove(s, b);
	list_add_tail(&b->node, going);
	gw_count(s->companion, GW_STAT_EVICTIONS);
}

/* Consider a block: have it go, if it has no users and had none since it was last considered. */
static bool clock_evict(struct gw_space *s, struct gw_block *b, struct list_head *going)
{
	list_move_tail(&b->node, &s->clock);
	if (READ_ONCE(b->touched)) {
		WRITE_ONCE(b->touched, false);
		return false;
	}
	if (!gw_block_retire(b)) {
		clock_park(s, b);
		return false;
	}
	clock_take(s, b, going);
	clock_observe(s, b);
	return true;
}

/* Take blocks nobody uses, until so much of what is used would go, and one in any case. */
static void clock_evict_some(struct gw_space *s, u64 bytes, struct list_head *going)
{
	/* all twice: at first, all may have been used lately */
	u64 turns = 2 * (u64)s->nr, gone = 0;

	lockdep_assert_held(&s->lock);
	for (; turns && !list_empty(&s->clock) && (gone < bytes || !gone); turns--) {
		struct gw_block *b = list_first_entry(&s->clock, struct gw_block, node);

		if (clock_evict(s, b, going))
			gone += gw_block_bytes(b);
	}
}

/* By how much would it be too much? */
static u64 clock_excess(const struct gw_space *s, u64 bytes)
{
	return s->used_bytes + bytes - min(s->used_bytes + bytes, s->room);
}

static bool clock_is_full(const struct gw_space *s)
{
	return s->used_maps >= s->companion->budget_maps;
}

/* Ask the host how much it would still map: others may have taken what it had for all. */
static void clock_ask_room(struct gw_space *s)
{
	struct gw_companion *c = s->companion;
	struct gw_request req = { .op = GW_RING_QUERY };
	unsigned long flags;

	/* an older host does not tell */
	if (!(c->features & GW_FEATURE_RESUME) || gw_companion_ask(c, &req))
		return;
	spin_lock_irqsave(&s->lock, flags);
	s->room = min(c->budget_bytes, s->used_bytes + min(req.handle, c->budget_bytes));
	spin_unlock_irqrestore(&s->lock, flags);
}

/**
 * gw_blocks_make_room() - the host has no room, whatever the sums here say
 * @s:     the space; the caller holds fill_lock
 * @bytes: that were to be mapped
 *
 * Return: is it worth another try?
 */
bool gw_blocks_make_room(struct gw_space *s, u64 bytes)
{
	unsigned long flags;
	LIST_HEAD(going);
	bool some;

	spin_lock_irqsave(&s->lock, flags);
	clock_evict_some(s, 2 * bytes, &going);
	spin_unlock_irqrestore(&s->lock, flags);
	some = !list_empty(&going);
	gw_blocks_unmap(s, &going);
	clock_ask_room(s);
	return some;
}

/**
 * gw_blocks_reserve() - have room in the budget for a block, and take it
 * @s:     the space; the caller holds fill_lock
 * @bytes: of the block
 *
 * Return: false if what is in use leaves no room.
 */
bool gw_blocks_reserve(struct gw_space *s, u64 bytes)
{
	u64 slack = s->companion->budget_bytes / MIN_BLOCKS;
	unsigned long flags;
	LIST_HEAD(going);
	bool fit;

	if (s->room < s->companion->budget_bytes && clock_excess(s, bytes))
		clock_ask_room(s);
	spin_lock_irqsave(&s->lock, flags);
	/* a little more than needed, as one request for many costs little more than for one */
	if (clock_excess(s, bytes) || clock_is_full(s))
		clock_evict_some(s, clock_excess(s, bytes + slack), &going);
	spin_unlock_irqrestore(&s->lock, flags);
	gw_blocks_unmap(s, &going);

	spin_lock_irqsave(&s->lock, flags);
	fit = !clock_excess(s, bytes) && !clock_is_full(s);
	if (fit) {
		s->used_bytes += bytes;
		s->used_maps++;
	} else if (!clock_excess(s, bytes) && s->shift < s->max_shift) {
		s->shift++;	/* there are too many */
	}
	spin_unlock_irqrestore(&s->lock, flags);
	return fit;
}

/**
 * gw_blocks_drop() - memory goes offline, so nobody uses it: have the host unmap what is in it
 * @s:     the space; the caller holds fill_lock
 * @start: physical address
 * @last:  of its last byte
 */
void gw_blocks_drop(struct gw_space *s, phys_addr_t start, phys_addr_t last)
{
	struct gw_block *b, *next;
	unsigned long flags;
	LIST_HEAD(going);

	spin_lock_irqsave(&s->lock, flags);
	for (b = gw_block_next(s, start, last, NULL); b; b = next) {
		next = gw_block_next(s, start, last, b);
		if (gw_block_retire(b))
			clock_take(s, b, &going);
	}
	spin_unlock_irqrestore(&s->lock, flags);
	gw_blocks_unmap(s, &going);
}
