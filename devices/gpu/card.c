/* SPDX-License-Identifier: BSD-3-Clause */
#include "card.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/util.h"

/*
 * How it works: card.h says what is mapped where. The lock guards who has which part of the VRAM,
 * and is held over each copy. So a share is laid out anew only while no copy is under way and its
 * function's memory does not decode; what a function has taken back is stale, and copies of it
 * fail. Whoever watches is told without that lock: after memory begins to decode, and before it
 * ends, so that its users have let go when it becomes stale.
 */

static int make_file(const char *name, uint64_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), ret;

	if (fd < 0)
		return -errno;
	if (!ftruncate(fd, (off_t)size) &&
	    !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

static void zero_file(int fd, uint64_t size)
{
	if (size)
		fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)size);
}

/* Bytes of a share that a window does not show, at most. */
static uint64_t hidden(const struct gpu_card *c)
{
	return c->opt.vram > c->opt.window ? c->opt.vram - c->opt.window : 0;
}

static void zero_slot(const struct gpu_card *c, const struct gpu_slot *s)
{
	zero_file(s->fd, c->opt.window);
	zero_file(s->more_fd, hidden(c));
}

static int map_file(int fd, void *at, uint64_t len, uint64_t off, uint8_t **addr)
{
	void *p = mmap(at, len, PROT_READ | PROT_WRITE, MAP_SHARED | (at ? MAP_FIXED : 0), fd,
		       (off_t)off);

	if (p == MAP_FAILED)
		return -errno;
	if (addr)
		*addr = p;
	return 0;
}

/* Map @len bytes of a function's memory, from @off on, at @at. */
static int map_slot(const struct gpu_card *c, const struct gpu_slot *s, uint8_t *at, uint64_t off,
		    uint64_t len)
{
	uint64_t window = c->opt.window, first = off < window ? window - off : 0;
	int ret = 0;

	if (first > len)
		first = len;
	if (first)
		ret = map_file(s->fd, at, first, off, NULL);
	if (!ret && len > first)
		ret = map_file(s->more_fd, at + first, len - first, off + first - window, NULL);
	return ret;
}

/* Put the card's own memory back where the share's extents are. */
static void unstitch(struct gpu_card *c, struct gpu_slot *s) GW_HOLDS(c->lock)
{
	for (unsigned int i = 0; i < s->share.nr; i++) {
		const struct gpu_extent *e = &s->share.extent[i];

		/* replaces a mapping of the same size, for which the kernel has room */
		map_file(c->fd, c->vram + e->at.v, e->len, e->at.v, NULL);
	}
	s->share.nr = 0;
	s->share.bytes = 0;
}

/* Likewise, the share's memory. */
static int stitch(struct gpu_card *c, struct gpu_slot *s, const struct gpu_extent *extent,
		  unsigned int nr) GW_HOLDS(c->lock)
{
	struct gpu_share *share = &s->share;

	for (unsigned int i = 0; i < nr; i++) {
		int ret = map_slot(c, s, c->vram + extent[i].at.v, share->bytes,
				   extent[i].len);

		if (ret) {
			unstitch(c, s);
			return ret;
		}
		share->extent[share->nr++] = extent[i];
		share->bytes += extent[i].len;
	}
	return 0;
}

static bool meet(const struct gpu_extent *a, const struct gpu_extent *b)
{
	return a->at.v < b->at.v + b->len && b->at.v < a->at.v + a->len;
}

/* Whether @e is part of another function's share. */
static bool taken(const struct gpu_card *c, unsigned int vf, const struct gpu_extent *e)
	GW_HOLDS(c->lock)
{
	for (unsigned int i = 0; i < GPU_MAX_VFS; i++)
		for (unsigned int j = 0; i != vf && j < c->slot[i].share.nr; j++)
			if (meet(e, &c->slot[i].share.extent[j]))
				return true;
	return false;
}

static int check_extents(const struct gpu_card *c, unsigned int vf, const struct gpu_extent *e,
			 unsigned int nr) GW_HOLDS(c->lock)
{
	if (vf >= c->opt.vfs || nr > GPU_MAX_EXTENTS)
		return -EINVAL;
	for (unsigned int i = 0; i < nr; i++) {
		if (!e[i].len || (e[i].at.v | e[i].len) % GPU_GRANULE)
			return -EINVAL;
		if (e[i].at.v >= c->opt.vram || e[i].len > c->opt.vram - e[i].at.v)
			return -ERANGE;
		if (taken(c, vf, &e[i]))
			return -EEXIST;
		for (unsigned int j = 0; j < i; j++)
			if (meet(&e[i], &e[j]))
				return -EEXIST;
	}
	return 0;
}

int gw_gpu_provision(struct gpu_card *c, unsigned int vf, const struct gpu_extent *extent,
		     unsigned int nr)
{
	struct gpu_slot *s;
	int ret;

	gw_gate_lock(&c->lock);
	ret = check_extents(c, vf, extent, nr);
	if (ret)
		goto unlock;
	s = &c->slot[vf];
	ret = -EBUSY;
	if (s->live)
		goto unlock;
	unstitch(c, s);
	zero_slot(c, s);
	s->share.generation++;
	ret = stitch(c, s, extent, nr);
unlock:
	gw_gate_unlock(&c->lock);
	return ret;
}

int gw_gpu_share(struct gpu_card *c, unsigned int vf, struct gpu_share *share)
{
	if (vf >= c->opt.vfs)
		return -EINVAL;
	gw_gate_lock(&c->lock);
	*share = c->slot[vf].share;
	gw_gate_unlock(&c->lock);
	return 0;
}

static void set_live(struct gpu_card *c, unsigned int vf, bool live)
{
	gw_gate_lock(&c->lock);
	c->slot[vf].live = live;
	gw_gate_unlock(&c->lock);
}

/* Whoever shares the memory lets go of it first; whatever comes later is stale. */
void gw_gpu_set_live(struct gpu_card *c, unsigned int vf, bool live)
{
	if (live)
		set_live(c, vf, true);
	pthread_rwlock_rdlock(&c->watch_lock);
	if (c->watch.decode)
		c->watch.decode(c->watch.opaque, c, vf, live);
	pthread_rwlock_unlock(&c->watch_lock);
	if (!live)
		set_live(c, vf, false);
}

void gw_gpu_flip(struct gpu_card *c, unsigned int vf)
{
	pthread_rwlock_rdlock(&c->watch_lock);
	if (c->watch.flip)
		c->watch.flip(c->watch.opaque, c, vf);
	pthread_rwlock_unlock(&c->watch_lock);
}

void gw_gpu_watch(struct gpu_card *c, const struct gpu_watch *watch)
{
	pthread_rwlock_wrlock(&c->watch_lock);
	c->watch = watch ? *watch : (struct gpu_watch){ 0 };
	pthread_rwlock_unlock(&c->watch_lock);
}

void gw_gpu_clear(struct gpu_card *c, unsigned int vf)
{
	zero_slot(c, &c->slot[vf]);
}

/* Has a function taken back any of it? Then it is recorded. */
static bool is_stale(struct gpu_card *c, const struct gpu_extent *e) GW_HOLDS(c->lock)
{
	for (unsigned int i = 0; i < c->opt.vfs; i++) {
		const struct gpu_slot *s = &c->slot[i];

		for (unsigned int j = 0; !s->live && j < s->share.nr; j++) {
			if (!meet(e, &s->share.extent[j]))
				continue;
			if (c->nr_stale < GPU_MAX_STALE)
				c->stale[c->nr_stale] = (struct gpu_stale){ i, e->at, e->len };
			c->nr_stale++;
			return true;
		}
	}
	return false;
}

/*
 * The lock is held over the copy, so a function that takes its memory back waits for this copy; but
 * not for the next one, even if an engine or a screen reads on and on.
 */
static int copy(struct gpu_card *c, gw_vram at, void *to, const void *from, size_t len)
{
	struct gpu_extent e = { at, len };
	int ret = 0;

	if (at.v > c->opt.vram || len > c->opt.vram - at.v)
		return -ERANGE;
	gw_gate_lock_patient(&c->lock);
	if (is_stale(c, &e))
		ret = -EACCES;
	else
		memcpy(to ? to : c->vram + at.v, from ? from : c->vram + at.v, len);
	gw_gate_unlock(&c->lock);
	return ret;
}

int gw_gpu_read(struct gpu_card *c, gw_vram at, void *buf, size_t len)
{
	return copy(c, at, buf, NULL, len);
}

int gw_gpu_write(struct gpu_card *c, gw_vram at, const void *buf, size_t len)
{
	return copy(c, at, NULL, buf, len);
}

uint64_t gw_gpu_stale(struct gpu_card *c, struct gpu_stale *stale, unsigned int max)
{
	uint64_t nr;

	gw_gate_lock(&c->lock);
	nr = c->nr_stale;
	for (unsigned int i = 0; i < nr && i < max && i < GPU_MAX_STALE; i++)
		stale[i] = c->stale[i];
	gw_gate_unlock(&c->lock);
	return nr;
}

/*
 * The shares that the options ask for: at the end of the VRAM, the pieces of all of them by turns,
 * and a share's first piece last. So no two pieces of a share can be taken for one.
 */
static int first_shares(struct gpu_card *c)
{
	const struct gpu_options *o = &c->opt;
	uint64_t granules = o->share / GPU_GRANULE, base = o->vram - o->vfs * o->share;

	for (unsigned int vf = 0; vf < o->vfs; vf++) {
		struct gpu_extent extent[GPU_MAX_EXTENTS];
		uint64_t at = base;
		int ret;

		for (unsigned int i = 0; i < o->pieces; i++) {
			uint64_t more = i < granules % o->pieces;
			uint64_t len = (granules / o->pieces + more) * GPU_GRANULE;

			extent[o->pieces - 1 - i] = (struct gpu_extent){ { at + vf * len }, len };
			at += o->vfs * len;
		}
		ret = gw_gpu_provision(c, vf, extent, o->pieces);
		if (ret)
			return ret;
	}
	return 0;
}

static uint64_t slot_span(const struct gpu_card *c)
{
	return c->opt.window + hidden(c);
}

static int make_slot(struct gpu_card *c, struct gpu_slot *s)
{
	uint64_t more = hidden(c);
	void *mem;

	s->share.window = c->opt.window;
	s->fd = make_file("gangway-vf-window", c->opt.window);
	if (s->fd < 0)
		return s->fd;
	s->more_fd = make_file("gangway-vf-hidden", more ? more : 1);
	if (s->more_fd < 0)
		return s->more_fd;
	mem = mmap(NULL, slot_span(c), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		   0);
	if (mem == MAP_FAILED)
		return -errno;
	s->mem = mem;
	return map_slot(c, s, s->mem, 0, slot_span(c));
}

static int make_memory(struct gpu_card *c)
{
	int ret;

	c->fd = make_file("gangway-vram", c->opt.vram);
	if (c->fd < 0)
		return c->fd;
	ret = map_file(c->fd, NULL, c->opt.vram, 0, &c->vram);
	for (unsigned int i = 0; !ret && i < c->opt.vfs; i++)
		ret = make_slot(c, &c->slot[i]);
	return ret ? ret : first_shares(c);
}

int gw_gpu_card_new(const struct gpu_options *opt, struct gw_log *log, struct gpu_card **out)
{
	struct gpu_card *c = calloc(1, sizeof(*c));
	int ret;

	if (!c)
		return -ENOMEM;
	c->opt = *opt;
	c->log = log;
	c->fd = -1;
	for (unsigned int i = 0; i < GPU_MAX_VFS; i++)
		c->slot[i].fd = c->slot[i].more_fd = -1;
	pthread_rwlock_init(&c->watch_lock, NULL);
	gw_gate_init(&c->lock);
	atomic_store(&c->users, 1);
	ret = make_memory(c);
	if (ret) {
		gw_err(log, "gpu: cannot make %" PRIu64 " MiB of VRAM: %s", opt->vram >> 20,
		       strerror(-ret));
		gw_gpu_card_put(c);
		return ret;
	}
	*out = c;
	return 0;
}

struct gpu_card *gw_gpu_card_get(struct gpu_card *c)
{
	atomic_fetch_add(&c->users, 1);
	return c;
}

void gw_gpu_card_put(struct gpu_card *c)
{
	if (!c || atomic_fetch_sub(&c->users, 1) != 1)
		return;
	for (unsigned int i = 0; i < GPU_MAX_VFS; i++) {
		if (c->slot[i].mem)
			munmap(c->slot[i].mem, slot_span(c));
		if (c->slot[i].fd >= 0)
			close(c->slot[i].fd);
		if (c->slot[i].more_fd >= 0)
			close(c->slot[i].more_fd);
	}
	if (c->vram)
		munmap(c->vram, c->opt.vram);
	if (c->fd >= 0)
		close(c->fd);
	gw_gate_fini(&c->lock);
	pthread_rwlock_destroy(&c->watch_lock);
	free(c);
}
