// SPDX-License-Identifier: GPL-2.0-only
/*
 * Room for blocks: how large new ones are, and which ones go.
 *
 * How it works. Blocks whose size turned out wrong change the size of the next: see clock_observe().
 * And what has users cannot go, however little of a block they use. So a new block is at most a 64th
 * of what is not in use, and when most of the budget is, blocks are small: a driver that holds few
 * pages in many places for long gets a granule for each in the end. Counting what has users means
 * looking at all blocks, which is done now and then; what was made since counts as if it had.
 */

#include <linux/slab.h>

#include "clock.h"
#include "companion.h"
#include "ring.h"

#define MAX_SHIFT	25	/* 32 MiB */
#define MIN_BLOCKS	64	/* that a budget is good for */
#define OBSERVED	16	/* evicted blocks that decide about the size */
#define SPARSE		64	/* one page of so many was mapped */
#define DENSE		2
#define RECOUNT		16	/* one of so many blocks is new: count again */

/* How many blocks there should at least be. */
static u32 clock_blocks(const struct gw_companion *c)
{
	return min_t(u32, MIN_BLOCKS, c->budget_maps);
}

/**
 * gw_clock_size() - set how large blocks start, and how large they may become
 * @set: the blocks, of which there are none
 */
void gw_clock_size(struct gw_blocks *set)
{
	const struct gw_companion *c = set->companion;
	unsigned int shift = MAX_SHIFT;

	while (shift > c->granule_shift && (c->budget_bytes >> shift < clock_blocks(c) ||
					    c->max_map >> shift == 0))
		shift--;
	set->max_shift = max(shift, c->granule_shift);
	set->shift = set->max_shift;
	set->room = c->budget_bytes;
}

static void clock_count_pinned(struct gw_blocks *set)
{
	struct gw_block *b = NULL;

	set->pinned = 0;
	set->unseen = 0;
	while ((b = gw_block_next(set, 0, -1, b)))
		if (atomic_read(&b->refs) > 0)
			set->pinned += b->last - b->start + 1;
}

/**
 * gw_clock_shift() - how large should the next block be?
 * @set: the blocks
 *
 * Return: log2 of the bytes.
 */
unsigned int gw_clock_shift(struct gw_blocks *set)
{
	const struct gw_companion *c = set->companion;
	unsigned int shift;
	unsigned long flags;
	u64 idle;

	spin_lock_irqsave(&set->lock, flags);
	if (set->unseen * RECOUNT >= set->nr)
		clock_count_pinned(set);
	idle = set->room - min(set->pinned, set->room);
	shift = set->shift;
	while (shift > c->granule_shift && idle >> shift < clock_blocks(c))
		shift--;
	set->pinned += 1ull << shift;
	set->unseen++;
	spin_unlock_irqrestore(&set->lock, flags);
	return shift;
}

/**
 * gw_clock_unmap() - have the host unmap blocks, and free them
 * @set:   the blocks
 * @going: those that go, which nobody finds any more
 *
 * Context: any, without the lock of the blocks.
 */
void gw_clock_unmap(struct gw_blocks *set, struct list_head *going)
{
	struct gw_block *b, *next;
	unsigned long flags;
	LIST_HEAD(requests);
	u64 bytes = 0;
	u32 maps = 0;
	int ret;

	if (list_empty(going))
		return;
	spin_lock_irqsave(&set->lock, flags);
	list_splice_init(&set->leaving, going);
	spin_unlock_irqrestore(&set->lock, flags);
	list_for_each_entry(b, going, node) {
		b->req.op = GW_RING_UNMAP;
		b->req.last = 0;
		list_add_tail(&b->req.node, &requests);
	}
	ret = gw_rings_submit(set->companion, &requests);
	if (ret == -EBUSY) {
		spin_lock_irqsave(&set->lock, flags);
		list_splice_init(going, &set->leaving);
		spin_unlock_irqrestore(&set->lock, flags);
		return;
	}
	list_for_each_entry_safe(b, next, going, node) {
		/* one that the host knows nothing of has gone with its generation */
		if (ret || b->req.status == GW_STATUS_IOERR) {
			dev_err_ratelimited(set->dev, "the host did not unmap %pa-%pa\n",
					    &b->start, &b->last);
		} else {
			bytes += b->last - b->start + 1;
			maps++;
		}
		kfree_rcu(b, rcu);
	}
	INIT_LIST_HEAD(going);
	spin_lock_irqsave(&set->lock, flags);
	set->used_bytes -= min(bytes, set->used_bytes);
	set->used_maps -= min(maps, set->used_maps);
	spin_unlock_irqrestore(&set->lock, flags);
}

/* Learn from a block that goes how large blocks should be. */
static void clock_observe(struct gw_blocks *set, const struct gw_block *b)
{
	if (!b->aligned)
		return;
	set->gone_uses += b->uses;
	set->gone_pages += (b->last - b->start + 1) >> PAGE_SHIFT;
	if (++set->gone_blocks < OBSERVED)
		return;
	if (set->gone_uses * SPARSE < set->gone_pages &&
	    set->shift > set->companion->granule_shift)
		set->shift--;
	else if (set->gone_uses * DENSE >= set->gone_pages && set->shift < set->max_shift)
		set->shift++;
	set->gone_uses = 0;
	set->gone_pages = 0;
	set->gone_blocks = 0;
}

/* Do not consider a block, which has users, until it has none. */
static void clock_park(struct gw_blocks *set, struct gw_block *b)
{
	list_del_init(&b->node);
	WRITE_ONCE(b->parked, true);
	/* pairs with the decrement in gw_block_put_hot() */
	smp_mb();
	if (!atomic_read(&b->refs))
		gw_block_unpark(set, b);
}

static void clock_take(struct gw_blocks *set, struct gw_block *b, struct list_head *going)
{
	gw_block_remove(set, b);
	list_add_tail(&b->node, going);
	gw_count(set->companion, GW_STAT_EVICTIONS);
}

/* Consider a block: have it go, if it has no users and had none since it was last considered. */
static bool clock_evict(struct gw_blocks *set, struct gw_block *b, struct list_head *going)
{
	list_move_tail(&b->node, &set->clock);
	if (READ_ONCE(b->touched)) {
		WRITE_ONCE(b->touched, false);
		return false;
	}
	if (!gw_block_retire(b)) {
		clock_park(set, b);
		return false;
	}
	clock_take(set, b, going);
	clock_observe(set, b);
	return true;
}

/* Take blocks nobody uses, until so much of what is used would go. */
static void clock_evict_some(struct gw_blocks *set, u64 bytes, u32 maps, struct list_head *going)
{
	/* all twice: at first, all may have been used lately */
	u64 turns = 2 * (u64)set->nr, gone = 0;
	u32 gone_maps = 0;

	lockdep_assert_held(&set->lock);
	for (; turns && !list_empty(&set->clock) && (gone < bytes || gone_maps < maps); turns--) {
		struct gw_block *b = list_first_entry(&set->clock, struct gw_block, node);

		if (clock_evict(set, b, going)) {
			gone += b->last - b->start + 1;
			gone_maps++;
		}
	}
}

/* By how much would it be too much? */
static u64 clock_excess(const struct gw_blocks *set, u64 bytes)
{
	return set->used_bytes + bytes - min(set->used_bytes + bytes, set->room);
}

static u32 clock_excess_maps(const struct gw_blocks *set, u32 maps)
{
	u32 wanted = set->used_maps + maps;

	return wanted - min(wanted, set->companion->budget_maps);
}

/* Ask the host how much it would still map: others may have taken what it had for all. */
static void clock_ask_room(struct gw_blocks *set)
{
	struct gw_companion *c = set->companion;
	struct gw_segment unused;
	struct gw_request req = { .op = GW_RING_QUERY, .segs = &unused, .room = 1 };
	unsigned long flags;

	/* an older host does not tell */
	if (!(c->features & GW_FEATURE_RESUME) || gw_companion_ask(c, &req))
		return;
	spin_lock_irqsave(&set->lock, flags);
	set->room = min(c->budget_bytes, set->used_bytes + min(req.handle, c->budget_bytes));
	spin_unlock_irqrestore(&set->lock, flags);
}

/**
 * gw_clock_make_room() - the host has no room, whatever the sums here say
 * @set:   the blocks; the caller holds fill_lock
 * @bytes: that were to be mapped
 *
 * Return: is it worth another try?
 */
bool gw_clock_make_room(struct gw_blocks *set, u64 bytes)
{
	unsigned long flags;
	LIST_HEAD(going);
	bool some;

	spin_lock_irqsave(&set->lock, flags);
	clock_evict_some(set, 2 * bytes, 1, &going);
	spin_unlock_irqrestore(&set->lock, flags);
	some = !list_empty(&going);
	gw_clock_unmap(set, &going);
	clock_ask_room(set);
	return some;
}

/**
 * gw_clock_reserve() - have room in the budget, and take it
 * @set:   the blocks; the caller holds fill_lock
 * @bytes: to be mapped
 * @maps:  number of mappings
 *
 * Return: false if what is in use leaves no room.
 */
bool gw_clock_reserve(struct gw_blocks *set, u64 bytes, u32 maps)
{
	u64 slack = set->companion->budget_bytes / MIN_BLOCKS;
	unsigned long flags;
	LIST_HEAD(going);
	bool fit;

	if (set->room < set->companion->budget_bytes && clock_excess(set, bytes))
		clock_ask_room(set);
	spin_lock_irqsave(&set->lock, flags);
	/* a little more than needed, as one request for many costs little more than for one */
	if (clock_excess(set, bytes) || clock_excess_maps(set, maps))
		clock_evict_some(set, clock_excess(set, bytes + slack),
				 clock_excess_maps(set, maps), &going);
	spin_unlock_irqrestore(&set->lock, flags);
	gw_clock_unmap(set, &going);

	spin_lock_irqsave(&set->lock, flags);
	fit = !clock_excess(set, bytes) && !clock_excess_maps(set, maps);
	if (fit) {
		set->used_bytes += bytes;
		set->used_maps += maps;
	} else if (!clock_excess(set, bytes) && set->shift < set->max_shift) {
		set->shift++;	/* there are too many */
	}
	spin_unlock_irqrestore(&set->lock, flags);
	return fit;
}

/**
 * gw_clock_drop() - memory goes offline, so nobody uses it: have the host unmap what is in it
 * @set:   the blocks; the caller holds fill_lock
 * @start: physical address
 * @last:  of its last byte
 */
void gw_clock_drop(struct gw_blocks *set, phys_addr_t start, phys_addr_t last)
{
	struct gw_block *b, *next;
	unsigned long flags;
	LIST_HEAD(going);

	spin_lock_irqsave(&set->lock, flags);
	for (b = gw_block_next(set, start, last, NULL); b; b = next) {
		next = gw_block_next(set, start, last, b);
		if (gw_block_retire(b))
			clock_take(set, b, &going);
	}
	spin_unlock_irqrestore(&set->lock, flags);
	gw_clock_unmap(set, &going);
}
