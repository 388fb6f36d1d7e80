// SPDX-License-Identifier: GPL-2.0-only
/*
 * Windows: ranges of guest memory that the host has mapped, where the budget does not cover RAM.
 *
 * How it works. A window is an aligned block of the size that is current, so that neighbours of
 * what was mapped find it there. It stays when nobody uses it any more. When room is needed, windows
 * are considered in turn, and those without users go, unless they had one since their last turn: that
 * is nearly the order in which they were used, and nobody needs a lock to use one. Blocks that go
 * after few of their pages were mapped were too large, and after most of them were, too small, so the
 * size follows. A range that fits no block has a window of exactly its granules; windows may overlap,
 * as the same memory can be mapped twice.
 */

#include <linux/bitmap.h>
#include <linux/slab.h>

#include "gangway-dma.h"
#include "trace.h"

#define MAX_SHIFT	25	/* 32 MiB */
#define MIN_WINDOWS	64	/* that a budget is good for */
#define OBSERVED	16	/* evicted blocks that decide about the size */
#define SPARSE		64	/* one page of so many was mapped */
#define DENSE		2

#define window_start(w)	((w)->start)
#define window_last(w)	((w)->last)

INTERVAL_TREE_DEFINE(struct gw_window, rb_phys, phys_addr_t, subtree_last, window_start,
		     window_last, static inline, windows)

/* What a new window for a range should hold. */
static void window_range(const struct gw_space *s, struct gw_window *w, bool exact)
{
	const struct gw_run *run = NULL;
	unsigned int i, shift;

	for (i = 0; i < s->nr_runs && !run; i++)
		if (w->start >= s->runs[i].start && w->last <= s->runs[i].last)
			run = &s->runs[i];
	if (!run || exact)
		return;
	for (shift = READ_ONCE(s->shift); shift <= s->max_shift; shift++) {
		phys_addr_t start = ALIGN_DOWN(w->start, 1ull << shift);
		phys_addr_t last = start + (1ull << shift) - 1;

		if (last >= w->last) {
			w->start = max(start, run->start);
			w->last = min(last, run->last);
			w->block = true;
			return;
		}
	}
}

/**
 * gw_window_new() - make a window that is not mapped yet
 * @s:     the space
 * @phys:  start of the range that it is for
 * @len:   bytes of that
 * @exact: no more than the granules that the range touches
 *
 * Return: the window, with one user, or NULL.
 */
struct gw_window *gw_window_new(struct gw_space *s, phys_addr_t phys, size_t len, bool exact)
{
	struct gw_window *w = kzalloc(sizeof(*w), GFP_ATOMIC | __GFP_NOWARN);
	u64 granule = gw_granule(s->companion);

	if (!w)
		return NULL;
	INIT_LIST_HEAD(&w->node);
	atomic_set(&w->refs, 1);
	w->uses = 1;
	w->start = ALIGN_DOWN(phys, granule);
	w->last = (phys + len - 1) | (granule - 1);
	window_range(s, w, exact);
	w->req.op = GW_RING_MAP;
	w->req.addr = w->start;
	w->req.len = w->last - w->start + 1;
	w->req.segs = &w->seg;
	w->req.room = 1;
	return w;
}

/* Is there a window that starts here? */
static bool window_starts(struct gw_space *s, phys_addr_t start)
{
	struct gw_window *w;

	for (w = windows_iter_first(&s->by_phys, start, start); w;
	     w = windows_iter_next(w, start, start))
		if (w->start == start)
			return true;
	return false;
}

/*
 * The command page calls a mapping by its address, and has one of each: where there is one, start
 * a little earlier.
 */
static void window_rename(struct gw_space *s, struct gw_window *w)
{
	u64 granule = gw_granule(s->companion);

	while (w->start >= granule && window_starts(s, w->start))
		w->start -= granule;
	w->req.addr = w->start;
	w->req.len = w->last - w->start + 1;
}

/* gw_window_insert() - put a window where the holder of fill_lock finds it */
void gw_window_insert(struct gw_space *s, struct gw_window *w)
{
	lockdep_assert_held(&s->lock);
	if (!s->companion->rings.hdr)
		window_rename(s, w);
	windows_insert(w, &s->by_phys);
	s->windows++;
}

enum { HOT_PHYS, HOT_IOVA };

/* Where to keep a window for who looks for this address. Windows next to one another do not meet. */
static unsigned int hot_index(const struct gw_space *s, u64 addr)
{
	return (addr >> READ_ONCE(s->shift)) % GW_HOT_SLOTS;
}

static void hot_set(struct gw_space *s, unsigned int by, u64 addr, struct gw_window *w)
{
	unsigned int i = hot_index(s, addr);

	__set_bit(i, w->hot[by]);
	rcu_assign_pointer(s->hot[by][i], w);
}

static void hot_forget(struct gw_space *s, const struct gw_window *w)
{
	unsigned int by, i;

	for (by = HOT_PHYS; by <= HOT_IOVA; by++)
		for_each_set_bit(i, w->hot[by], GW_HOT_SLOTS)
			if (rcu_access_pointer(s->hot[by][i]) == w)
				RCU_INIT_POINTER(s->hot[by][i], NULL);
}

/* gw_window_remove() - have nobody find a window any more; it is freed by RCU */
void gw_window_remove(struct gw_space *s, struct gw_window *w)
{
	lockdep_assert_held(&s->lock);
	windows_remove(w, &s->by_phys);
	s->windows--;
	if (w->live) {
		hot_forget(s, w);
		rb_erase(&w->rb_iova, &s->by_iova);
	}
	list_del_init(&w->node);
	WRITE_ONCE(w->parked, false);
}

/**
 * gw_window_live() - publish a window that the host has mapped at @w->seg
 * @s: the space
 * @w: the window
 *
 * Return: false, and nothing changed, if the host's answer cannot be: it is too short, wraps, or
 * is where another window is.
 */
bool gw_window_live(struct gw_space *s, struct gw_window *w)
{
	struct rb_node **link = &s->by_iova.rb_node, *parent = NULL;
	u64 len = w->last - w->start, iova = w->seg.iova;

	lockdep_assert_held(&s->lock);
	if (w->seg.len <= len || iova + len < iova)
		return false;
	while (*link) {
		struct gw_window *other = rb_entry(*link, struct gw_window, rb_iova);

		parent = *link;
		if (iova + len < other->iova)
			link = &parent->rb_left;
		else if (iova > other->iova + (other->last - other->start))
			link = &parent->rb_right;
		else
			return false;
	}
	w->iova = iova;
	w->live = true;
	rb_link_node(&w->rb_iova, parent, link);
	rb_insert_color(&w->rb_iova, &s->by_iova);
	list_add_tail(&w->node, &s->clock);
	return true;
}

static bool window_suits(const struct gw_window *w, const struct gw_want *want, bool pending)
{
	if (w->start > want->phys || w->last < want->phys + want->len - 1)
		return false;
	if (!w->live)
		return pending;
	return !gw_crosses(w->iova + (want->phys - w->start), want->len, want->boundary);
}

static struct gw_window *window_find(struct gw_space *s, const struct gw_want *want, bool pending)
{
	phys_addr_t phys = want->phys, last = phys + want->len - 1;
	struct gw_window *w;

	for (w = windows_iter_first(&s->by_phys, phys, last); w;
	     w = windows_iter_next(w, phys, last))
		if (window_suits(w, want, pending))
			return w;
	return NULL;
}

/**
 * gw_window_get() - become a user of a window with a range in it
 * @s:       the space
 * @want:    the range
 * @pending: one that is being mapped will do
 *
 * Return: the window or NULL.
 */
struct gw_window *gw_window_get(struct gw_space *s, const struct gw_want *want, bool pending)
{
	struct gw_window *w = window_find(s, want, pending);

	lockdep_assert_held(&s->lock);
	if (!w)
		return NULL;
	if (w->live)
		hot_set(s, HOT_PHYS, want->phys, w);
	/* it has not gone, as it would then not be found with the lock held */
	atomic_inc(&w->refs);
	w->uses++;
	return w;
}

/**
 * gw_window_get_hot() - the same without the lock, for most
 * @s:        the space
 * @phys:     where the range starts
 * @len:      bytes
 * @boundary: as in struct gw_want
 *
 * Return: the window, which is live, or NULL: there may be one all the same.
 */
struct gw_window *gw_window_get_hot(struct gw_space *s, phys_addr_t phys, size_t len, u64 boundary)
{
	struct gw_window *w;

	rcu_read_lock();
	w = rcu_dereference(s->hot[HOT_PHYS][hot_index(s, phys)]);
	if (!w || phys < w->start || phys > w->last || len - 1 > w->last - phys ||
	    gw_crosses(w->iova + (phys - w->start), len, boundary) ||
	    !atomic_inc_unless_negative(&w->refs))
		w = NULL;
	rcu_read_unlock();
	if (w)
		WRITE_ONCE(w->uses, w->uses + 1);	/* one more or less does not matter */
	return w;
}

static bool window_has(const struct gw_window *w, u64 iova)
{
	return iova >= w->iova && iova - w->iova <= w->last - w->start;
}

/* A window has lost its last user; if it was parked, it is to be considered for eviction again. */
static void window_unpark(struct gw_space *s, struct gw_window *w)
{
	lockdep_assert_held(&s->lock);
	if (!w->parked)
		return;
	WRITE_ONCE(w->parked, false);
	list_add_tail(&w->node, &s->clock);
}

/**
 * gw_window_put_hot() - one user less, without the lock, for most
 * @s:    the space, which is not strict
 * @iova: an address in the window
 *
 * Return: is it done?
 */
bool gw_window_put_hot(struct gw_space *s, u64 iova)
{
	struct gw_window *w;
	unsigned long flags;
	int left = -1;

	rcu_read_lock();
	w = rcu_dereference(s->hot[HOT_IOVA][hot_index(s, iova)]);
	/* if it is of a newer generation than what the caller mapped, there is more in these */
	smp_rmb();
	if (w && window_has(w, iova) && list_empty(&s->stale) && !READ_ONCE(s->retired)) {
		if (!READ_ONCE(w->touched))
			WRITE_ONCE(w->touched, true);
		/*
		 * Live windows do not overlap here. So if this one is live, it is that of the
		 * caller, who keeps it from going; else this fails.
		 */
		left = atomic_dec_if_positive(&w->refs);
	}
	/* ordered, so that either we see it parked, or window_park() sees that nobody is left */
	if (!left && READ_ONCE(w->parked)) {
		spin_lock_irqsave(&s->lock, flags);
		window_unpark(s, w);
		spin_unlock_irqrestore(&s->lock, flags);
	}
	rcu_read_unlock();
	return left >= 0;
}

/* gw_window_at() - find the live window that an address is in */
struct gw_window *gw_window_at(struct gw_space *s, u64 iova)
{
	struct rb_node *node = s->by_iova.rb_node;

	lockdep_assert_held(&s->lock);
	while (node) {
		struct gw_window *w = rb_entry(node, struct gw_window, rb_iova);

		if (window_has(w, iova)) {
			hot_set(s, HOT_IOVA, iova, w);
			return w;
		}
		node = iova < w->iova ? node->rb_left : node->rb_right;
	}
	return NULL;
}

/* gw_window_stale() - the same among windows of older generations */
struct gw_window *gw_window_stale(struct gw_space *s, u64 iova)
{
	struct gw_window *w;

	lockdep_assert_held(&s->lock);
	list_for_each_entry(w, &s->stale, node)
		if (window_has(w, iova))
			return w;
	return NULL;
}

/* gw_window_first() - one of the windows there are, or NULL */
struct gw_window *gw_window_first(struct gw_space *s)
{
	struct rb_node *node = rb_first_cached(&s->by_phys);

	lockdep_assert_held(&s->lock);
	return node ? rb_entry(node, struct gw_window, rb_phys) : NULL;
}

/**
 * gw_window_end() - let a window have no new users
 * @w: a window that is about to be removed, or is not live
 *
 * Return: does it still have users?
 */
bool gw_window_end(struct gw_window *w)
{
	return atomic_fetch_add(GW_WINDOW_GONE, &w->refs);
}

/* Let a window go, if it has no users. */
static bool window_retire(struct gw_window *w)
{
	return !atomic_cmpxchg(&w->refs, 0, GW_WINDOW_GONE);
}

/**
 * gw_window_put() - one user less
 * @s:     the space
 * @w:     a live window of it
 * @going: where it goes if it is to be unmapped, for gw_windows_unmap()
 *
 * Return: did it have users?
 */
bool gw_window_put(struct gw_space *s, struct gw_window *w, struct list_head *going)
{
	int left;

	lockdep_assert_held(&s->lock);
	WRITE_ONCE(w->touched, true);
	left = atomic_dec_if_positive(&w->refs);
	if (left)
		return left > 0;
	if (s->strict) {
		window_retire(w);	/* nobody finds it without the lock */
		gw_window_remove(s, w);
		list_add_tail(&w->node, going);
	} else {
		window_unpark(s, w);
	}
	return true;
}

/**
 * gw_windows_unmap() - have the host unmap windows, and free them
 * @s:     the space
 * @going: the windows, which nobody finds any more
 *
 * Context: any, without the space's lock.
 */
void gw_windows_unmap(struct gw_space *s, struct list_head *going)
{
	struct gw_window *w, *next;
	unsigned long flags;
	LIST_HEAD(requests);
	u64 bytes = 0;
	u32 maps = 0;
	int ret;

	if (list_empty(going))
		return;
	list_for_each_entry(w, going, node) {
		w->req.op = GW_RING_UNMAP;
		list_add_tail(&w->req.node, &requests);
	}
	ret = gw_companion_submit(s->companion, &requests);
	list_for_each_entry_safe(w, next, going, node) {
		/* one that the host knows nothing of has gone with its generation */
		if (ret || w->req.status == GW_STATUS_IOERR) {
			dev_err_ratelimited(s->dev, "the host did not unmap %pa-%pa\n", &w->start,
					    &w->last);
		} else {
			bytes += w->last - w->start + 1;
			maps++;
		}
		kfree_rcu(w, rcu);
	}
	spin_lock_irqsave(&s->lock, flags);
	s->used_bytes -= min(bytes, s->used_bytes);
	s->used_maps -= min(maps, s->used_maps);
	spin_unlock_irqrestore(&s->lock, flags);
}

/* Learn from a window that goes how large windows should be. */
static void windows_observe(struct gw_space *s, const struct gw_window *w)
{
	if (!w->block)
		return;
	s->gone_uses += w->uses;
	s->gone_pages += (w->last - w->start + 1) >> PAGE_SHIFT;
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

static bool windows_fit(const struct gw_space *s, u64 bytes, u32 maps)
{
	const struct gw_companion *c = s->companion;

	return s->used_bytes + bytes <= c->budget_bytes && s->used_maps + maps <= c->budget_maps;
}

/* Do not consider a window, which has users, until it has none. */
static void window_park(struct gw_space *s, struct gw_window *w)
{
	list_del_init(&w->node);
	WRITE_ONCE(w->parked, true);
	smp_mb();
	if (!atomic_read(&w->refs))
		window_unpark(s, w);
}

/* Consider a window: have it go, if it has no users and had none since it was last considered. */
static bool window_evict(struct gw_space *s, struct gw_window *w, struct list_head *going)
{
	list_move_tail(&w->node, &s->clock);
	if (READ_ONCE(w->touched)) {
		WRITE_ONCE(w->touched, false);
		return false;
	}
	if (!window_retire(w)) {
		window_park(s, w);
		return false;
	}
	gw_window_remove(s, w);
	list_add_tail(&w->node, going);
	windows_observe(s, w);
	gw_count(s->companion, GW_STAT_EVICTIONS);
	trace_gangway_evict(s->dev, w->start, w->last - w->start + 1, w->iova, w->uses);
	return true;
}

/* Take windows nobody uses, until there would be room. */
static void windows_evict(struct gw_space *s, u64 bytes, u32 maps, struct list_head *going)
{
	u64 slack = s->companion->budget_bytes / MIN_WINDOWS;
	/* all twice: at first, all may have been used lately */
	u64 turns = 2 * (u64)s->windows;
	u32 gone_maps = 0;
	u64 gone = 0;

	/* a little more than needed, as one request for many costs little more than for one */
	for (; turns && !list_empty(&s->clock) &&
	       (s->used_bytes - gone + bytes + slack > s->companion->budget_bytes ||
		s->used_maps - gone_maps + maps > s->companion->budget_maps); turns--) {
		struct gw_window *w = list_first_entry(&s->clock, struct gw_window, node);

		if (window_evict(s, w, going)) {
			gone += w->last - w->start + 1;
			gone_maps++;
		}
	}
}

/**
 * gw_windows_reserve() - have room in the budget, and take it
 * @s:     the space; the caller holds fill_lock
 * @bytes: to be mapped
 * @maps:  number of mappings
 *
 * Return: false if what is in use leaves no room.
 */
bool gw_windows_reserve(struct gw_space *s, u64 bytes, u32 maps)
{
	unsigned long flags;
	LIST_HEAD(going);
	bool fit;

	lockdep_assert_held(&s->fill_lock);
	spin_lock_irqsave(&s->lock, flags);
	if (!windows_fit(s, bytes, maps))
		windows_evict(s, bytes, maps, &going);
	spin_unlock_irqrestore(&s->lock, flags);
	gw_windows_unmap(s, &going);

	spin_lock_irqsave(&s->lock, flags);
	fit = windows_fit(s, bytes, maps);
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
 * gw_windows_size() - set how large windows start, and how large they may become
 * @s: the space
 */
void gw_windows_size(struct gw_space *s)
{
	const struct gw_companion *c = s->companion;
	unsigned int shift = MAX_SHIFT;

	while (shift > c->granule_shift &&
	       (c->budget_bytes >> shift < min_t(u32, MIN_WINDOWS, c->budget_maps) ||
		c->max_map >> shift == 0))
		shift--;
	s->max_shift = max(shift, c->granule_shift);
	s->shift = s->max_shift;
}
