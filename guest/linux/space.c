// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one function can reach: maps and unmaps of ranges, by the cover or by blocks.
 *
 * How it works. A map that finds its range takes no lock if that is in the cover or in a block
 * that was in use lately, else space->lock for a moment. One that does not takes fill_lock, looks
 * again, and has the host map blocks, without space->lock; so maps that find theirs never wait for
 * the host. If the host begins a new generation, everything before it has been unmapped. Blocks in
 * use are kept aside until their users give them back, and the next map starts afresh.
 */

#include <linux/ktime.h>
#include <linux/slab.h>

#include "gangway-dma.h"
#include "trace.h"

#define MAX_PLACES	8	/* tried for a range that must not cross a boundary */

/* gw_space_init() - before anything else; nothing is mapped */
void gw_space_init(struct gw_space *s, struct gw_companion *c)
{
	s->companion = c;
	spin_lock_init(&s->fill_lock);
	spin_lock_init(&s->lock);
	s->by_phys = RB_ROOT_CACHED;
	s->by_iova = RB_ROOT;
	INIT_LIST_HEAD(&s->clock);
	INIT_LIST_HEAD(&s->stale);
}

/* Map RAM as a whole, if that can be, in a space where nothing is mapped. */
static void space_cover(struct gw_space *s)
{
	struct gw_cover *cover = gw_cover_new(s);
	unsigned long flags;

	spin_lock_irqsave(&s->lock, flags);
	s->used_bytes = cover ? cover->bytes : 0;
	s->used_maps = cover ? cover->nr_handles : 0;
	spin_unlock_irqrestore(&s->lock, flags);
	smp_store_release(&s->cover, cover);
}

/**
 * gw_space_open() - get ready for a driver
 * @s:   the space, closed
 * @dev: the function
 *
 * Return: 0, -ENOMEM, -ENOSPC.
 */
int gw_space_open(struct gw_space *s, struct device *dev)
{
	int ret = gw_ram_runs(s);

	if (ret) {
		kfree(s->runs);
		s->runs = NULL;
		return ret;
	}
	s->dev = dev;
	s->strict = gw_strict;
	gw_blocks_size(s);
	WRITE_ONCE(s->generation, gw_companion_generation(s->companion));
	space_cover(s);
	if (s->cover)
		dev_info(dev, "gangway: all RAM is mapped, in %u pieces\n", s->cover->nr);
	else
		dev_info(dev, "gangway: RAM is mapped as needed, %s\n",
			 s->strict ? "no longer than in use" : "in windows");
	return 0;
}

/* Forget all blocks. Return how many were in use. */
static unsigned int space_forget(struct gw_space *s)
{
	struct gw_block *b, *next;
	unsigned int used = 0;
	unsigned long flags;

	spin_lock_irqsave(&s->lock, flags);
	list_for_each_entry_safe(b, next, &s->stale, node) {
		list_del(&b->node);
		kfree_rcu(b, rcu);
		used++;
	}
	while ((b = gw_block_first(s))) {
		used += gw_block_end(b);
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
	gw_cover_free(s->cover);
	gw_cover_free(s->retired);
	kfree(s->runs);
	s->cover = NULL;
	s->retired = NULL;
	s->runs = NULL;
	s->dev = NULL;
}

/* A new generation has begun: what there was is not mapped any more. */
static void space_renew(struct gw_space *s)
{
	u32 generation = gw_companion_generation(s->companion);
	struct gw_cover *old = s->cover;
	struct gw_block *b;
	unsigned long flags;

	lockdep_assert_held(&s->fill_lock);
	if (generation == s->generation)
		return;
	dev_warn(s->dev, "gangway: the host has unmapped everything (generation %u)\n",
		 generation);
	spin_lock_irqsave(&s->lock, flags);
	while ((b = gw_block_first(s))) {
		gw_block_remove(s, b);
		if (gw_block_end(b))
			list_add(&b->node, &s->stale);
		else
			kfree_rcu(b, rcu);
	}
	spin_unlock_irqrestore(&s->lock, flags);
	if (old) {
		old->next = s->retired;
		smp_store_release(&s->retired, old);
	}
	space_cover(s);
	WRITE_ONCE(s->generation, generation);
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

	spin_lock_irqsave(&s->lock, flags);
	b = gw_block_get(s, want, pending);
	want->block = b;
	if (b && b->live)
		want_settle(want, b);
	spin_unlock_irqrestore(&s->lock, flags);
	return b;
}

/* In a block that was in use lately: most are. */
static bool space_map_hot(struct gw_space *s, phys_addr_t phys, size_t len, u64 boundary, u64 *iova)
{
	struct gw_block *b = s->strict ? NULL : gw_block_get_hot(s, phys, len, boundary);

	if (!b)
		return false;
	*iova = b->iova + (phys - b->start);
	gw_count(s->companion, GW_STAT_HITS);
	return true;
}

/* Look for ranges in the cover and the blocks. Return how many are not there. */
static unsigned int space_lookup(struct gw_space *s, struct gw_want *wants, unsigned int n)
{
	const struct gw_cover *cover = smp_load_acquire(&s->cover);
	unsigned int i, missing = 0;

	for (i = 0; i < n; i++) {
		struct gw_want *want = &wants[i];

		if (want->done)
			continue;
		if (gw_cover_iova(cover, want->phys, want->len, &want->iova) &&
		    !gw_crosses(want->iova, want->len, want->boundary)) {
			want->block = NULL;
			want->done = true;
		} else if (space_map_hot(s, want->phys, want->len, want->boundary, &want->iova)) {
			want->block = NULL;	/* found again by the address */
			want->done = true;
		} else if (space_hit(s, want, false)) {
			gw_count(s->companion, GW_STAT_HITS);
		} else {
			missing++;
		}
	}
	return missing;
}

/* Give each range that is not mapped a block, new ones in @plan. */
static int fill_plan(struct gw_space *s, struct gw_want *wants, unsigned int n, bool exact,
		     struct list_head *plan)
{
	struct gw_block *b;
	unsigned long flags;
	unsigned int i;
	u64 bytes = 0;
	u32 maps = 0;

	for (i = 0; i < n; i++) {
		if (wants[i].done || space_hit(s, &wants[i], true))
			continue;
		b = gw_block_new(s, wants[i].phys, wants[i].len, exact);
		if (!b)
			return -ENOMEM;
		spin_lock_irqsave(&s->lock, flags);
		gw_block_insert(s, b);
		spin_unlock_irqrestore(&s->lock, flags);
		wants[i].block = b;
		list_add_tail(&b->req.node, plan);
		bytes += b->req.len;
		maps++;
		gw_count(s->companion, GW_STAT_MISSES);
	}
	return gw_blocks_reserve(s, bytes, maps) ? 0 : -ENOMEM;
}

static int block_error(const struct gw_block *b)
{
	switch (b->req.status) {
	case GW_STATUS_OK:
		return 0;
	case GW_STATUS_NOSPC:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

/*
 * The host has answered, or was not asked if @ret is not 0. Publish what is mapped, leave in @plan
 * what is not, and in @going what is mapped to no avail.
 */
static int fill_settle(struct gw_space *s, struct list_head *plan, int ret, bool reserved,
		       struct list_head *going)
{
	struct gw_block *b, *next;
	unsigned long flags;
	int err, first = ret;

	spin_lock_irqsave(&s->lock, flags);
	list_for_each_entry_safe(b, next, plan, req.node) {
		err = ret ? ret : block_error(b);
		if (!err && b->req.nr == 1 && gw_block_live(s, b)) {
			list_del_init(&b->req.node);
			continue;
		}
		gw_block_remove(s, b);
		if (!err) {
			/* in more than one piece, or with an answer that cannot be */
			list_del_init(&b->req.node);
			list_add_tail(&b->node, going);
			err = -EIO;
		} else if (reserved) {
			s->used_bytes -= b->req.len;
			s->used_maps--;
		}
		first = first ? first : err;
	}
	spin_unlock_irqrestore(&s->lock, flags);
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
	if (!gw_crosses(want->iova, want->len, want->boundary))
		return 0;
	want->done = false;
	want->block = NULL;
	spin_lock_irqsave(&s->lock, flags);
	gw_block_put(s, b, going);
	spin_unlock_irqrestore(&s->lock, flags);
	return -EAGAIN;
}

/* Have the host map what is missing. After an error, wants that are not done have no block. */
static int fill_try(struct gw_space *s, struct gw_want *wants, unsigned int n, bool exact)
{
	struct gw_block *b, *next;
	LIST_HEAD(going);
	LIST_HEAD(plan);
	bool reserved;
	unsigned int i;
	int ret, err;

	ret = fill_plan(s, wants, n, exact, &plan);
	reserved = !ret;
	if (!ret)
		ret = gw_companion_submit(s->companion, &plan);
	ret = fill_settle(s, &plan, ret, reserved, &going);
	for (i = 0; i < n; i++) {
		err = fill_take(s, &wants[i], &going);
		ret = ret ? ret : err;
	}
	list_for_each_entry_safe(b, next, &plan, req.node)
		kfree(b);
	gw_blocks_unmap(s, &going);
	return ret;
}

static int space_fill(struct gw_space *s, struct gw_want *wants, unsigned int n)
{
	unsigned int tries = MAX_PLACES;
	unsigned long flags;
	int ret;

	spin_lock_irqsave(&s->fill_lock, flags);
	space_renew(s);
	/* another CPU may have filled it */
	ret = space_lookup(s, wants, n) ? fill_try(s, wants, n, s->strict) : 0;
	if (ret) {
		/*
		 * Once more with no more than is needed, or in the generation that has begun; and
		 * if it is only the place that is wrong, a few times more.
		 */
		do {
			space_renew(s);
			ret = space_lookup(s, wants, n) ? fill_try(s, wants, n, true) : 0;
		} while (ret == -EAGAIN && --tries);
	}
	spin_unlock_irqrestore(&s->fill_lock, flags);
	return ret == -EAGAIN ? -EIO : ret;
}

/* Note a failure for debugfs, and tell of it. */
static void space_error(struct gw_space *s, const struct gw_want *want, int err)
{
	struct gw_companion *c = s->companion;
	unsigned long flags;
	u64 bytes;
	u32 maps;

	spin_lock_irqsave(&s->lock, flags);
	bytes = s->used_bytes;
	maps = s->used_maps;
	s->errors[s->nr_errors++ % GW_NR_ERRORS] = (struct gw_error) {
		.when = ktime_get_boot_fast_ns(), .phys = want->phys, .len = want->len,
		.err = err, .used_bytes = bytes, .used_maps = maps,
	};
	spin_unlock_irqrestore(&s->lock, flags);
	gw_count(c, GW_STAT_FAILURES);
	dev_warn_ratelimited(s->dev,
			     "gangway: cannot map %zu bytes at %pa (%d): %llu of %llu KiB, %u of %u mappings in use\n",
			     want->len, &want->phys, err, bytes >> 10, c->budget_bytes >> 10,
			     maps, c->budget_maps);
}

/**
 * gw_space_map_many() - let the function reach ranges of guest memory
 * @s:     the space
 * @wants: the ranges, none of them done; the addresses are left in them
 * @n:     how many, at most GW_MAX_WANTS
 *
 * Return: 0, or none of them is mapped and: -ENOMEM if there is no room, -EINVAL if a range is
 * empty or wraps, -EIO if the host does not map it.
 * Context: any; does not sleep.
 */
int gw_space_map_many(struct gw_space *s, struct gw_want *wants, unsigned int n)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < n; i++)
		if (!wants[i].len || wants[i].phys + wants[i].len - 1 < wants[i].phys)
			return -EINVAL;
	if (unlikely(gw_companion_generation(s->companion) != READ_ONCE(s->generation)) ||
	    space_lookup(s, wants, n))
		ret = space_fill(s, wants, n);
	for (i = 0; i < n && !ret; i++)
		trace_gangway_map(s->dev, wants[i].phys, wants[i].len, wants[i].iova);
	if (!ret)
		return 0;
	for (i = 0; i < n && wants[i].done; i++)
		;
	space_error(s, &wants[i < n ? i : 0], ret);
	for (i = 0; i < n; i++)
		if (wants[i].done)
			gw_space_unmap(s, wants[i].iova, wants[i].len);
	return ret;
}

/* What needs more than a look; apart, so that the rest needs no stack. */
static noinline int space_map_one(struct gw_space *s, phys_addr_t phys, size_t len, u64 *iova)
{
	struct gw_want want = { .phys = phys, .len = len };
	int ret = gw_space_map_many(s, &want, 1);

	if (!ret)
		*iova = want.iova;
	return ret;
}

/**
 * gw_space_map() - let the function reach one range
 * @s:    the space
 * @phys: where it starts
 * @len:  bytes
 * @iova: its address for the function
 *
 * Return: as gw_space_map_many().
 */
int gw_space_map(struct gw_space *s, phys_addr_t phys, size_t len, u64 *iova)
{
	const struct gw_cover *cover = smp_load_acquire(&s->cover);

	if (unlikely(gw_companion_generation(s->companion) != READ_ONCE(s->generation)))
		return space_map_one(s, phys, len, iova);
	if (!gw_cover_iova(cover, phys, len, iova) && !space_map_hot(s, phys, len, 0, iova))
		return space_map_one(s, phys, len, iova);
	trace_gangway_map(s->dev, phys, len, *iova);
	return 0;
}

/* One user less of what was mapped in an older generation. Return whether this was. */
static bool space_unmap_stale(struct gw_space *s, u64 iova)
{
	struct gw_block *b = gw_block_stale(s, iova);
	phys_addr_t phys;

	if (!b)
		return gw_cover_phys(s->retired, iova, &phys);
	if (atomic_dec_return(&b->refs) == GW_BLOCK_GONE) {
		list_del(&b->node);
		kfree_rcu(b, rcu);
	}
	return true;
}

static noinline void space_unmap_block(struct gw_space *s, u64 iova)
{
	struct gw_block *b;
	unsigned long flags;
	LIST_HEAD(going);
	bool found;

	spin_lock_irqsave(&s->lock, flags);
	/* older ones first: to give back too little is safe, to give back too much is not */
	found = space_unmap_stale(s, iova);
	if (!found) {
		b = gw_block_at(s, iova);
		found = b && gw_block_put(s, b, &going);
	}
	spin_unlock_irqrestore(&s->lock, flags);
	gw_blocks_unmap(s, &going);
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
	phys_addr_t phys;

	trace_gangway_unmap(s->dev, iova, len);
	if (!gw_cover_phys(smp_load_acquire(&s->cover), iova, &phys) &&
	    (s->strict || !gw_block_put_hot(s, iova)))
		space_unmap_block(s, iova);
}

/**
 * gw_space_phys() - find what the function reaches at an address
 * @s:    the space
 * @iova: mapped
 * @phys: what is there
 *
 * Return: is anything?
 */
bool gw_space_phys(struct gw_space *s, u64 iova, phys_addr_t *phys)
{
	struct gw_block *b;
	unsigned long flags;
	bool found;

	if (gw_cover_phys(smp_load_acquire(&s->cover), iova, phys))
		return true;
	spin_lock_irqsave(&s->lock, flags);
	b = gw_block_stale(s, iova);
	found = !b && gw_cover_phys(s->retired, iova, phys);
	if (!b && !found)
		b = gw_block_at(s, iova);
	if (b)
		*phys = b->start + (iova - b->iova);
	spin_unlock_irqrestore(&s->lock, flags);
	return b || found;
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

	if (READ_ONCE(s->cover))
		return SIZE_MAX;
	return max(min3(c->max_map, c->budget_bytes / 8, pages * PAGE_SIZE), (u64)PAGE_SIZE);
}
