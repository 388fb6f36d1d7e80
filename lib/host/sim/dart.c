/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/sim/dart.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/guard.h"
#include "base/lock.h"
#include "base/util.h"

/*
 * How it works: the IOVAs in use are an interval map. An access looks its mapping up under the
 * read lock, becomes its user, and copies without the lock. Unregistering closes the use count,
 * so that no access can begin, waits for the users, and only then takes the range out of the
 * map: a range is never handed out again while someone is still in it. A user that does not leave
 * makes it fail, and the range stays.
 *
 * Addresses are handed out upwards from a seeded place with seeded gaps. When the way is blocked
 * a few times running, the search moves to a random place, so one registration looks at a bounded
 * number of places until nearly all of the space is taken.
 */

#define GUARD_MAX	16	/* granules between two mappings: 1 to this many */
#define STEPS		16	/* places looked at before the search moves */
#define MOVES		8

static uint64_t rng_next(uint64_t *s)
{
	uint64_t z = *s += 0x9e3779b97f4a7c15ull;	/* splitmix64 */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* Accesses may come without a pause, and a thread that registers must still get its turn. */
static int lock_init(pthread_rwlock_t *lock)
{
	pthread_rwlockattr_t attr;
	int ret = pthread_rwlockattr_init(&attr);

	if (ret)
		return -ret;
#ifdef __GLIBC__
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
#endif
	ret = pthread_rwlock_init(lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	return -ret;
}

int gw_dart_init(struct gw_dart *d, const struct gw_dart_limits *limits,
		 struct gw_dart_totals *totals, struct gw_log *log, const char *name,
		 uint64_t salt)
{
	*d = (struct gw_dart){ .limits = limits, .totals = totals, .log = log, .name = name,
			       .salt = salt };
	return lock_init(&d->lock);
}

void gw_dart_fini(struct gw_dart *d)
{
	pthread_rwlock_destroy(&d->lock);
}

uint64_t gw_dart_first(const struct gw_dart_limits *l)
{
	return l->base ? l->base : GW_DART_FIRST;
}

uint64_t gw_dart_last(const struct gw_dart_limits *l)
{
	return gw_dart_first(l) + (GW_DART_LAST - GW_DART_FIRST);
}

static uint64_t random_place(struct gw_dart *d) GW_HOLDS(d->lock)
{
	return gw_dart_first(d->limits) + rng_next(&d->rng) % (GW_DART_LAST - GW_DART_FIRST);
}

/* Deliberately aligned to the granule and to nothing larger: callers must not rely on more. */
static uint64_t odd_granule(const struct gw_dart *d, uint64_t at)
{
	uint64_t g = d->limits->granule;

	at = (at + g - 1) / g * g;
	return at / g % 2 ? at : at + g;
}

/* Look for room at or above @at, at most @steps times. */
static bool find_from(struct gw_dart *d, uint64_t at, uint64_t size, uint64_t steps,
		      uint64_t *iova) GW_HOLDS(d->lock)
{
	uint64_t g = d->limits->granule, dart_last = gw_dart_last(d->limits);
	struct gw_imap_node *n;

	for (; steps; steps--) {
		at = odd_granule(d, at);
		if (at > dart_last || size - 1 > dart_last - at)
			return false;
		d->probes++;
		n = gw_imap_from(&d->map, at - g);
		if (!n || n->first > at + size - 1 + g) {
			*iova = at;
			return true;
		}
		at = n->last + 1 + g;
	}
	return false;
}

static int choose(struct gw_dart *d, uint64_t size, uint64_t *iova) GW_HOLDS(d->lock)
{
	uint64_t g = d->limits->granule;

	if (!d->seeded) {
		d->rng = d->limits->seed ^ d->salt << 32;
		d->cursor = d->limits->base ? d->limits->base : random_place(d);
		d->seeded = true;
	}
	for (int move = 0; move < MOVES; move++) {
		if (find_from(d, d->cursor, size, STEPS, iova))
			goto found;
		d->cursor = random_place(d);
	}
	if (!find_from(d, gw_dart_first(d->limits), size, UINT64_MAX, iova))
		return -ENOSPC;
found:
	d->cursor = *iova + size + (1 + rng_next(&d->rng) % GUARD_MAX) * g;
	return 0;
}

static int check_limits(struct gw_dart *d, uint64_t size) GW_HOLDS(d->lock)
{
	const struct gw_dart_limits *l = d->limits;

	if (d->maps >= l->max_maps) {
		gw_log_guest(d->log, "%s: cannot map %" PRIu64 " bytes: all %" PRIu64
			     " mappings are in use", d->name, size, l->max_maps);
		return -ENOSPC;
	}
	if (d->bytes > l->max_bytes || size > l->max_bytes - d->bytes) {
		gw_log_guest(d->log, "%s: cannot map %" PRIu64 " bytes: %" PRIu64 " of %" PRIu64
			     " are in use", d->name, size, d->bytes, l->max_bytes);
		return -ENOSPC;
	}
	return 0;
}

static int check_memory(const struct gw_dart *d, const struct gw_dart_request *req)
{
	uint64_t at = req->mem.remote ? req->mem.remote_addr.v : (uintptr_t)req->mem.addr;
	uint64_t mask = d->limits->granule - 1, last;

	if (!req->size || (req->size | at) & mask || (!req->mem.remote && !at))
		return -EINVAL;
	if (__builtin_add_overflow(at, req->size - 1, &last))
		return -EOVERFLOW;
	if (req->size > d->limits->max_map_bytes) {
		gw_log_guest(d->log, "%s: cannot map %" PRIu64 " bytes: one mapping may have %"
			     PRIu64, d->name, req->size, d->limits->max_map_bytes);
		return -E2BIG;
	}
	/*
	 * the platform would fail to wire memory that is not there; so this fails, before the
	 * device sees it
	 */
	return !req->mem.remote && msync(req->mem.addr, req->size, MS_ASYNC) ? -EFAULT : 0;
}

static int check_request(const struct gw_dart *d, const struct gw_dart_request *req)
{
	uint64_t mask = d->limits->granule - 1, last;
	int ret = check_memory(d, req);

	if (ret || !req->want)
		return ret;
	if (!d->limits->caller_iova)
		return -EOPNOTSUPP;
	if (req->want->v & mask)
		return -EINVAL;
	if (__builtin_add_overflow(req->want->v, req->size - 1, &last))
		return -EOVERFLOW;
	return last > GW_DART_CALLER_LAST ? -EOVERFLOW : 0;
}

static void fill(struct gw_dart_mapping *m, const struct gw_dart_request *req, uint64_t off)
{
	*m = (struct gw_dart_mapping){ .remote = req->mem.remote, .read_only = req->mem.read_only };
	if (m->remote)
		m->remote_addr = req->mem.remote_addr.v + off;
	else
		m->addr = (uint8_t *)req->mem.addr + off;
}

static int place(struct gw_dart *d, struct gw_dart_mapping *m, uint64_t size, const gw_iova *want)
	GW_HOLDS(d->lock)
{
	uint64_t iova;
	int ret;

	if (want)
		iova = want->v;
	else if ((ret = choose(d, size, &iova)))
		return ret;
	m->node.first = iova;
	m->node.last = iova + size - 1;
	return gw_imap_insert(&d->map, &m->node);
}

/* Segments after the first are our own storage. */
static void remove_segments(struct gw_dart *d, struct gw_dart_mapping *m) GW_HOLDS(d->lock)
{
	struct gw_dart_mapping *next = m->next;

	gw_imap_remove(&d->map, &m->node);
	while ((m = next)) {
		next = m->next;
		gw_imap_remove(&d->map, &m->node);
		free(m);
	}
}

/* Place @nr segments; all but the last have an equal number of granules. */
static int place_all(struct gw_dart *d, struct gw_dart_mapping *m,
		     const struct gw_dart_request *req, unsigned int nr, struct gw_segment *seg,
		     unsigned int room) GW_HOLDS(d->lock)
{
	uint64_t g = d->limits->granule, piece, off = 0, size;
	struct gw_dart_mapping *at = m, *prev = NULL;
	int ret;

	assert(nr);
	piece = req->size / g / nr * g;
	for (unsigned int i = 0; i < nr; i++, off += piece) {
		size = i == nr - 1 ? req->size - off : piece;
		if (i)
			at = malloc(sizeof(*at));
		if (!at) {
			ret = -ENOMEM;
			goto undo;
		}
		fill(at, req, off);
		ret = place(d, at, size, req->want);
		if (ret) {
			if (i)
				free(at);
			goto undo;
		}
		if (prev)
			prev->next = at;
		prev = at;
		if (i < room)
			seg[i] = (struct gw_segment){ .iova.v = at->node.first, .size = size };
	}
	return 0;
undo:
	if (prev)
		remove_segments(d, m);
	return ret;
}

static void count_up(struct gw_dart *d, uint64_t size) GW_HOLDS(d->lock)
{
	struct gw_dart_totals *t = d->totals;
	uint64_t maps = atomic_fetch_add(&t->live_maps, 1) + 1;
	uint64_t bytes = atomic_fetch_add(&t->live_bytes, size) + size;
	uint64_t was = atomic_load(&t->peak_maps);

	d->maps++;
	d->bytes += size;
	atomic_fetch_add(&t->maps, 1);
	while (was < maps && !atomic_compare_exchange_weak(&t->peak_maps, &was, maps))
		;
	was = atomic_load(&t->peak_bytes);
	while (was < bytes && !atomic_compare_exchange_weak(&t->peak_bytes, &was, bytes))
		;
}

static void count_down(struct gw_dart *d, uint64_t size) GW_HOLDS(d->lock)
{
	d->maps--;
	d->bytes -= size;
	atomic_fetch_sub(&d->totals->live_maps, 1);
	atomic_fetch_sub(&d->totals->live_bytes, size);
	atomic_fetch_add(&d->totals->unmaps, 1);
}

int gw_dart_register(struct gw_dart *d, struct gw_dart_mapping *m,
		     const struct gw_dart_request *req, struct gw_segment *seg, unsigned int room,
		     unsigned int *nr)
{
	uint64_t granules = req->size / d->limits->granule;
	int ret = check_request(d, req);

	if (ret)
		return ret;
	*nr = req->want ? 1 : d->limits->segments;
	if (*nr > granules)
		*nr = (unsigned int)granules;
	pthread_rwlock_wrlock(&d->lock);
	ret = check_limits(d, req->size);
	if (!ret)
		ret = place_all(d, m, req, *nr, seg, room);
	if (!ret)
		count_up(d, req->size);
	pthread_rwlock_unlock(&d->lock);
	if (*nr > room)
		*nr = room;
	return ret;
}

int gw_dart_unregister(struct gw_dart *d, struct gw_dart_mapping *m)
{
	uint64_t size = 0, deadline = gw_now_ns();

	if (!atomic_load(&d->hasty))
		deadline += GW_DART_PATIENCE_NS;
	for (struct gw_dart_mapping *at = m; at; at = at->next)
		gw_use_close(&at->use);
	for (struct gw_dart_mapping *at = m; at; at = at->next) {
		if (gw_use_drain_until(&at->use, deadline)) {
			atomic_store(&d->hasty, true);
			return -ETIMEDOUT;
		}
		size += at->node.last - at->node.first + 1;
	}
	pthread_rwlock_wrlock(&d->lock);
	remove_segments(d, m);
	count_down(d, size);
	pthread_rwlock_unlock(&d->lock);
	return 0;
}

void gw_dart_reopen(struct gw_dart_mapping *m)
{
	for (; m; m = m->next)
		gw_use_open(&m->use);
}

int gw_dart_peek(struct gw_dart_mapping *m, uint64_t off, uint64_t *val)
{
	uint64_t size = 0;

	if (m->remote)
		return -EOPNOTSUPP;
	for (struct gw_dart_mapping *at = m; at; at = at->next)
		size += at->node.last - at->node.first + 1;
	if (off > size || size - off < sizeof(*val))
		return -ERANGE;
	/* the segments are one run of memory, in order */
	return gw_guard_copy(val, m->addr + off, sizeof(*val)) ? -EIO : 0;
}
