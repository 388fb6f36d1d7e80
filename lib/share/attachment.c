/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/lock.h"
#include "share/share.h"

/*
 * How it works: state.c has the life of an attachment as a table. The importer, by the calls of
 * this file, and exporter.c, for all attachments of an export, hand gw_attachment_event() an event
 * with the exporter's lock held. It changes the state and notes which callbacks are owed;
 * gw_exporter_callbacks() then makes them, in the same thread and without the lock. An attachment
 * has one callback under way at most. Whoever ends an attachment waits for that one; if the
 * callback itself ends the attachment, the thread that made the callback frees it.
 *
 * A mapping goes with the event that ends it, unless the importer's hardware has to be stopped
 * first: then it goes after quiesce().
 */

#define READ_CHUNK	65536u		/* a revoke waits for one of these at most */

/* Take the mapping away. */
static void undo(struct gw_attachment *a) GW_HOLDS(a->e->x->lock)
{
	a->mapped->unmap(a->e, a->payload);
	a->mapped = NULL;
	a->undo = false;
	pthread_cond_broadcast(&a->e->x->changed);
}

static void owe(struct gw_attachment *a) GW_HOLDS(a->e->x->lock)
{
	if (!a->owed)
		a->e->x->owed++;
	a->owed = true;
}

static void end_fences(struct gw_attachment *a, int err) GW_HOLDS(a->e->x->lock)
{
	for (unsigned int i = 0; i < GW_FENCE_NR; i++)
		gw_fence_end(&a->fence[i], err, &a->e->x->notifier);
}

int gw_attachment_event(struct gw_attachment *a, enum gw_att_event event)
{
	static const enum gw_share_why why[GW_ATT_NR_EVENTS] = {
		[GW_ATT_MOVE] = GW_SHARE_MOVED, [GW_ATT_REVOKE] = GW_SHARE_REVOKED,
		[GW_ATT_EXPORT_DIES] = GW_SHARE_DEAD,
	};
	struct gw_att_step step = gw_att_step(a->state, event);
	bool was = a->state == GW_ATT_MAPPED;

	if (step.ret)
		return step.ret;
	a->state = step.next;
	if (was && step.next != GW_ATT_MAPPED) {
		atomic_store(&a->live, 0);
		a->generation = ++a->e->x->generation;
	}
	if (step.actions & GW_ATT_TELL) {
		a->why = why[event];
		a->tell = true;
		owe(a);
	}
	if (step.actions & GW_ATT_QUIESCE) {
		a->quiesce = true;
		owe(a);
	}
	if (step.actions & GW_ATT_UNDO) {
		a->undo = true;
		if (!a->quiesce)
			undo(a);
		end_fences(a, step.next == GW_ATT_DEAD ? -ENODEV : -ECANCELED);
	} else if (step.next == GW_ATT_DEAD) {
		end_fences(a, -ENODEV);
	}
	return 0;
}

void gw_attachment_ready(struct gw_attachment *a)
{
	if (a->state != GW_ATT_ATTACHED || !a->imp->ops->ready)
		return;
	a->ready = true;
	owe(a);
}

static void attachment_free(struct gw_attachment *a)
{
	for (unsigned int i = 0; i < GW_FENCE_NR; i++)
		gw_fence_fini(&a->fence[i]);
	free(a->payload);
	free(a);
}

/* Take it off its export, and drop the lock. */
static void attachment_end(struct gw_exporter *x, struct gw_attachment *a) GW_UNLOCKS(x->lock)
{
	struct gw_export *e = a->e;

	LIST_REMOVE(a, link);
	e->nr_attached--;
	if (a->owed)
		x->owed--;
	attachment_free(a);
	gw_export_put(x, e);
}

static struct gw_attachment *find_owed(struct gw_exporter *x) GW_HOLDS(x->lock)
{
	struct gw_export *e;
	struct gw_attachment *a;

	if (!x->owed)
		return NULL;
	LIST_FOREACH(e, &x->exports, link) {
		LIST_FOREACH(a, &e->attachments, link)
			if (a->owed && !a->in_callback)
				return a;
	}
	return NULL;
}

/* Make the callback that is owed; if the hardware has to be stopped, only that one. */
static void make_callback(struct gw_exporter *x, struct gw_attachment *a) GW_HOLDS(x->lock)
{
	bool quiesce = a->quiesce, tell = a->tell, ready = a->ready && !tell;
	enum gw_share_why why = a->why;

	a->owed = false;
	x->owed--;
	a->tell = a->ready = false;
	a->in_callback = true;
	a->caller = pthread_self();
	pthread_mutex_unlock(&x->lock);
	if (quiesce)
		a->imp->ops->quiesce(a->imp, a);
	else if (tell)
		a->imp->ops->invalidate(a->imp, a, why);
	else if (ready)
		a->imp->ops->ready(a->imp, a);
	pthread_mutex_lock(&x->lock);
	GW_HELD(a->e->x->lock);		/* it is @x's */
	a->in_callback = false;
	if (quiesce) {
		a->quiesce = false;
		if (a->undo)
			undo(a);
	}
	pthread_cond_broadcast(&x->changed);
}

void gw_exporter_callbacks(struct gw_exporter *x)
{
	struct gw_attachment *a;

	x->refs++;	/* a callback may detach the last user of it */
	while ((a = find_owed(x))) {
		make_callback(x, a);
		if (a->gone && !a->owed) {
			attachment_end(x, a);
			pthread_mutex_lock(&x->lock);
		}
	}
	x->refs--;
}

static size_t payload_room(const struct gw_attachment *a)
{
	size_t room = 1;

	for (unsigned int i = 0; i < a->nr_matches; i++)
		if (a->match[i].importer.kind->payload_size > room)
			room = a->match[i].importer.kind->payload_size;
	return room;
}

/* Make an attachment, as far as that needs no lock. */
static int attachment_make(struct gw_export *e, struct gw_importer *imp, struct gw_attachment **a,
			   char reason[GW_SHARE_REASON])
{
	struct gw_attachment *n = calloc(1, sizeof(*n));
	int ret;

	if (!n)
		return -ENOMEM;
	n->e = e;
	n->imp = imp;
	n->imp_id = imp->id;
	n->fence[0].fd = n->fence[1].fd = -1;
	ret = gw_negotiate(n, reason);
	for (unsigned int i = 0; !ret && i < GW_FENCE_NR; i++)
		ret = gw_fence_init(&n->fence[i]);
	if (!ret) {
		n->payload = malloc(payload_room(n));
		ret = n->payload ? 0 : -ENOMEM;
	}
	if (ret)
		attachment_free(n);
	else
		*a = n;
	return ret;
}

int gw_attach(struct gw_export *e, struct gw_importer *imp, struct gw_attachment **a,
	      char reason[GW_SHARE_REASON])
{
	char text[GW_SHARE_REASON] = "";
	struct gw_attachment *n = NULL;
	struct gw_exporter *x = e->x;
	int ret = -EOPNOTSUPP;

	if (!imp->ops->invalidate || !imp->ops->quiesce)
		snprintf(text, sizeof(text), "the importer cannot let go of what is revoked");
	else if (imp->nr_accept > GW_SHARE_MAX_KINDS)
		snprintf(text, sizeof(text), "the importer lists more than %u kinds",
			 GW_SHARE_MAX_KINDS);
	else
		ret = attachment_make(e, imp, &n, text);
	if (!ret) {
		pthread_mutex_lock(&x->lock);
		GW_HELD(n->e->x->lock);		/* it is @x's */
		if (e->dead || x->dead)
			ret = -ENODEV;
		else if (e->nr_attached >= GW_SHARE_MAX_ATTACHED)
			ret = -ENOSPC;
		if (!ret) {
			gw_attachment_event(n, GW_ATT_ATTACH);
			n->generation = ++x->generation;
			LIST_INSERT_HEAD(&e->attachments, n, link);
			e->nr_attached++;
			e->refs++;
			*a = n;
		}
		pthread_mutex_unlock(&x->lock);
		if (ret)
			attachment_free(n);
	}
	if (ret && !*text)
		snprintf(text, sizeof(text), "%s", ret == -ENODEV ? "the export is dead" :
			 ret == -ENOSPC ? "it has as many importers as there may be" :
			 strerror(-ret));
	if (reason)
		memcpy(reason, text, sizeof(text));
	return ret;
}

static int build_by(struct gw_attachment *a, unsigned int i) GW_HOLDS(a->e->x->lock)
{
	const struct gw_share_entry *importer = &a->match[i].importer;
	struct gw_share_step *step = &a->step[a->match[i].step];
	int ret;

	memset(a->payload, 0, importer->kind->payload_size);
	step->reason[0] = '\0';
	ret = importer->kind->map(a->e, importer, a->payload, step->reason);
	step->err = ret;
	if (ret && !*step->reason)
		snprintf(step->reason, sizeof(step->reason), "%s", strerror(-ret));
	if (!ret) {
		a->mapped = importer->kind;
		a->current = i;
	}
	return ret;
}

/* Map by the first kind that serves. */
static int build(struct gw_attachment *a) GW_HOLDS(a->e->x->lock)
{
	int ret = -EOPNOTSUPP;

	for (unsigned int i = 0; ret == -EOPNOTSUPP && i < a->nr_matches; i++)
		if (!a->match[i].refused)
			ret = build_by(a, i);
	return ret;
}

int gw_attachment_map(struct gw_attachment *a)
{
	struct gw_att_step step;
	int ret;

	pthread_mutex_lock(&a->e->x->lock);
	step = gw_att_step(a->state, GW_ATT_MAP);
	ret = step.ret;
	if (!ret && (a->e->x->revoked || a->e->x->dead || a->e->dead))
		ret = -ENODEV;
	else if (!ret && a->e->moving)
		ret = -EBUSY;
	if (!ret)
		ret = build(a);
	if (!ret) {
		gw_attachment_event(a, GW_ATT_MAP);
		a->generation = a->mapped_in = ++a->e->x->generation;
		for (unsigned int i = 0; i < GW_FENCE_NR; i++)
			gw_fence_arm(&a->fence[i]);
		atomic_store(&a->live, a->generation);
	}
	pthread_mutex_unlock(&a->e->x->lock);
	return ret;
}

int gw_attachment_refuse(struct gw_attachment *a, const char *reason)
{
	struct gw_share_step *step;
	bool other = false;
	int ret;

	pthread_mutex_lock(&a->e->x->lock);
	ret = gw_attachment_event(a, GW_ATT_UNMAP);
	if (!ret) {
		a->match[a->current].refused = true;
		step = &a->step[a->match[a->current].step];
		step->err = -EOPNOTSUPP;
		snprintf(step->reason, sizeof(step->reason), "%s", reason);
		for (unsigned int i = 0; i < a->nr_matches; i++)
			other |= !a->match[i].refused;
		ret = other ? 0 : -EOPNOTSUPP;
	}
	pthread_mutex_unlock(&a->e->x->lock);
	return ret;
}

int gw_attachment_unmap(struct gw_attachment *a)
{
	int ret;

	pthread_mutex_lock(&a->e->x->lock);
	ret = gw_attachment_event(a, GW_ATT_UNMAP);
	pthread_mutex_unlock(&a->e->x->lock);
	return ret;
}

static void end(struct gw_attachment *a, enum gw_att_event event)
{
	struct gw_exporter *x = a->e->x;

	pthread_mutex_lock(&x->lock);
	GW_HELD(a->e->x->lock);		/* it is @x's */
	gw_attachment_event(a, event);
	if (a->in_callback && pthread_equal(a->caller, pthread_self())) {
		a->gone = true;		/* whoever made the callback frees it */
		pthread_mutex_unlock(&x->lock);
		return;
	}
	if (a->quiesce)
		gw_exporter_callbacks(x);
	while (a->in_callback || a->readers || a->quiesce)
		pthread_cond_wait(&x->changed, &x->lock);
	attachment_end(x, a);
}

void gw_attachment_detach(struct gw_attachment *a)
{
	if (a)
		end(a, GW_ATT_DETACH);
}

void gw_attachment_abandon(struct gw_attachment *a)
{
	if (a)
		end(a, GW_ATT_ABANDON);
}

int gw_attachment_pin(struct gw_attachment *a)
{
	int ret;

	pthread_mutex_lock(&a->e->x->lock);
	ret = a->state == GW_ATT_DEAD || a->state == GW_ATT_DYING ? -ENODEV : 0;
	if (!ret)
		a->pins++;
	pthread_mutex_unlock(&a->e->x->lock);
	return ret;
}

void gw_attachment_unpin(struct gw_attachment *a)
{
	pthread_mutex_lock(&a->e->x->lock);
	if (a->pins)
		a->pins--;
	pthread_mutex_unlock(&a->e->x->lock);
}

const void *gw_attachment_payload(struct gw_attachment *a, const struct gw_share_kind *kind)
{
	const void *payload;

	pthread_mutex_lock(&a->e->x->lock);
	payload = a->state == GW_ATT_MAPPED && a->mapped == kind ? a->payload : NULL;
	pthread_mutex_unlock(&a->e->x->lock);
	return payload;
}

const struct gw_share_kind *gw_attachment_kind(struct gw_attachment *a)
{
	const struct gw_share_kind *kind;

	pthread_mutex_lock(&a->e->x->lock);
	kind = a->mapped;
	for (unsigned int i = 0; !kind && i < a->nr_matches; i++)
		if (!a->match[i].refused)
			kind = a->match[i].importer.kind;
	pthread_mutex_unlock(&a->e->x->lock);
	return kind;
}

uint64_t gw_attachment_generation(struct gw_attachment *a)
{
	uint64_t generation;

	pthread_mutex_lock(&a->e->x->lock);
	generation = a->generation;
	pthread_mutex_unlock(&a->e->x->lock);
	return generation;
}

bool gw_attachment_valid(const struct gw_attachment *a, uint64_t generation)
{
	return generation && atomic_load(&a->live) == generation;
}

enum gw_attachment_state gw_attachment_state(struct gw_attachment *a)
{
	enum gw_attachment_state state;

	pthread_mutex_lock(&a->e->x->lock);
	state = a->state;
	pthread_mutex_unlock(&a->e->x->lock);
	return state;
}

bool gw_attachment_step(struct gw_attachment *a, unsigned int i, struct gw_share_step *step)
{
	bool there;

	pthread_mutex_lock(&a->e->x->lock);
	there = i < a->nr_steps;
	if (there)
		*step = a->step[i];
	pthread_mutex_unlock(&a->e->x->lock);
	return there;
}

static int read_pieces(struct gw_attachment *a, uint64_t generation, uint64_t pos, uint8_t *to,
		       size_t len)
{
	struct gw_backing *b = gw_export_backing(a->e);
	struct gw_bar_cursor c;
	struct gw_bar_run run;
	int ret;

	gw_bar_cursor_init(&c, &a->e->ranges);
	ret = gw_bar_cursor_seek(&c, pos);
	gw_bar_cursor_limit(&c, len);
	while (!ret && gw_bar_cursor_next(&c, READ_CHUNK, &run)) {
		if (!gw_attachment_valid(a, generation))
			return -ENODEV;
		ret = b->ops->read(b, a->e->bar, run.at, to, run.size);
		to += run.size;
	}
	return ret;
}

int gw_attachment_read(struct gw_attachment *a, uint64_t pos, void *buf, size_t len)
{
	uint64_t generation, size = gw_export_size(a->e);
	int ret = 0;

	if (pos > size || len > size - pos)
		return -ERANGE;
	pthread_mutex_lock(&a->e->x->lock);
	if (a->state != GW_ATT_MAPPED)
		ret = -ENODEV;
	else if (a->mapped != &gw_share_copy)
		ret = -EPROTO;
	else
		a->readers++;
	generation = a->generation;
	pthread_mutex_unlock(&a->e->x->lock);
	if (ret)
		return ret;
	ret = read_pieces(a, generation, pos, buf, len);
	pthread_mutex_lock(&a->e->x->lock);
	a->readers--;
	pthread_cond_broadcast(&a->e->x->changed);
	pthread_mutex_unlock(&a->e->x->lock);
	return ret;
}
