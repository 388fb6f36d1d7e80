// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one function can reach: maps and unmaps of ranges, by blocks.
 *
 * How it works. A map that finds its range takes no lock if that is in a block that was in use
 * lately, else the blocks' lock for a moment. One that does not takes fill_lock, looks again, and has
 * the host map blocks, without their lock; so maps that find theirs never wait for the host. If the
 * host begins another generation, which it does for another kernel, module or VMM only, nothing of
 * the space is mapped any more, and nothing ever will be.
 */

#include <linux/slab.h>

#include "clock.h"
#include "ring.h"
#include "space.h"

#define MAX_TRIES	8	/* to have a range mapped where it must be */

/* gw_space_init() - before anything else; nothing is mapped */
void gw_space_init(struct gw_space *s, struct gw_companion *c)
{
	s->companion = c;
	spin_lock_init(&s->fill_lock);
	gw_blocks_init(&s->blocks, c);
}

/**
 * gw_space_open() - get ready for a driver
 * @s:      the space, closed
 * @dev:    the function
 * @ram:    where RAM is; to stay until the space is closed
 * @strict: nothing stays mapped that is not in use
 */
void gw_space_open(struct gw_space *s, struct device *dev, const struct gw_ram *ram, bool strict)
{
	s->dev = dev;
	s->blocks.dev = dev;
	s->blocks.ram = ram;
	s->blocks.strict = strict;
	gw_clock_size(&s->blocks);
	s->dropped = gw_companion_dropped(s->companion);
	s->generation = gw_companion_generation(s->companion);
}

/* Forget all blocks. Return how many were in use. */
static unsigned int space_forget(struct gw_space *s)
{
	struct gw_blocks *set = &s->blocks;
	struct gw_block *b, *next;
	unsigned int used = 0;
	unsigned long flags;

	spin_lock_irqsave(&set->lock, flags);
	list_for_each_entry_safe(b, next, &set->leaving, node) {
		list_del(&b->node);
		kfree_rcu(b, rcu);
	}
	while ((b = gw_block_first(set))) {
		used += gw_block_end(b);
		gw_block_remove(set, b);
		kfree_rcu(b, rcu);
	}
	set->used_bytes = 0;
	set->used_maps = 0;
	spin_unlock_irqrestore(&set->lock, flags);
	return used;
}

/**
 * gw_space_close() - no driver is bound any more
 * @s: the space; the caller has had the host unmap everything, or it has gone
 */
void gw_space_close(struct gw_space *s)
{
	unsigned int used = space_forget(s);

	if (used)
		dev_warn(s->dev, "gangway: its driver left %u mappings behind\n", used);
	s->dev = NULL;
	s->blocks.dev = NULL;
	s->blocks.ram = NULL;
}

/* All addresses are of the past. */
static bool space_is_over(struct gw_space *s)
{
	return unlikely(gw_companion_generation(s->companion) != READ_ONCE(s->generation));
}

static bool space_is_behind(struct gw_space *s)
{
	return unlikely(gw_companion_dropped(s->companion) != READ_ONCE(s->dropped));
}

/* Learn of one block that the VMM has ended, from the host. Return whether that ended well. */
static bool space_drop_one(struct gw_space *s)
{
	struct gw_segment where;
	struct gw_request req = { .op = GW_RING_DROPPED, .segs = &where, .room = 1 };
	struct gw_block *b;
	unsigned long flags;
	bool gone;

	if (gw_companion_ask(s->companion, &req))
		return false;
	spin_lock_irqsave(&s->blocks.lock, flags);
	b = gw_block_at(&s->blocks, where.iova);
	gone = !b || gw_block_retire(b);
	if (b && gone) {
		gw_block_remove(&s->blocks, b);
		s->blocks.used_bytes -= b->last - b->start + 1;
		s->blocks.used_maps--;
		kfree_rcu(b, rcu);
	}
	spin_unlock_irqrestore(&s->blocks.lock, flags);
	return gone;
}

/* The VMM has taken memory away: what was mapped of it is not any more. */
static void space_catch_up(struct gw_space *s)
{
	u32 now = gw_companion_dropped(s->companion), left = now - s->dropped;

	lockdep_assert_held(&s->fill_lock);
	while (left && space_drop_one(s))
		left--;
	/*
	 * The host remembers so many only, and where one is not known, none can be trusted. Nor if one
	 * was in use: no block reaches over the edges of what the VMM takes away at once, and the
	 * guest lets go of that before.
	 */
	if (left) {
		dev_err(s->dev, "gangway: memory that was in use is gone\n");
		WRITE_ONCE(s->generation, s->generation - 1);
	}
	WRITE_ONCE(s->dropped, now);
}

/* Take a want's address from its block, which is live. */
static void want_settle(struct gw_want *want, struct gw_block *b)
{
	want->block = b;
	want->iova = b->iova + (want->phys - b->start);
	want->done = true;
}

/* Map a range without the host, if it is mapped. */
static bool space_hit(struct gw_space *s, struct gw_want *want, bool pending)
{
	struct gw_block *b;
	unsigned long flags;

	spin_lock_irqsave(&s->blocks.lock, flags);
	b = gw_block_get(&s->blocks, want, pending);
	want->block = b;
	if (b && b->live)
		want_settle(want, b);
	spin_unlock_irqrestore(&s->blocks.lock, flags);
	return b;
}

/* In a block that was in use lately: most are. */
static bool space_map_hot(struct gw_space *s, struct gw_want *want)
{
	struct gw_block *b = s->blocks.strict ? NULL : gw_block_get_hot(&s->blocks, want);

	if (!b)
		return false;
	want->iova = b->iova + (want->phys - b->start);
	want->block = NULL;
	want->done = true;
	gw_count(s->companion, GW_STAT_HITS);
	return true;
}

/* Look for ranges in the blocks. Return how many are not there. */
static unsigned int space_lookup(struct gw_space *s, struct gw_want *wants, unsigned int n)
{
	unsigned int i, missing = 0;

	for (i = 0; i < n; i++) {
		if (wants[i].done || space_map_hot(s, &wants[i]))
			continue;
		if (space_hit(s, &wants[i], false))
			gw_count(s->companion, GW_STAT_HITS);
		else
			missing++;
	}
	return missing;
}

/* Give each range that is not mapped a block, new ones in @plan. */
static int fill_plan(struct gw_space *s, struct gw_want *wants, unsigned int n,
		     unsigned int shift, struct list_head *plan)
{
	struct gw_block *b;
	unsigned long flags;
	unsigned int i;
	u64 bytes = 0;
	u32 maps = 0;

	for (i = 0; i < n; i++) {
		if (wants[i].done || space_hit(s, &wants[i], true))
			continue;
		b = gw_block_new(&s->blocks, &wants[i], shift);
		if (!b)
			return -ENOSPC;
		spin_lock_irqsave(&s->blocks.lock, flags);
		gw_block_insert(&s->blocks, b);
		spin_unlock_irqrestore(&s->blocks.lock, flags);
		wants[i].block = b;
		list_add_tail(&b->req.node, plan);
		bytes += b->req.len;
		maps++;
		gw_count(s->companion, GW_STAT_MISSES);
	}
	return gw_clock_reserve(&s->blocks, bytes, maps) ? 0 : -ENOSPC;
}

/*
 * The host has answered, or was not asked if @ret is not 0. Publish what is mapped, leave in @plan
 * what is not, and in @going what is mapped to no avail.
 */
static int fill_settle(struct gw_space *s, struct list_head *plan, int ret, bool reserved,
		       struct list_head *going)
{
	struct gw_blocks *set = &s->blocks;
	struct gw_block *b, *next;
	unsigned long flags;
	int err, first = ret;

	spin_lock_irqsave(&set->lock, flags);
	list_for_each_entry_safe(b, next, plan, req.node) {
		err = ret ? ret : gw_request_error(&b->req);
		if (!err && b->req.nr == 1 && gw_block_live(set, b)) {
			list_del_init(&b->req.node);
			continue;
		}
		gw_block_remove(set, b);
		if (!err) {
			/* in more than one piece, or with an answer that cannot be */
			list_del_init(&b->req.node);
			list_add_tail(&b->node, going);
			err = -EIO;
		} else if (reserved) {
			set->used_bytes -= b->req.len;
			set->used_maps--;
		}
		first = first ? first : err;
	}
	spin_unlock_irqrestore(&set->lock, flags);
	return first;
}

/*
 * See where a want is, now that its block may be live. If it must not be there, give the block
 * back and return -EAGAIN: another is elsewhere.
 */
static int fill_take(struct gw_space *s, struct gw_want *want, struct list_head *going)
{
	struct gw_block *b = want->block;
	unsigned long flags;

	if (want->done || !b)
		return 0;
	if (!b->live) {
		want->block = NULL;
		return 0;
	}
	want_settle(want, b);
	if (!gw_want_misfits(want, want->iova))
		return 0;
	want->done = false;
	want->block = NULL;
	spin_lock_irqsave(&s->blocks.lock, flags);
	gw_block_put(&s->blocks, b, going);
	spin_unlock_irqrestore(&s->blocks.lock, flags);
	return -EAGAIN;
}

/* Have the host map what is missing. After an error, wants that are not done have no block. */
static int fill_try(struct gw_space *s, struct gw_want *wants, unsigned int n, unsigned int shift,
		    struct list_head *going)
{
	struct gw_block *b, *next;
	LIST_HEAD(plan);
	bool reserved;
	unsigned int i;
	int ret, err;

	ret = fill_plan(s, wants, n, shift, &plan);
	reserved = !ret;
	if (!ret)
		ret = gw_rings_submit(s->companion, &plan);
	ret = fill_settle(s, &plan, ret, reserved, going);
	for (i = 0; i < n; i++) {
		err = fill_take(s, &wants[i], going);
		ret = ret ? ret : err;
	}
	list_for_each_entry_safe(b, next, &plan, req.node)
		kfree(b);
	return ret;
}

static u64 wants_bytes(const struct gw_want *wants, unsigned int n)
{
	u64 bytes = 0;

	while (n--)
		bytes += wants[n].done ? 0 : wants[n].len;
	return bytes;
}

/* A try has failed with @ret. Return whether there is to be another, with blocks of *@shift. */
static bool fill_again(struct gw_space *s, int ret, u64 bytes, unsigned int *shift)
{
	bool smaller = *shift;

	if (ret == -EBUSY)
		return false;

	if (ret == -EXDEV && *shift > s->companion->granule_shift)
		--*shift;	/* it crosses an edge that only the host knows */
	else
		*shift = 0;
	if (ret == -ENOMEM)
		return gw_clock_make_room(&s->blocks, bytes) || smaller;
	/* it may only be the place that is wrong */
	return smaller || ret == -EAGAIN;
}

static int space_fill(struct gw_space *s, struct gw_want *wants, unsigned int n, bool exact)
{
	unsigned int tries = MAX_TRIES, shift;
	unsigned long flags;
	LIST_HEAD(going);
	int ret = 0;

	spin_lock_irqsave(&s->fill_lock, flags);
	if (space_is_behind(s))
		space_catch_up(s);
	shift = exact || s->blocks.strict ? 0 : gw_clock_shift(&s->blocks);
	do {
		if (space_is_over(s)) {
			ret = -EIO;
			break;
		}
		/* another CPU may have filled it */
		if (space_lookup(s, wants, n))
			ret = fill_try(s, wants, n, shift, &going);
		else
			ret = 0;
	} while (ret && fill_again(s, ret, wants_bytes(wants, n), &shift) && --tries);
	/* not before, or the next would be at the same place */
	gw_clock_unmap(&s->blocks, &going);
	spin_unlock_irqrestore(&s->fill_lock, flags);
	return ret == -ENOSPC || ret == -EBUSY ? -ENOMEM : ret;
}

/* Tell of a failure. */
static void space_error(struct gw_space *s, const struct gw_want *want, int err, bool quiet)
{
	struct gw_companion *c = s->companion;
	unsigned long flags;
	u64 bytes;
	u32 maps;

	spin_lock_irqsave(&s->blocks.lock, flags);
	bytes = s->blocks.used_bytes;
	maps = s->blocks.used_maps;
	spin_unlock_irqrestore(&s->blocks.lock, flags);
	gw_count(c, GW_STAT_FAILURES);
	if (space_is_over(s))
		dev_err_ratelimited(s->dev, "gangway: the host has unmapped everything: unbind its driver and bind it again\n");
	else if (err == -ERANGE || err == -EAGAIN)
		dev_warn_ratelimited(s->dev, "gangway: cannot map %zu bytes at %pa below %#llx: the host's addresses are others\n",
				     want->len, &want->phys, want->last);
	else if (!quiet)
		dev_warn_ratelimited(s->dev,
				     "gangway: cannot map %zu bytes at %pa (%d): %llu of %llu KiB, %u of %u mappings in use\n",
				     want->len, &want->phys, err, bytes >> 10,
				     c->budget_bytes >> 10, maps, c->budget_maps);
}

/**
 * gw_space_map_many() - let the function reach ranges of guest memory
 * @s:     the space
 * @wants: the ranges, none of them done; the addresses are left in them
 * @n:     how many, at most GW_MAX_WANTS
 * @how:   GW_MAP_*
 *
 * Return: 0, or none of them is mapped and: -ENOMEM if there is no room, -EINVAL if a range is
 * empty or wraps, -EIO if the host does not map it, or not within reach.
 * Context: any; does not sleep.
 */
int gw_space_map_many(struct gw_space *s, struct gw_want *wants, unsigned int n, unsigned int how)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < n; i++)
		if (!wants[i].len || wants[i].phys + wants[i].len - 1 < wants[i].phys)
			return -EINVAL;
	if (space_is_over(s))
		ret = -EIO;
	else if (space_is_behind(s) || space_lookup(s, wants, n))
		ret = space_fill(s, wants, n, how & GW_MAP_EXACT);
	if (!ret)
		return 0;
	for (i = 0; i < n && wants[i].done; i++)
		;
	space_error(s, &wants[i < n ? i : 0], ret, how & GW_MAP_QUIET);
	for (i = 0; i < n; i++)
		if (wants[i].done)
			gw_space_unmap(s, wants[i].iova, wants[i].len);
	return ret == -ENOMEM ? ret : -EIO;
}

/**
 * gw_space_map() - let the function reach one range
 * @s:    the space
 * @want: the range, not done; its address is left in it
 * @how:  GW_MAP_*
 *
 * Return: as gw_space_map_many().
 */
int gw_space_map(struct gw_space *s, struct gw_want *want, unsigned int how)
{
	if (!space_is_over(s) && !space_is_behind(s) && space_map_hot(s, want))
		return 0;
	return gw_space_map_many(s, want, 1, how);
}

static noinline void space_unmap_block(struct gw_space *s, u64 iova)
{
	struct gw_blocks *set = &s->blocks;
	struct gw_block *b;
	unsigned long flags;
	LIST_HEAD(going);
	bool found;

	spin_lock_irqsave(&set->lock, flags);
	b = gw_block_at(set, iova);
	found = b && gw_block_put(set, b, &going);
	spin_unlock_irqrestore(&set->lock, flags);
	gw_clock_unmap(set, &going);
	if (!found)
		dev_warn_ratelimited(s->dev, "gangway: unmap of %#llx, which is not mapped\n", iova);
}

/**
 * gw_space_unmap() - a range is not needed any more
 * @s:    the space
 * @iova: as it was mapped
 * @len:  bytes
 *
 * Context: any; does not sleep.
 */
void gw_space_unmap(struct gw_space *s, u64 iova, size_t len)
{
	if (s->blocks.strict || !gw_block_put_hot(&s->blocks, iova))
		space_unmap_block(s, iova);
}

/**
 * gw_space_max_mapping() - the most that should be mapped at a time
 * @s: the space
 *
 * Return: bytes; an eighth of the budget, so that a few can be under way, or less, so that half of it
 * has room for pages with a granule and a mapping each.
 */
size_t gw_space_max_mapping(struct gw_space *s)
{
	struct gw_companion *c = s->companion;
	u64 pages = min(c->budget_bytes >> c->granule_shift, (u64)c->budget_maps) / 2;

	return max(min3(c->max_map, c->budget_bytes / 8, pages * PAGE_SIZE), (u64)PAGE_SIZE);
}

/**
 * gw_space_offline() - memory leaves the guest, and nobody uses it: nothing of it stays mapped
 * @s:     the space, open
 * @start: physical address
 * @last:  of its last byte
 */
void gw_space_offline(struct gw_space *s, phys_addr_t start, phys_addr_t last)
{
	unsigned long flags;

	spin_lock_irqsave(&s->fill_lock, flags);
	gw_clock_drop(&s->blocks, start, last);
	spin_unlock_irqrestore(&s->fill_lock, flags);
}
