/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/vfio/space.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/util.h"

/*
 * How it works: mappings are kept by IOVA. Functions of one group see the same addresses, so a
 * mapping that one has made and another asks for, the same in every respect, is shared: each user
 * is a bit, and the kernel forgets it with the last. Memory is the same if the kernel's file is, at
 * whatever address each function has that in this process: the kernel has pinned the pages. A
 * handle is the address, which is a multiple of the granule, with a serial number in its low bits,
 * so that one that has ended is not taken for one that came to the same address later.
 *
 * Where the caller does not choose, places are looked for from @next on, in the upper half of the
 * addresses there are, or of those that the device can put out: far from guest memory, so that a
 * guest which does not translate is caught by the IOMMU. A granule is left free behind each.
 */

#define SERIAL_MASK	0xfffu
#define HUGE		(2ull << 20)

struct space_map {
	struct gw_imap_node node;
	uint64_t users;			/* a bit for each slot */
	void *addr;
	struct gw_file_at file;
	const struct gw_vfio_function *peer;
	unsigned int bar;		/* with @peer, and @range */
	struct gw_bar_range range;
	uint64_t locked;		/* bytes; 0 once it has ended */
	uint16_t serial;
	bool read_only;
	bool ended;			/* the kernel has forgotten it already */
};

static struct space_map *map_of(struct gw_imap_node *n)
{
	return n ? container_of(n, struct space_map, node) : NULL;
}

struct gw_vfio_space *gw_vfio_space_new(const struct gw_vfio_space_ops *ops,
					const struct gw_vfio_folders *at,
					struct gw_vfio_locked *locked, unsigned int group,
					struct gw_log *log)
{
	struct gw_vfio_space *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->ops = ops;
	s->at = at;
	s->locked = locked;
	s->group = group;
	gw_log_own(&s->own_log, log);
	s->log = &s->own_log;
	s->container = s->group_fd = s->iommufd = -1;
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

void gw_vfio_space_free(struct gw_vfio_space *s)
{
	struct gw_imap_node *n;

	if (!s)
		return;
	s->ops->close(s);
	while ((n = gw_imap_from(&s->maps, 0))) {	/* what the kernel would not unmap */
		gw_vfio_locked_put(s->locked, map_of(n)->locked);
		gw_imap_remove(&s->maps, n);
		free(map_of(n));
	}
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* Is first..last inside one range? */
static bool range_holds(const struct gw_vfio_space *s, uint64_t first, uint64_t last)
{
	for (unsigned int i = 0; i < s->nr_ranges; i++)
		if (first >= s->range[i].first && last <= s->range[i].last)
			return true;
	return false;
}

static int refuse_reserved(struct gw_vfio_space *s, const struct gw_vfio_want *w, uint64_t first,
			   uint64_t last)
{
	uint64_t at = first;

	/* the ranges ascend, so this ends at the first address that is in none */
	for (unsigned int i = 0; i < s->nr_ranges; i++)
		if (at >= s->range[i].first && at <= s->range[i].last)
			at = s->range[i].last + 1;
	gw_log_guest(s->log, "%s: cannot map %#" PRIx64 "-%#" PRIx64 ": the platform keeps %#" PRIx64
		     " for itself or does not reach it; see /sys/kernel/iommu_groups/%u/"
		     "reserved_regions, and have guest memory elsewhere", w->name, first, last, at,
		     s->group);
	return -EADDRNOTAVAIL;
}

/* A free place in first..last at or above @at. */
static bool place_in(struct gw_vfio_space *s, uint64_t size, uint64_t align, uint64_t at,
		     uint64_t last, uint64_t *iova)
{
	struct gw_imap_node *n;
	uint64_t end;

	for (;;) {
		if (__builtin_add_overflow(at, align - 1, &at))
			return false;
		at &= ~(align - 1);
		if (__builtin_add_overflow(at, size - 1, &end) || end > last)
			return false;
		n = gw_imap_from(&s->maps, at ? at - 1 : 0);
		if (!n || n->first > end + s->granule) {
			*iova = at;
			return true;
		}
		if (n->last > last || n->last + 1 + s->granule < n->last)
			return false;
		at = n->last + 1 + s->granule;
	}
}

/* The upper half of what the IOMMU takes, but for the very top. */
static uint64_t place_start(const struct gw_vfio_space *s)
{
	uint64_t top = s->range[s->nr_ranges - 1].last;

	return top == UINT64_MAX ? 1ull << 62 : (top + 1) / 2;
}

/* A free place in @at..@last, in whichever range. */
static bool place_above(struct gw_vfio_space *s, uint64_t size, uint64_t at, uint64_t last,
			uint64_t *iova)
{
	uint64_t align = size >= HUGE ? HUGE : s->granule;

	for (unsigned int i = 0; i < s->nr_ranges; i++) {
		uint64_t first = at > s->range[i].first ? at : s->range[i].first;
		uint64_t end = last < s->range[i].last ? last : s->range[i].last;

		if (first <= end && place_in(s, size, align, first, end, iova))
			return true;
	}
	return false;
}

static int place_find(struct gw_vfio_space *s, const struct gw_vfio_want *w, uint64_t *iova)
{
	uint64_t start = place_start(s), last = UINT64_MAX, *next = &s->next;

	if (w->last && w->last < s->range[s->nr_ranges - 1].last) {
		last = w->last;
		start = start <= last / 2 ? start : last / 2 + 1;
		next = &s->next_low;
	}
	/* devices reach differently far, so what one left as @next may be of no use to another */
	if (!(*next >= start && *next <= last && place_above(s, w->size, *next, last, iova)) &&
	    !place_above(s, w->size, start, last, iova) &&
	    !(last != UINT64_MAX && place_above(s, w->size, s->granule, last, iova)))
		return last == UINT64_MAX ? -ENOSPC : -ERANGE;
	*next = *iova + w->size;
	return 0;
}

/* The kernel's answer, with what it means here. */
static int explain(struct gw_vfio_space *s, const struct gw_vfio_want *w, uint64_t iova, int ret)
{
	uint64_t limit = gw_vfio_locked_limit(s->locked);

	gw_log_guest(s->log, "%s: the kernel does not map %#" PRIx64 "+%#" PRIx64 ": %s", w->name,
		     iova, w->size, strerror(-ret));
	if (ret == -ENOMEM && limit != UINT64_MAX)
		gw_log_guest(s->log, "%s: the limit on locked memory is %" PRIu64 " MiB; raise it: "
			     "'ulimit -l', LimitMEMLOCK= of a service, or memlock in limits.conf(5)",
			     w->name, limit >> 20);
	return ret;
}

static int space_place(struct gw_vfio_space *s, const struct gw_vfio_want *w, uint64_t *first,
		       uint64_t *last)
{
	uint64_t bits = (uintptr_t)w->addr | w->size | (w->iova ? w->iova->v : 0);
	int ret = 0;

	if (!w->size || bits & (s->granule - 1))
		return -EINVAL;
	if (w->iova)
		*first = w->iova->v;
	else
		ret = place_find(s, w, first);
	if (ret)
		return ret;
	if (__builtin_add_overflow(*first, w->size - 1, last))
		return -EINVAL;
	return range_holds(s, *first, *last) ? 0 : refuse_reserved(s, w, *first, *last);
}

static bool same_memory(const struct space_map *m, const struct gw_vfio_want *w)
{
	if (m->peer != w->peer)
		return false;
	if (!m->file.ino || !w->file.ino)
		return m->addr == w->addr;
	return m->file.dev == w->file.dev && m->file.ino == w->file.ino &&
	       m->file.off == w->file.off;
}

/* Another function of the group may have made this very mapping. */
static int space_join(struct space_map *m, const struct gw_vfio_want *w, uint64_t last)
{
	uint64_t bit = 1ull << w->slot;

	if (!w->iova || m->node.first != w->iova->v || m->node.last != last || !same_memory(m, w) ||
	    m->read_only != w->read_only || m->ended || m->users & bit)
		return -EEXIST;
	m->users |= bit;
	return 0;
}

/* Registers of a peer are no memory, and not locked. */
static uint64_t locks(const struct gw_vfio_function *peer, uint64_t size)
{
	return peer ? 0 : size;
}

static int refuse_locked(struct gw_vfio_space *s, const struct gw_vfio_want *w)
{
	gw_log_guest(s->log, "%s: cannot map %#" PRIx64 " bytes: all functions here have %" PRIu64 " of the %"
		     PRIu64 " MiB that this process may lock; raise it: 'ulimit -l', LimitMEMLOCK= of a "
		     "service, or memlock in limits.conf(5)", w->name, w->size,
		     atomic_load(&s->locked->bytes) >> 20, gw_vfio_locked_limit(s->locked) >> 20);
	return -ENOSPC;
}

static int space_make(struct gw_vfio_space *s, const struct gw_vfio_want *w, uint64_t first,
		      uint64_t last, struct space_map **out) GW_HOLDS(s->lock)
{
	struct space_map *m = calloc(1, sizeof(*m));
	int ret;

	if (!m)
		return -ENOMEM;
	m->locked = locks(w->peer, w->size);
	if (!gw_vfio_locked_take(s->locked, m->locked)) {
		ret = refuse_locked(s, w);
		goto free_map;
	}
	ret = s->ops->map(s, w, first);
	if (ret) {
		ret = explain(s, w, first, ret);
		goto put_locked;
	}
	m->node.first = first;
	m->node.last = last;
	m->users = 1ull << w->slot;
	m->addr = w->addr;
	m->file = w->file;
	m->peer = w->peer;
	m->bar = w->bar;
	m->range = w->range;
	m->read_only = w->read_only;
	m->serial = s->serial++ & SERIAL_MASK;
	gw_imap_insert(&s->maps, &m->node);
	*out = m;
	return 0;
put_locked:
	gw_vfio_locked_put(s->locked, m->locked);
free_map:
	free(m);
	return ret;
}

int gw_vfio_space_map(struct gw_vfio_space *s, const struct gw_vfio_want *w, struct gw_mapping *map)
{
	struct space_map *m;
	uint64_t first, last;
	int ret;

	pthread_mutex_lock(&s->lock);
	ret = space_place(s, w, &first, &last);
	if (ret)
		goto unlock;
	m = map_of(gw_imap_from(&s->maps, first));
	if (m && m->node.first <= last)
		ret = space_join(m, w, last);
	else if (s->maps.nr >= s->max_maps)
		ret = -ENOSPC;
	else
		ret = space_make(s, w, first, last, &m);
	if (ret)
		goto unlock;
	*map = (struct gw_mapping){ .handle = first | m->serial, .nr_segments = 1 };
	map->seg[0] = (struct gw_segment){ .iova = { first }, .size = w->size };
unlock:
	pthread_mutex_unlock(&s->lock);
	return ret;
}

/* Have the kernel forget a mapping. */
static int map_end(struct gw_vfio_space *s, struct space_map *m) GW_HOLDS(s->lock)
{
	int ret;

	if (m->ended) {
		m->peer = NULL;
		return 0;
	}
	ret = s->ops->unmap(s, m->node.first, m->node.last - m->node.first + 1);
	if (ret)
		gw_err_guest(s->log, "group %u: the kernel does not unmap %#" PRIx64 ": %s", s->group,
			     m->node.first, strerror(-ret));
	m->ended = !ret;
	if (m->ended) {
		gw_vfio_locked_put(s->locked, m->locked);
		m->locked = 0;
	}
	m->peer = NULL;
	return ret;
}

/* A mapping that the kernel keeps stays known, so that its address is not given out again. */
static int map_free(struct gw_vfio_space *s, struct space_map *m) GW_HOLDS(s->lock)
{
	int ret = map_end(s, m);

	if (ret)
		return ret;
	gw_imap_remove(&s->maps, &m->node);
	free(m);
	return 0;
}

/* One user less. */
static int map_put(struct gw_vfio_space *s, struct space_map *m, unsigned int slot)
	GW_HOLDS(s->lock)
{
	m->users &= ~(1ull << slot);
	return m->users ? 0 : map_free(s, m);
}

int gw_vfio_space_unmap(struct gw_vfio_space *s, unsigned int slot, uint64_t handle)
{
	uint64_t first = handle & ~(uint64_t)SERIAL_MASK;
	struct space_map *m;
	int ret = -ENOENT;

	pthread_mutex_lock(&s->lock);
	m = map_of(gw_imap_find(&s->maps, first));
	if (m && m->node.first == first && m->serial == (handle & SERIAL_MASK) &&
	    m->users >> slot & 1)
		ret = map_put(s, m, slot);
	pthread_mutex_unlock(&s->lock);
	return ret;
}

void gw_vfio_space_drop(struct gw_vfio_space *s, unsigned int slot)
{
	struct gw_imap_node *n, *next;

	pthread_mutex_lock(&s->lock);
	for (n = gw_imap_from(&s->maps, 0); n; n = next) {
		next = gw_imap_next(n);
		if (map_of(n)->users >> slot & 1)
			map_put(s, map_of(n), slot);
	}
	pthread_mutex_unlock(&s->lock);
}

int gw_vfio_space_retry(struct gw_vfio_space *s)
{
	struct gw_imap_node *n, *next;
	int ret = 0, err;

	pthread_mutex_lock(&s->lock);
	for (n = gw_imap_from(&s->maps, 0); n; n = next) {
		next = gw_imap_next(n);
		err = map_of(n)->users ? 0 : map_free(s, map_of(n));
		ret = ret ? ret : err;
	}
	pthread_mutex_unlock(&s->lock);
	return ret;
}

void gw_vfio_space_drop_peer(struct gw_vfio_space *s, const struct gw_vfio_function *peer)
{
	pthread_mutex_lock(&s->lock);
	for (struct gw_imap_node *n = gw_imap_from(&s->maps, 0); n; n = gw_imap_next(n))
		if (map_of(n)->peer == peer)
			map_end(s, map_of(n));
	pthread_mutex_unlock(&s->lock);
}

static int map_again(struct gw_vfio_space *s, struct space_map *m, int buf) GW_HOLDS(s->lock)
{
	const struct gw_vfio_want w = {
		.addr = m->addr, .size = m->range.size, .read_only = m->read_only,
		.peer = m->peer, .bar = m->bar, .range = m->range, .buf = buf,
	};
	int ret = m->ended ? 0 : s->ops->unmap(s, m->node.first, w.size);

	if (ret && ret != -ENOENT)
		return ret;	/* who knows what is there: nothing is put on top of it */
	m->ended = true;
	ret = buf < 0 ? buf : s->ops->map(s, &w, m->node.first);
	m->ended = ret;
	return ret;
}

void gw_vfio_space_again(struct gw_vfio_space *s, const struct gw_vfio_function *peer,
			 int (*buf_of)(const struct gw_vfio_function *peer, unsigned int bar,
				       const struct gw_bar_range *range))
{
	pthread_mutex_lock(&s->lock);
	for (struct gw_imap_node *n = gw_imap_from(&s->maps, 0); n; n = gw_imap_next(n)) {
		struct space_map *m = map_of(n);
		int buf, ret;

		if (m->peer != peer)
			continue;
		buf = buf_of(peer, m->bar, &m->range);
		ret = map_again(s, m, buf);
		if (buf >= 0)
			close(buf);	/* the kernel keeps what it needs */
		if (ret)
			gw_err_guest(s->log, "group %u: BAR %u of a peer is not mapped again at %#"
				     PRIx64 ": %s", s->group, m->bar, n->first, strerror(-ret));
	}
	pthread_mutex_unlock(&s->lock);
}

bool gw_vfio_space_idle(struct gw_vfio_space *s, unsigned int slot)
{
	bool idle = true;

	pthread_mutex_lock(&s->lock);
	for (struct gw_imap_node *n = gw_imap_from(&s->maps, 0); n && idle; n = gw_imap_next(n))
		idle = !(map_of(n)->users >> slot & 1);
	pthread_mutex_unlock(&s->lock);
	return idle;
}
