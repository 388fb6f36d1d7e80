/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/lock.h"
#include "base/os.h"
#include "base/util.h"
#include "share/share.h"

/*
 * How it works: revoke, a move, and the end of an export or of the exporter are the same procedure,
 * take_back(), in the thread that asks for it. Every attachment that is meant gets an event and its
 * callbacks, and the thread waits until none of their mappings is left. After warn_ms it names
 * those that hold on, and after force_ms it takes their mappings without the importer. Only
 * mappings from before it began count: @revoked, @moving and @dead refuse new ones.
 */

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

/* What is to be taken back: mappings made until now, of these exports, or (none) of all. */
struct taking {
	struct gw_export *const *only;
	unsigned int nr;
	uint64_t until;			/* generation */
	uint64_t begun;			/* ns */
};

static bool meant(const struct taking *t, const struct gw_export *e)
{
	for (unsigned int i = 0; i < t->nr; i++)
		if (t->only[i] == e)
			return true;
	return !t->nr;
}

/* Has it a mapping, one that goes only after a callback, or a copy under way? */
static bool holds(const struct taking *t, const struct gw_attachment *a)
{
	return a->mapped_in <= t->until && (gw_att_holds(a->state) || a->undo || a->readers);
}

/* @event: GW_ATT_FORCE goes only to attachments that still hold on. */
static void event_to_all(struct gw_exporter *x, const struct taking *t, enum gw_att_event event)
	GW_HOLDS(x->lock)
{
	struct gw_export *e;
	struct gw_attachment *a;

	LIST_FOREACH(e, &x->exports, link) {
		if (!meant(t, e))
			continue;
		LIST_FOREACH(a, &e->attachments, link) {
			GW_HELD(a->e->x->lock);		/* it is @x's */
			if (event != GW_ATT_FORCE || holds(t, a))
				gw_attachment_event(a, event);
		}
	}
}

static unsigned int count_holding(struct gw_exporter *x, const struct taking *t, bool name_them)
	GW_HOLDS(x->lock)
{
	struct gw_export *e;
	struct gw_attachment *a;
	unsigned int nr = 0;

	LIST_FOREACH(e, &x->exports, link) {
		if (!meant(t, e))
			continue;
		LIST_FOREACH(a, &e->attachments, link) {
			if (!holds(t, a))
				continue;
			nr++;
			if (name_them)
				gw_log_guest(x->opt.log, "BAR %u of %s is wanted back, and an "
					     "importer keeps it mapped (%s)", e->bar, x->vm,
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

	while (count_holding(x, t, false))
		if (gw_os_cond_wait_until(&x->changed, &x->lock, end))
			return !count_holding(x, t, false);
	return true;
}

/* Ask, wait, warn, force. What is forced goes without the importer. */
static unsigned int take_back(struct gw_exporter *x, struct gw_export *const *only,
			      unsigned int nr, enum gw_att_event event) GW_HOLDS(x->lock)
{
	const struct taking t = { only, nr, x->generation, gw_now_ns() };
	unsigned int forced;

	event_to_all(x, &t, event);
	gw_exporter_callbacks(x);
	if (wait_quiet(x, &t, x->opt.warn_ms))
		return 0;
	count_holding(x, &t, true);
	if (wait_quiet(x, &t, x->opt.force_ms))
		return 0;
	forced = count_holding(x, &t, false);
	gw_log_guest(x->opt.log, "%u importers of %s did not let go in %u ms: their hardware is "
		     "stopped, their attachments are dead", forced, x->vm, x->opt.force_ms);
	event_to_all(x, &t, GW_ATT_FORCE);
	gw_exporter_callbacks(x);
	while (count_holding(x, &t, false))	/* other threads' callbacks, and copies */
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
		LIST_FOREACH(a, &e->attachments, link) {
			GW_HELD(a->e->x->lock);		/* it is @x's */
			gw_attachment_ready(a);
		}
	}
	gw_exporter_callbacks(x);
}

int gw_exporter_revoke(struct gw_exporter *x)
{
	unsigned int forced;

	pthread_mutex_lock(&x->lock);
	x->revoked = true;
	x->revoking++;
	forced = take_back(x, NULL, 0, GW_ATT_REVOKE);
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
	take_back(x, NULL, 0, GW_ATT_EXPORT_DIES);
	gw_exporter_put(x);
}

void gw_export_free(struct gw_export *e)
{
	if (!e)
		return;
	pthread_mutex_lock(&e->x->lock);
	e->dead = true;
	take_back(e->x, &e, 1, GW_ATT_EXPORT_DIES);
	gw_export_put(e->x, e);
}

void gw_exports_end(struct gw_export *const *e, unsigned int nr)
{
	struct gw_exporter *x;

	if (!nr)
		return;
	x = e[0]->x;
	pthread_mutex_lock(&x->lock);
	for (unsigned int i = 0; i < nr; i++)
		e[i]->dead = true;
	take_back(x, e, nr, GW_ATT_EXPORT_DIES);
	pthread_mutex_unlock(&x->lock);
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
		take_back(e->x, &e, 1, GW_ATT_MOVE);
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
