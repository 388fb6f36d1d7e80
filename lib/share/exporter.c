/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/lock.h"
#include "base/os.h"
#include "base/util.h"
#include "share/share.h"

#define WARN_MS		1000u
#define FORCE_MS	5000u

static const struct gw_share_kind *const all_kinds[] = {
	&gw_share_iov_vram, &gw_share_bar_range, &gw_share_iova, &gw_share_memfd, &gw_share_copy,
};

int gw_exporter_new(const struct gw_exporter_options *opt, struct gw_exporter **x)
{
	struct gw_exporter *n;
	int ret;

	if (!opt->vm || !*opt->vm || opt->nr_kinds > GW_SHARE_MAX_KINDS)
		return -EINVAL;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->opt = *opt;
	if (!n->opt.kinds) {
		n->opt.kinds = all_kinds;
		n->opt.nr_kinds = ARRAY_SIZE(all_kinds);
	}
	n->opt.warn_ms = opt->warn_ms ? opt->warn_ms : WARN_MS;
	n->opt.force_ms = opt->force_ms ? opt->force_ms : FORCE_MS;
	n->vm = strdup(opt->vm);
	ret = n->vm ? gw_os_cond_init(&n->changed) : -ENOMEM;
	if (ret) {
		free(n->vm);
		free(n);
		return ret;
	}
	n->opt.vm = n->vm;
	pthread_mutex_init(&n->lock, NULL);
	LIST_INIT(&n->exports);
	n->refs = 1;
	*x = n;
	return 0;
}

const char *gw_exporter_vm(const struct gw_exporter *x)
{
	return x->vm;
}

/* Drop a reference, and the lock. */
static void exporter_put(struct gw_exporter *x) GW_UNLOCKS(x->lock)
{
	bool last = !--x->refs;

	pthread_mutex_unlock(&x->lock);
	if (!last)
		return;
	gw_notifier_fini(&x->notifier);
	pthread_mutex_destroy(&x->lock);
	pthread_cond_destroy(&x->changed);
	free(x->vm);
	free(x);
}

/* What is to be taken back: mappings made until now, of one export, or (NULL) of all. */
struct taking {
	struct gw_exporter *x;
	struct gw_export *only;
	uint64_t until;			/* generation */
	uint64_t begun;			/* ns */
};

/* A mapping that is there, or goes only after a callback, or a copy that is under way. */
static bool holds(const struct taking *t, const struct gw_attachment *a)
{
	return a->mapped_in <= t->until && (gw_att_holds(a->state) || a->undo || a->readers);
}

/* @event: GW_ATT_FORCE only meets what still holds on. */
static void event_to_all(const struct taking *t, enum gw_att_event event)
{
	struct gw_export *e;
	struct gw_attachment *a;

	LIST_FOREACH(e, &t->x->exports, link) {
		if (t->only && e != t->only)
			continue;
		LIST_FOREACH(a, &e->attachments, link)
			if (event != GW_ATT_FORCE || holds(t, a))
				gw_attachment_event(a, event);
	}
}

static unsigned int count_holding(const struct taking *t, bool name_them)
{
	struct gw_export *e;
	struct gw_attachment *a;
	unsigned int nr = 0;

	LIST_FOREACH(e, &t->x->exports, link) {
		if (t->only && e != t->only)
			continue;
		LIST_FOREACH(a, &e->attachments, link) {
			if (!holds(t, a))
				continue;
			nr++;
			if (name_them)
				gw_log_guest(t->x->opt.log, "BAR %u of %s is wanted back, and an "
					     "importer keeps it mapped (%s)", e->bar, t->x->vm,
					     a->mapped ? a->mapped->name : "copying");
		}
	}
	return nr;
}

/* Return: false if there are mappings left @ms after it began */
static bool wait_quiet(struct gw_exporter *x, const struct taking *t, unsigned int ms)
	GW_HOLDS(x->lock)
{
	uint64_t end = t->begun + ms * 1000000ull;

	while (count_holding(t, false))
		if (gw_os_cond_wait_until(&x->changed, &x->lock, end))
			return !count_holding(t, false);
	return true;
}

/* Ask, wait, warn, force. What is forced goes without the importer. */
static unsigned int take_back(struct gw_exporter *x, struct gw_export *only,
			      enum gw_att_event event) GW_HOLDS(x->lock)
{
	const struct taking t = { x, only, x->generation, gw_now_ns() };
	unsigned int forced;

	event_to_all(&t, event);
	gw_exporter_callbacks(x);
	if (wait_quiet(x, &t, x->opt.warn_ms))
		return 0;
	count_holding(&t, true);
	if (wait_quiet(x, &t, x->opt.force_ms))
		return 0;
	forced = count_holding(&t, false);
	gw_log_guest(x->opt.log, "%u importers of %s did not let go in %u ms: their hardware is "
		     "stopped, their attachments are dead", forced, x->vm, x->opt.force_ms);
	event_to_all(&t, GW_ATT_FORCE);
	gw_exporter_callbacks(x);
	while (count_holding(&t, false))	/* other threads' callbacks, and copies */
		pthread_cond_wait(&x->changed, &x->lock);
	return forced;
}

static void tell_ready(struct gw_exporter *x, struct gw_export *only) GW_HOLDS(x->lock)
{
	struct gw_export *e;
	struct gw_attachment *a;

	LIST_FOREACH(e, &x->exports, link) {
		if (only && e != only)
			continue;
		LIST_FOREACH(a, &e->attachments, link)
			gw_attachment_ready(a);
	}
	gw_exporter_callbacks(x);
}

int gw_exporter_revoke(struct gw_exporter *x)
{
	unsigned int forced;

	pthread_mutex_lock(&x->lock);
	x->revoked = true;
	x->revoking++;
	forced = take_back(x, NULL, GW_ATT_REVOKE);
	x->revoking--;
	pthread_mutex_unlock(&x->lock);
	return (int)forced;
}

int gw_exporter_rearm(struct gw_exporter *x)
{
	int ret = 0;

	pthread_mutex_lock(&x->lock);
	if (x->revoking) {
		ret = -EBUSY;
	} else if (x->revoked) {
		x->revoked = false;
		tell_ready(x, NULL);
	}
	pthread_mutex_unlock(&x->lock);
	return ret;
}

void gw_exporter_free(struct gw_exporter *x)
{
	struct gw_export *e;

	if (!x)
		return;
	pthread_mutex_lock(&x->lock);
	x->dead = true;
	LIST_FOREACH(e, &x->exports, link)
		e->dead = true;
	take_back(x, NULL, GW_ATT_EXPORT_DIES);
	exporter_put(x);
}

static int check_ranges(uint64_t bar_size, const struct gw_bar_range *range, unsigned int nr,
			uint64_t *bytes)
{
	*bytes = 0;
	if (!bar_size || !nr)
		return -EINVAL;
	if (nr > GW_RANGES_MAX)
		return -ENOSPC;
	for (unsigned int i = 0; i < nr; i++) {
		uint64_t end;

		if (__builtin_add_overflow(range[i].off.v, range[i].size, &end) ||
		    __builtin_add_overflow(*bytes, range[i].size, bytes))
			return -EOVERFLOW;
		if (!range[i].size || (range[i].off.v | range[i].size) % GW_PAGE_SIZE ||
		    end > bar_size)
			return -EINVAL;
	}
	return *bytes > bar_size ? -EOVERFLOW : 0;
}

static int export_make(struct gw_exporter *x, unsigned int bar, const struct gw_bar_range *range,
		       unsigned int nr, struct gw_export **e)
{
	struct gw_export *n = calloc(1, sizeof(*n));
	int ret = 0;

	if (!n)
		return -ENOMEM;
	*n = (struct gw_export){ .x = x, .bar = bar, .refs = 1 };
	LIST_INIT(&n->attachments);
	gw_bar_ranges_init(&n->ranges, GW_RANGES_EXTENTS, nr);
	for (unsigned int i = 0; !ret && i < nr; i++)
		ret = gw_bar_ranges_add(&n->ranges, range[i].off, range[i].size);
	if (ret) {
		gw_bar_ranges_fini(&n->ranges);
		free(n);
	} else {
		*e = n;
	}
	return ret;
}

int gw_export_new(struct gw_exporter *x, unsigned int bar, const struct gw_bar_range *range,
		  unsigned int nr, struct gw_export **e)
{
	struct gw_export *n;
	uint64_t bytes;
	int ret;

	ret = bar < GW_NR_BARS ? check_ranges(x->opt.bar_size[bar], range, nr, &bytes) : -EINVAL;
	if (!ret)
		ret = export_make(x, bar, range, nr, &n);
	if (ret)
		return ret;
	pthread_mutex_lock(&x->lock);
	if (x->dead)
		ret = -ENODEV;
	else if (x->nr_exports >= GW_SHARE_MAX_EXPORTS)
		ret = -ENOSPC;
	if (!ret) {
		LIST_INSERT_HEAD(&x->exports, n, link);
		x->nr_exports++;
		x->refs++;
		*e = n;
	}
	pthread_mutex_unlock(&x->lock);
	if (ret) {
		gw_bar_ranges_fini(&n->ranges);
		free(n);
	}
	return ret;
}

void gw_export_put(struct gw_exporter *x, struct gw_export *e)
{
	if (--e->refs) {
		pthread_mutex_unlock(&x->lock);
		return;
	}
	LIST_REMOVE(e, link);
	x->nr_exports--;
	gw_bar_ranges_fini(&e->ranges);
	free(e);
	exporter_put(x);
}

void gw_export_free(struct gw_export *e)
{
	if (!e)
		return;
	pthread_mutex_lock(&e->x->lock);
	e->dead = true;
	take_back(e->x, e, GW_ATT_EXPORT_DIES);
	gw_export_put(e->x, e);
}

enum gw_export_state gw_export_state(struct gw_export *e)
{
	enum gw_export_state state;

	pthread_mutex_lock(&e->x->lock);
	state = e->dead || e->x->dead ? GW_EXPORT_DEAD :
		e->x->revoked ? GW_EXPORT_REVOKED : GW_EXPORT_OK;
	pthread_mutex_unlock(&e->x->lock);
	return state;
}

int gw_export_move(struct gw_export *e, void (*move)(void *opaque), void *opaque)
{
	struct gw_attachment *a;
	int ret = 0;

	pthread_mutex_lock(&e->x->lock);
	if (e->dead || e->x->dead)
		ret = -ENODEV;
	LIST_FOREACH(a, &e->attachments, link)
		if (!ret && (a->pins || e->moving))
			ret = -EBUSY;
	if (!ret) {
		e->moving = true;
		take_back(e->x, e, GW_ATT_MOVE);
		pthread_mutex_unlock(&e->x->lock);
		if (move)
			move(opaque);
		pthread_mutex_lock(&e->x->lock);
		e->moving = false;
		tell_ready(e->x, e);
	}
	pthread_mutex_unlock(&e->x->lock);
	return ret;
}

void gw_export_frame(struct gw_export *e)
{
	struct gw_attachment *a;

	pthread_mutex_lock(&e->x->lock);
	LIST_FOREACH(a, &e->attachments, link)
		if (a->state == GW_ATT_MAPPED)
			gw_fence_step(&a->fence[GW_FENCE_FRAME], &e->x->notifier);
	pthread_mutex_unlock(&e->x->lock);
}

const struct gw_share_id *gw_export_id(const struct gw_export *e)
{
	return &e->x->opt.id;
}

const char *gw_export_vm(const struct gw_export *e)
{
	return e->x->vm;
}

unsigned int gw_export_bar(const struct gw_export *e)
{
	return e->bar;
}

uint64_t gw_export_size(const struct gw_export *e)
{
	return gw_bar_ranges_bytes(&e->ranges);
}

const struct gw_bar_ranges *gw_export_ranges(const struct gw_export *e)
{
	return &e->ranges;
}

struct gw_backing *gw_export_backing(const struct gw_export *e)
{
	return e->x->opt.backing;
}
