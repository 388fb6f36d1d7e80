/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gangway/provisioning.h>

#include "base/imap.h"
#include "base/lock.h"
#include "base/util.h"
#include "share/translate.h"

/*
 * How it works: a share is a table from offsets to places, made once and never changed. An import
 * counts as a user of the share before it looks at it, so the table stays while it does; a new
 * layout waits until nobody uses the old one. The places of all shares are in one interval map,
 * which is how two shares cannot overlap.
 *
 * The generation of a virtual function grows with each layout and each revoke. An import notes it
 * before it translates and looks again afterwards, and its user looks for each access.
 */

struct share {
	uint64_t window, size;
	struct gw_translate table;
	struct gw_translate_extent *extent;
	struct gw_imap_node node[];		/* one an extent */
};

struct vf {
	struct share *share;			/* @lock of the table */
	unsigned int imports;			/* likewise */
	_Atomic uint64_t generation;
};

struct gw_provisioning {
	struct gw_share_id pf;
	unsigned int bar, nr_vfs;
	uint64_t bytes;
	struct gw_log *log;
	pthread_rwlock_t lock;
	struct gw_imap places GW_GUARDED_BY(lock);
	struct vf vf[];
};

struct gw_vram_import {
	struct gw_provisioning *p;
	struct vf *vf;
	uint64_t generation;
	struct gw_vram_ranges ranges;
};

int gw_provisioning_new(const struct gw_share_id *pf, unsigned int bar, unsigned int nr_vfs,
			uint64_t bytes, struct gw_log *log, struct gw_provisioning **p)
{
	struct gw_provisioning *n;

	if (pf->vf != -1 || bar >= GW_NR_BARS || nr_vfs > GW_PROVISIONING_MAX_VFS || !bytes)
		return -EINVAL;
	n = calloc(1, sizeof(*n) + nr_vfs * sizeof(n->vf[0]));
	if (!n)
		return -ENOMEM;
	n->pf = *pf;
	n->bar = bar;
	n->nr_vfs = nr_vfs;
	n->bytes = bytes;
	n->log = log;
	pthread_rwlock_init(&n->lock, NULL);
	for (unsigned int i = 0; i < nr_vfs; i++)
		atomic_init(&n->vf[i].generation, 1);
	*p = n;
	return 0;
}

static void share_free(struct share *s)
{
	if (!s)
		return;
	free(s->extent);
	free(s);
}

void gw_provisioning_free(struct gw_provisioning *p)
{
	if (!p)
		return;
	for (unsigned int i = 0; i < p->nr_vfs; i++)
		share_free(p->vf[i].share);
	pthread_rwlock_destroy(&p->lock);
	free(p);
}

/* An extent and where in the share it begins. */
static int put_extent(const struct gw_provisioning *p, struct share *s,
		      const struct gw_vram_extent *e, unsigned int i)
{
	uint64_t end;

	if (!e->size || (e->at.v | e->size) % GW_PAGE_SIZE)
		return -EINVAL;
	if (__builtin_add_overflow(e->at.v, e->size, &end))
		return -EOVERFLOW;
	if (end > p->bytes)
		return -ERANGE;
	s->extent[i] = (struct gw_translate_extent){ s->size, e->at.v, e->size };
	s->node[i] = (struct gw_imap_node){ .first = e->at.v, .last = end - 1 };
	/* extents that do not overlap cannot sum up to that; those that do are refused here */
	return __builtin_add_overflow(s->size, e->size, &s->size) ? -EOVERFLOW : 0;
}

static int share_new(const struct gw_provisioning *p, uint64_t window,
		     const struct gw_vram_extent *extent, unsigned int nr, struct share **s)
{
	struct share *n = calloc(1, sizeof(*n) + nr * sizeof(n->node[0]));
	int ret = 0;

	if (!n)
		return -ENOMEM;
	n->window = window;
	n->extent = calloc(nr, sizeof(*n->extent));
	if (!n->extent)
		ret = -ENOMEM;
	for (unsigned int i = 0; !ret && i < nr; i++)
		ret = put_extent(p, n, &extent[i], i);
	if (ret) {
		share_free(n);
		return ret;
	}
	n->table = (struct gw_translate){ n->extent, nr };
	*s = n;
	return 0;
}

static void places_remove(struct gw_provisioning *p, struct share *s, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		gw_imap_remove(&p->places, &s->node[i]);
}

static int places_insert(struct gw_provisioning *p, struct share *s)
{
	for (unsigned int i = 0; i < s->table.nr; i++) {
		if (gw_imap_insert(&p->places, &s->node[i])) {
			places_remove(p, s, i);
			return -EEXIST;
		}
	}
	return 0;
}

/* On success *@s is what was there before. */
static int share_replace(struct gw_provisioning *p, struct vf *vf, struct share **s)
	GW_HOLDS(p->lock)
{
	struct share *old = vf->share;
	int ret = 0;

	if (vf->imports)
		return -EBUSY;
	if (old)
		places_remove(p, old, old->table.nr);
	if (*s)
		ret = places_insert(p, *s);
	if (ret) {
		if (old && places_insert(p, old))
			abort();	/* it was there before */
		return ret;
	}
	vf->share = *s;
	*s = old;
	atomic_fetch_add(&vf->generation, 1);
	return 0;
}

int gw_provisioning_set(struct gw_provisioning *p, unsigned int vf, uint64_t window,
			const struct gw_vram_extent *extent, unsigned int nr)
{
	struct share *s = NULL;
	int ret = 0;

	if (vf >= p->nr_vfs)
		return -EINVAL;
	if (nr > GW_PROVISIONING_MAX_EXTENTS)
		return -E2BIG;
	if (nr)
		ret = share_new(p, window, extent, nr, &s);
	if (ret)
		return ret;
	pthread_rwlock_wrlock(&p->lock);
	ret = share_replace(p, &p->vf[vf], &s);
	pthread_rwlock_unlock(&p->lock);
	share_free(s);
	return ret;
}

int gw_provisioning_revoke(struct gw_provisioning *p, unsigned int vf)
{
	int left;

	if (vf >= p->nr_vfs)
		return -EINVAL;
	pthread_rwlock_wrlock(&p->lock);
	atomic_fetch_add(&p->vf[vf].generation, 1);
	left = (int)p->vf[vf].imports;
	pthread_rwlock_unlock(&p->lock);
	return left;
}

uint64_t gw_provisioning_size(struct gw_provisioning *p, unsigned int vf, uint64_t *window)
{
	uint64_t size = 0, shown = 0;

	if (vf < p->nr_vfs) {
		pthread_rwlock_rdlock(&p->lock);
		if (p->vf[vf].share) {
			size = p->vf[vf].share->size;
			shown = p->vf[vf].share->window;
		}
		pthread_rwlock_unlock(&p->lock);
	}
	if (window)
		*window = shown;
	return size;
}

int gw_provisioning_at(struct gw_provisioning *p, unsigned int vf, uint64_t off, gw_vram *at,
		       uint64_t *left)
{
	const struct gw_translate_extent *e;
	const struct share *s;
	int ret = -ERANGE;

	if (vf >= p->nr_vfs)
		return -EINVAL;
	pthread_rwlock_rdlock(&p->lock);
	s = p->vf[vf].share;
	e = s ? gw_translate_find(&s->table, off) : NULL;
	if (e) {
		at->v = e->to + (off - e->from);
		*left = e->size - (off - e->from);
		ret = 0;
	}
	pthread_rwlock_unlock(&p->lock);
	return ret;
}

static __attribute__((format(printf, 3, 4))) int refuse(char reason[GW_SHARE_REASON], int err,
							const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, GW_SHARE_REASON, fmt, ap);
	va_end(ap);
	return err;
}

/* Find the function, and check the BAR. Then the function counts a user, and its share stays. */
static int begin(struct gw_provisioning *p, const struct gw_iov_vram_payload *in,
		 struct gw_vram_import *im, char reason[GW_SHARE_REASON])
{
	int ret = 0;

	if (!gw_share_id_of_pf(in->vf, &p->pf))
		return refuse(reason, -EXDEV, "it is not of a virtual function of this device");
	if ((unsigned int)in->vf->vf >= p->nr_vfs)
		return refuse(reason, -EXDEV, "this device has no virtual function %d, it has %u",
			      in->vf->vf, p->nr_vfs);
	if (in->bar != p->bar)
		return refuse(reason, -EXDEV, "BAR %u does not show device memory, BAR %u does",
			      in->bar, p->bar);
	pthread_rwlock_wrlock(&p->lock);
	im->vf = &p->vf[in->vf->vf];
	if (im->vf->share)
		im->vf->imports++;
	else
		ret = refuse(reason, -ENOENT, "virtual function %d has no memory", in->vf->vf);
	im->generation = atomic_load(&im->vf->generation);
	pthread_rwlock_unlock(&p->lock);
	return ret;
}

static void end_use(struct gw_provisioning *p, struct vf *vf)
{
	pthread_rwlock_wrlock(&p->lock);
	vf->imports--;
	pthread_rwlock_unlock(&p->lock);
}

static int check_window(const struct share *s, const struct gw_iov_vram_payload *in,
			char reason[GW_SHARE_REASON])
{
	if (s->window >= s->size)
		return 0;
	return refuse(reason, -EOPNOTSUPP, "virtual function %d has %" PRIu64 " MiB and BAR %u "
		      "shows %" PRIu64 " MiB: enlarge the BAR or make the share smaller",
		      in->vf->vf, s->size >> 20, in->bar, s->window >> 20);
}

static int check_entries(const struct share *s, const struct gw_bar_ranges *list, uint64_t bytes,
			 char reason[GW_SHARE_REASON])
{
	struct gw_bar_cursor c;
	struct gw_bar_run run;

	if (!list->raw.nr || list->raw.nr > GW_RANGES_MAX)
		return refuse(reason, -E2BIG, "%u ranges are none or too many", list->raw.nr);
	gw_bar_cursor_init(&c, list);
	while (gw_bar_cursor_next(&c, UINT64_MAX, &run)) {
		if ((run.at.v | run.size) % GW_PAGE_SIZE)
			return refuse(reason, -EINVAL, "offset %#" PRIx64 " size %#" PRIx64
				      " is not of whole pages", run.at.v, run.size);
		if (run.at.v >= s->size || run.size > s->size - run.at.v)
			return refuse(reason, -ERANGE, "offset %#" PRIx64 " size %#" PRIx64
				      " is beyond the share of %#" PRIx64, run.at.v, run.size,
				      s->size);
	}
	if (gw_bar_ranges_bytes(list) != bytes)
		return refuse(reason, -EMSGSIZE, "the ranges have %#" PRIx64 " bytes, not %#"
			      PRIx64, gw_bar_ranges_bytes(list), bytes);
	return 0;
}

static int translate(const struct share *s, const struct gw_bar_ranges *list,
		     struct gw_vram_ranges *out)
{
	struct gw_translate_cursor tc;
	struct gw_bar_cursor c;
	struct gw_run run;
	int ret;

	gw_vram_ranges_init(out, GW_RANGES_EXTENTS, GW_RANGES_MAX);
	gw_bar_cursor_init(&c, list);
	gw_translate_cursor_init(&tc, &s->table, &c.raw);
	while ((ret = gw_translate_next(&tc, &run)) > 0) {
		ret = gw_vram_ranges_add(out, (gw_vram){ run.at }, run.size);
		if (ret)
			break;
	}
	return ret == -ENOSPC ? -E2BIG : ret;
}

int gw_provisioning_import(struct gw_provisioning *p, const struct gw_iov_vram_payload *in,
			   uint64_t bytes, struct gw_vram_import **im,
			   char reason[GW_SHARE_REASON])
{
	struct gw_vram_import *n = calloc(1, sizeof(*n));
	int ret;

	reason[0] = '\0';
	if (!n)
		return refuse(reason, -ENOMEM, "out of memory");
	n->p = p;
	ret = begin(p, in, n, reason);
	if (ret)
		goto free;
	ret = check_window(n->vf->share, in, reason);
	if (!ret)
		ret = check_entries(n->vf->share, in->ranges, bytes, reason);
	if (ret)
		goto end;
	ret = translate(n->vf->share, in->ranges, &n->ranges);
	if (ret)
		refuse(reason, ret, "it cannot be translated: %s", strerror(-ret));
	else if (!gw_vram_import_valid(n))
		ret = refuse(reason, -EAGAIN, "the share of virtual function %d was revoked "
			     "meanwhile", in->vf->vf);
	if (ret)
		goto fini;
	*im = n;
	return 0;
fini:
	gw_vram_ranges_fini(&n->ranges);
end:
	end_use(p, n->vf);
free:
	free(n);
	return ret;
}

int gw_provisioning_map(struct gw_provisioning *p, struct gw_attachment *a,
			struct gw_vram_import **im, char reason[GW_SHARE_REASON])
{
	const struct gw_iov_vram_payload *payload;
	int ret = gw_attachment_map(a);

	*im = NULL;
	if (ret)
		return refuse(reason, ret, "%s", strerror(-ret));
	payload = gw_attachment_payload(a, &gw_share_iov_vram);
	if (!payload && gw_attachment_state(a) != GW_ATT_MAPPED) {
		gw_attachment_unmap(a);
		return refuse(reason, -ENODEV, "it was revoked meanwhile");
	}
	if (!payload)
		return 0;
	ret = gw_provisioning_import(p, payload, gw_bar_ranges_bytes(payload->ranges), im, reason);
	if (!ret)
		return 0;
	if (ret != -EOPNOTSUPP) {
		gw_attachment_unmap(a);
		return ret;
	}
	gw_log_guest(p->log, "not by %s: %s", gw_share_iov_vram.name, reason);
	ret = gw_attachment_refuse(a, reason);
	return ret ? ret : gw_attachment_map(a);
}

const struct gw_vram_ranges *gw_vram_import_ranges(const struct gw_vram_import *im)
{
	return &im->ranges;
}

bool gw_vram_import_valid(const struct gw_vram_import *im)
{
	return atomic_load(&im->vf->generation) == im->generation;
}

void gw_vram_import_put(struct gw_vram_import *im)
{
	if (!im)
		return;
	end_use(im->p, im->vf);
	gw_vram_ranges_fini(&im->ranges);
	free(im);
}
