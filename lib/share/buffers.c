/* SPDX-License-Identifier: BSD-3-Clause */
#include <gangway/buffers.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/lock.h"
#include "base/util.h"

/*
 * How it works: a buffer is added at once, and published by whoever works. One that is to end waits
 * for that thread, too, which alone takes buffers off the list and frees them; so it may use one
 * with the lock dropped. All end at once, in whatever thread, where the function's memory goes or
 * its guest does: then importers have let go before the call returns, and the broker hears later.
 *
 * Lock order: @lock, then the exporter's. The broker is asked without it.
 */

struct buffer {
	TAILQ_ENTRY(buffer) link;
	uint64_t handle;		/* this and all but @ending, @told: does not change */
	struct gw_export *e;
	unsigned int nr;		/* ranges */
	char label[GW_SHARE_NAME_SIZE];
	bool ending;			/* under the lock */
	bool told, published;		/* the worker's: the broker was asked; it knows of it */
	uint32_t number;		/* there */
};

struct gw_buffers {
	struct gw_sharer sharer;
	struct gw_buffers_options opt;	/* does not change */
	pthread_mutex_t lock;
	TAILQ_HEAD(, buffer) list GW_GUARDED_BY(lock);
	unsigned int nr GW_GUARDED_BY(lock), nr_ranges GW_GUARDED_BY(lock);
	uint64_t last_handle GW_GUARDED_BY(lock);
};

static const struct {
	uint32_t fourcc, bytes;		/* of a pixel */
	const char *name;
} formats[] = {
	{ 0x34325258, 4, "xrgb8888" }, { 0x34325842, 4, "bgrx8888" }, { 0x36314752, 2, "rgb565" },
};

/* What people and viewers read. Return: 0; -EINVAL */
static int make_label(const struct gw_buffer_picture *p, uint64_t size,
		      char label[GW_SHARE_NAME_SIZE])
{
	if (!(p->width | p->height | p->stride | p->fourcc)) {
		snprintf(label, GW_SHARE_NAME_SIZE, "buffer");
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		const uint64_t line = (uint64_t)p->width * formats[i].bytes;

		if (p->fourcc != formats[i].fourcc)
			continue;
		if (!line || !p->height || p->stride < line || line > size ||
		    (uint64_t)p->stride * (p->height - 1) > size - line)
			return -EINVAL;
		snprintf(label, GW_SHARE_NAME_SIZE, "buffer %ux%u stride %u offset 0 %s", p->width,
			 p->height, p->stride, formats[i].name);
		return 0;
	}
	return -EINVAL;
}

static struct gw_buffers *of(struct gw_sharer *s)
{
	return container_of(s, struct gw_buffers, sharer);
}

static const struct gw_sharer_ops ops;

int gw_buffers_new(const struct gw_buffers_options *opt, struct gw_buffers **b)
{
	struct gw_buffers *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->sharer.ops = &ops;
	n->opt = *opt;
	pthread_mutex_init(&n->lock, NULL);
	TAILQ_INIT(&n->list);
	*b = n;
	return 0;
}

/* Are all of them inside what may be shared? gw_export_new() checks the rest. */
static int check_inside(const struct gw_buffers *b, const struct gw_bar_range *range,
			unsigned int nr)
{
	uint64_t end;

	for (unsigned int i = 0; i < nr; i++)
		if (!__builtin_add_overflow(range[i].off.v, range[i].size, &end) &&
		    end > b->opt.bytes)
			return -EINVAL;
	return 0;
}

/* A revoke is either seen here, or finds what is added here. */
static int insert(struct gw_buffers *b, struct buffer *n) GW_HOLDS(b->lock)
{
	if (b->nr >= GW_BUFFERS_MAX || n->nr > GW_BUFFERS_RANGES - b->nr_ranges)
		return -ENOSPC;
	if (gw_export_state(n->e) != GW_EXPORT_OK)
		return -ENODEV;
	n->handle = ++b->last_handle;
	TAILQ_INSERT_TAIL(&b->list, n, link);
	b->nr++;
	b->nr_ranges += n->nr;
	return 0;
}

static int buffers_share(struct gw_sharer *s, unsigned int bar, const struct gw_bar_range *range,
			 unsigned int nr, const struct gw_buffer_picture *picture,
			 uint64_t *handle)
{
	struct gw_buffers *b = of(s);
	struct buffer *n;
	int ret = bar == b->opt.bar ? check_inside(b, range, nr) : -EINVAL;

	if (ret)
		return ret;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->nr = nr;
	ret = gw_export_new(b->opt.x, bar, range, nr, &n->e);
	if (ret)
		goto free;
	ret = make_label(picture, gw_export_size(n->e), n->label);
	if (ret)
		goto free;
	pthread_mutex_lock(&b->lock);
	ret = insert(b, n);
	if (!ret)
		*handle = n->handle;
	pthread_mutex_unlock(&b->lock);
	if (ret)
		goto free;
	b->opt.work(b->opt.opaque);
	return 0;
free:
	gw_export_free(n->e);
	free(n);
	return ret;
}

static int buffers_unshare(struct gw_sharer *s, uint64_t handle)
{
	struct gw_buffers *b = of(s);
	struct buffer *n;
	bool first = false;

	pthread_mutex_lock(&b->lock);
	TAILQ_FOREACH(n, &b->list, link)
		if (n->handle == handle)
			break;
	if (n) {
		first = !n->ending;
		n->ending = true;
	}
	pthread_mutex_unlock(&b->lock);
	if (first)
		b->opt.work(b->opt.opaque);
	return n ? -EBUSY : -ENOENT;
}

static void buffers_unshare_all(struct gw_sharer *s)
{
	struct gw_buffers *b = of(s);
	struct gw_export *e[GW_BUFFERS_MAX];
	unsigned int nr = 0;
	struct buffer *n;

	pthread_mutex_lock(&b->lock);
	TAILQ_FOREACH(n, &b->list, link) {
		n->ending = true;
		e[nr++] = n->e;
	}
	gw_exports_end(e, nr);
	pthread_mutex_unlock(&b->lock);
	if (nr)
		b->opt.work(b->opt.opaque);
}

static const struct gw_sharer_ops ops = {
	.share = buffers_share, .unshare = buffers_unshare, .unshare_all = buffers_unshare_all,
};

struct gw_sharer *gw_buffers_sharer(struct gw_buffers *b)
{
	return &b->sharer;
}

/* Nobody can have it any more: the broker first, then those that have it. */
static void end_one(struct gw_buffers *b, struct buffer *n)
{
	if (n->published)
		gw_exporter_link_withdraw(b->opt.link, n->number);
	gw_export_free(n->e);
	pthread_mutex_lock(&b->lock);
	TAILQ_REMOVE(&b->list, n, link);
	b->nr--;
	b->nr_ranges -= n->nr;
	pthread_mutex_unlock(&b->lock);
	free(n);
}

static void publish_one(struct gw_buffers *b, struct buffer *n)
{
	int ret;

	n->told = true;
	if (!b->opt.link)
		return;
	ret = gw_exporter_link_publish(b->opt.link, n->e, n->label, &n->number);
	n->published = !ret;
	if (ret)
		gw_log_guest(b->opt.log, "%s: a buffer that the guest shares cannot be published: "
			     "%s", gw_exporter_vm(b->opt.x), strerror(-ret));
	else if (gw_log_may(b->opt.log))
		gw_info(b->opt.log, "%s: the guest shares %u: %s", gw_exporter_vm(b->opt.x),
			n->number, n->label);
}

/* The next buffer that has to be ended (*@end) or published. */
static struct buffer *next(struct gw_buffers *b, bool *end)
{
	struct buffer *n;

	pthread_mutex_lock(&b->lock);
	TAILQ_FOREACH(n, &b->list, link)
		if (n->ending || !n->told)
			break;
	*end = n && n->ending;
	pthread_mutex_unlock(&b->lock);
	return n;
}

void gw_buffers_work(struct gw_buffers *b)
{
	struct buffer *n;
	bool end;

	while ((n = next(b, &end))) {
		if (end)
			end_one(b, n);
		else
			publish_one(b, n);
	}
}

void gw_buffers_free(struct gw_buffers *b)
{
	if (!b)
		return;
	buffers_unshare_all(&b->sharer);
	gw_buffers_work(b);
	pthread_mutex_destroy(&b->lock);
	free(b);
}
