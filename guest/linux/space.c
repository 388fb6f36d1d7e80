// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one function can reach: maps and unmaps of ranges, by blocks.
 *
 * How it works. A map that finds its range takes no lock if that is in a block that was in use
 * lately, else the blocks' lock for a moment. One that does not takes fill_lock, looks again, and
 * has the host map blocks, without their lock; so maps that find theirs never wait for the host. If
 * the host begins another generation, which it does for another kernel, module or VMM only, nothing
 * of the space is mapped any more, and nothing ever will be.
 */

#include <linux/slab.h>

#include "block.h"
#include "companion.h"
#include "ram.h"
#include "space.h"

#define MAX_TRIES	8	/* to have a range mapped where it must be */

/* gw_space_init() - before anything else; nothing is mapped */
void gw_space_init(struct gw_space *s, struct gw_companion *c)
{
	s->companion = c;
	spin_lock_init(&s->fill_lock);
	spin_lock_init(&s->lock);
	s->by_phys = RB_ROOT_CACHED;
	s->by_iova = RB_ROOT_CACHED;
	INIT_LIST_HEAD(&s->clock);
	INIT_LIST_HEAD(&s->leaving);
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
	s->ram = ram;
	s->strict = strict;
	gw_blocks_size(s);
	s->dropped = gw_companion_dropped(s->companion);
	s->generation = gw_companion_generation(s->companion);
}

/* Forget all blocks. Return how many were in use. */
static unsigned int space_forget(struct gw_space *s)
{
	struct gw_block *b, *next;
	unsigned int used = 0;
	unsigned long flags;

	spin_lock_irqsave(&s->lock, flags);
	list_for_each_entry_safe(b, next, &s->leaving, node) {
		list_del(&b->node);
		kfree_rcu(b, rcu);
	}
	while ((b = gw_block_next(s, 0, -1, NULL))) {
		used += atomic_fetch_add(GW_BLOCK_GONE, &b->refs);
		gw_block_remove(s, b);
		kfree_rcu(b, rcu);
	}
	s->used_bytes = 0;
	s->used_maps = 0;
	spin_unlock_irqrestore(&s->lock, flags);
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
	s->ram = NULL;
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
	struct gw_request req = { .op = GW_RING_DROPPED };
	struct gw_block *b;
	unsigned long flags;
	bool gone;

	if (gw_companion_ask(s->companion, &req))
		return false;
	spin_lock_irqsave(&s->lock, flags);
	b = gw_block_at(s, req.iova);
	gone = !b || gw_block_retire(b);
	if (b && gone) {
		gw_block_remove(s, b);
		s->used_bytes -= gw_block_bytes(b);
		s->used_maps--;
		kfree_rcu(b, rcu);
	}
	spin_unlock_irqrestore(&s->lock, flags);
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
	 * The host remembers so many only, and where one is not known, none can be trusted. Nor if
	 * one was in use: no block reaches over the edges of what the VMM takes away at once, and
	 * the guest lets go of that before.
	 */
	if (left) {
		dev_err(s->dev, "gangway: memory that was in use is gone\n");
		WRITE_ONCE(s->generation, s->generation - 1);
	}
	WRITE_ONCE(s->dropped, now);
}

/* Map a range without the host, if it is mapped. */
static bool space_hit(struct gw_space *s, struct gw_want *want)
{
	unsigned long flags;
	bool hit = !s->strict && gw_block_get_hot(s, want);

	if (!hit) {
		spin_lock_irqsave(&s->lock, flags);
		hit = gw_block_get(s, want);
		spin_unlock_irqrestore(&s->lock, flags);
	}
	if (hit)
		gw_count(s->companion, GW_STAT_HITS);
	return hit;
}

/* The host has answered, in one piece: publish the block, or have it go, and say what was wrong. */
static int fill_publish(struct gw_space *s, struct gw_want *want, struct gw_block *b,
			struct list_head *going)
{
	unsigned long flags;
	int ret = 0;

	want->iova = b->req.iova + (want->phys - b->start);
	spin_lock_irqsave(&s->lock, flags);
	if (b->req.nr != 1 || !gw_block_insert(s, b)) {
		list_add_tail(&b->node, going);
		ret = -EIO;
	} else if (gw_want_misfits(want, want->iova)) {
		gw_block_put(s, b, going);
		ret = -EAGAIN;
	}
	spin_unlock_irqrestore(&s->lock, flags);
	return ret;
}

/* Have the host map a block for a range. Return -EAGAIN if it is where the range must not be. */
static int fill_try(struct gw_space *s, struct gw_want *want, unsigned int shift,
		    struct list_head *going)
{
	struct gw_block *b = gw_block_new(s, want, shift);
	unsigned long flags;
	int ret;

	if (!b)
		return -ENOSPC;
	ret = -ENOSPC;
	if (!gw_blocks_reserve(s, b->req.len))
		goto free;
	gw_count(s->companion, GW_STAT_MISSES);
	ret = gw_companion_ask(s->companion, &b->req);
	if (!ret)
		return fill_publish(s, want, b, going);
	spin_lock_irqsave(&s->lock, flags);
	s->used_bytes -= b->req.len;
	s->used_maps--;
	spin_unlock_irqrestore(&s->lock, flags);
free:
	kfree(b);
	return ret;
}

/* A try has failed with @ret. Return whether there is to be another, with a block of *@shift. */
static bool fill_again(struct gw_space *s, int ret, size_t bytes, unsigned int *shift)
{
	bool smaller = *shift;

	if (ret == -EBUSY)
		return false;
	if (ret == -EXDEV && *shift > s->companion->granule_shift)
		--*shift;	/* it crosses an edge that only the host knows */
	else
		*shift = 0;
	if (ret == -ENOMEM)
		return gw_blocks_make_room(s, bytes) || smaller;
	/* it may only be the place that is wrong */
	return smaller || ret == -EAGAIN;
}

static int space_fill(struct gw_space *s, struct gw_want *want, bool exact)
{
	unsigned int tries = MAX_TRIES, shift;
	unsigned long flags;
	LIST_HEAD(going);
	int ret;

	spin_lock_irqsave(&s->fill_lock, flags);
	if (space_is_behind(s))
		space_catch_up(s);
	shift = exact || s->strict ? 0 : gw_blocks_shift(s);
	do {
		ret = -EIO;
		if (space_is_over(s))
			break;
		/* another CPU may have filled it */
		ret = space_hit(s, want) ? 0 : fill_try(s, want, shift, &going);
	} while (ret && fill_again(s, ret, want->len, &shift) && --tries);
	/* not before, or the next would be at the same place */
	gw_blocks_unmap(s, &going);
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

	spin_lock_irqsave(&s->lock, flags);
	bytes = s->used_bytes;
	maps = s->used_maps;
	spin_unlock_irqrestore(&s->lock, flags);
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
 * gw_space_map() - let the function reach a range of guest memory
 * @s:    the space
 * @want: the range; its address is left in it
 * @how:  GW_MAP_*
 *
 * Return: 0; -ENOMEM if there is no room, -EINVAL if the range is empty or wraps, -EIO if the host
 * does not map it, or not within reach.
 * Context: any; does not sleep.
 */
int gw_space_map(struct gw_space *s, struct gw_want *want, unsigned int how)
{
	int ret = 0;

	if (!want->len || want->phys + want->len - 1 < want->phys)
		return -EINVAL;
	if (space_is_over(s))
		ret = -EIO;
	else if (space_is_behind(s) || !space_hit(s, want))
		ret = space_fill(s, want, how & GW_MAP_EXACT);
	if (!ret)
		return 0;
	space_error(s, want, ret, how & GW_MAP_QUIET);
	return ret == -ENOMEM ? ret : -EIO;
}

static noinline void space_unmap_block(struct gw_space *s, u64 iova)
{
	struct gw_block *b;
	unsigned long flags;
	LIST_HEAD(going);
	bool found;

	spin_lock_irqsave(&s->lock, flags);
	b = gw_block_at(s, iova);
	found = b && gw_block_put(s, b, &going);
	spin_unlock_irqrestore(&s->lock, flags);
	gw_blocks_unmap(s, &going);
	if (!found)
		dev_warn_ratelimited(s->dev, "gangway: unmap of %#llx, not mapped\n", iova);
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
	if (s->strict || !gw_block_put_hot(s, iova))
		space_unmap_block(s, iova);
}

/**
 * gw_space_max_mapping() - the most that should be mapped at a time
 * @s: the space
 *
 * Return: bytes; an eighth of the budget, so that a few can be under way, or less, so that half of
 * it has room for pages with a granule and a mapping each.
 */
size_t gw_space_max_mapping(struct gw_space *s)
{
	struct gw_companion *c = s->companion;
	u64 pages = min(c->budget_bytes >> c->granule_shift, (u64)c->budget_maps) / 2;

	return max_t(u64, min3(c->max_map, c->budget_bytes / 8, pages * PAGE_SIZE), PAGE_SIZE);
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
	gw_blocks_drop(s, start, last);
	spin_unlock_irqrestore(&s->fill_lock, flags);
}
