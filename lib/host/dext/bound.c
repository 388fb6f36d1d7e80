/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/dext/bound.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/lock.h"
#include "base/os.h"
#include "base/queue.h"
#include "base/thread.h"
#include "base/util.h"

/*
 * How it works: a call to another process cannot be called back, so a worker makes it and the
 * caller waits for the worker, for a while. A worker that was left alone undoes what came of its
 * call once it returns, and can be used again. Until then nothing else is asked: a dext that does
 * not answer one call would not answer another, and calls would overtake each other. There are as
 * many workers as there were callers at one time. What could not be unmapped meanwhile is unmapped
 * when the late one returns.
 *
 * The connection ends with its workers: if one has not returned when it is closed, it closes the
 * inner one.
 */

#define MAX_SCALARS	16u
#define RESET_TIMES	3u		/* as long for a reset: by the port it takes 2.3 s */
#define END_NS		5000000000ull	/* for idle workers to end */

enum kind { CALL, CALL_ASYNC, MAP, UNMAP, CLOSE };

/* A wait for interrupts: freed by the one call of wait_done(), or if it was never made. */
struct wait {
	LIST_ENTRY(wait) link;
	struct bound *b;
	void (*done)(void *opaque, uint32_t result);	/* lock; NULL: told already */
	void *opaque;
};

/* Something that the caller has mapped. */
struct mapping {
	LIST_ENTRY(mapping) link;
	unsigned int type;
	struct gw_dext_map map;
	bool owed;			/* lock; it is to go, and could not be asked to */
};

/* What is asked, and the answer. */
struct question {
	enum kind kind;
	uint32_t selector;		/* or the type of memory */
	uint32_t options;
	uint64_t in[MAX_SCALARS], out[MAX_SCALARS];
	unsigned int nr_in, nr_out;
	struct gw_dext_map map;
	struct wait *wait;
	uint32_t result;
};

enum state { IDLE, ASKED, ANSWERED, LEFT };

struct worker {
	SLIST_ENTRY(worker) link;	/* lock: of those that are idle */
	struct bound *b;
	pthread_cond_t changed;
	enum state state;		/* lock */
	struct question q;		/* the worker's while ASKED or LEFT, else the caller's */
};

struct bound {
	struct gw_dext_conn base;
	struct gw_dext_conn *inner;	/* NULL: closed */
	unsigned int ms;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	SLIST_HEAD(, worker) idle GW_GUARDED_BY(lock);
	unsigned int workers GW_GUARDED_BY(lock);
	unsigned int left GW_GUARDED_BY(lock);	/* workers in state LEFT */
	bool closing GW_GUARDED_BY(lock);	/* workers are to end */
	bool orphan GW_GUARDED_BY(lock);	/* the last of them frees all */
	bool over GW_GUARDED_BY(lock);		/* closed; whoever ends the last wait frees it */
	LIST_HEAD(, wait) waits GW_GUARDED_BY(lock);
	LIST_HEAD(, mapping) maps GW_GUARDED_BY(lock);
};

static struct bound *to_bound(struct gw_dext_conn *c)
{
	return container_of(c, struct bound, base);
}

static void bound_destroy(struct bound *b)
{
	pthread_cond_destroy(&b->ended);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

/* A completion may be late, and come when all else has ended. */
static void wait_done(void *opaque, uint32_t result)
{
	void (*done)(void *opaque, uint32_t result);
	struct wait *w = opaque;
	struct bound *b = w->b;
	bool last;

	pthread_mutex_lock(&b->lock);
	done = w->done;
	LIST_REMOVE(w, link);
	last = b->over && LIST_EMPTY(&b->waits);
	pthread_mutex_unlock(&b->lock);
	if (done)
		done(w->opaque, result);
	free(w);
	if (last)
		bound_destroy(b);
}

/* Unmap what is owed; @all: everything, because the connection ends. */
static void pay_locked(struct bound *b, bool all) GW_HOLDS(b->lock)
{
	struct mapping *m;

	for (;;) {
		LIST_FOREACH(m, &b->maps, link)
			if (m->owed || all)
				break;
		if (!m)
			return;
		LIST_REMOVE(m, link);
		pthread_mutex_unlock(&b->lock);
		b->inner->ops->unmap(b->inner, m->type, &m->map);
		free(m);
		pthread_mutex_lock(&b->lock);
	}
}

static void pay_all(struct bound *b)
{
	pthread_mutex_lock(&b->lock);
	pay_locked(b, true);
	pthread_mutex_unlock(&b->lock);
}

static void ask(struct bound *b, struct question *q)
{
	const struct gw_dext_conn_ops *ops = b->inner->ops;

	q->result = GW_IORETURN_SUCCESS;
	switch (q->kind) {
	case CALL:
		q->result = ops->call(b->inner, q->selector, q->in, q->nr_in, q->out, &q->nr_out);
		break;
	case CALL_ASYNC:
		q->result = ops->call_async(b->inner, q->selector, wait_done, q->wait);
		break;
	case MAP:
		q->result = ops->map(b->inner, q->selector, q->options, &q->map);
		break;
	case UNMAP:
		ops->unmap(b->inner, q->selector, &q->map);
		break;
	case CLOSE:
		pay_all(b);
		ops->close(b->inner);
		b->inner = NULL;
	}
}

/* Nobody is told what came of it, so it is given back. */
static void undo(struct bound *b, struct question *q)
{
	const struct gw_dext_conn_ops *ops = b->inner ? b->inner->ops : NULL;
	unsigned int none = 0;

	if (q->result || !ops)
		return;
	if (q->kind == MAP)
		ops->unmap(b->inner, q->selector, &q->map);
	if (q->kind != CALL)
		return;
	if (q->selector == GW_DEXT_REGISTER_REGION || q->selector == GW_DEXT_REGISTER_AT ||
	    q->selector == GW_DEXT_REGISTER_REMOTE)
		ops->call(b->inner, GW_DEXT_UNREGISTER_REGION, q->in, 1, NULL, &none);
	else if (q->selector == GW_DEXT_ALLOC_BUFFER)
		ops->call(b->inner, GW_DEXT_FREE_BUFFER, NULL, 0, NULL, &none);
}

static void bound_free(struct bound *b)
{
	bool waits;

	if (b->inner) {
		pay_all(b);
		b->inner->ops->close(b->inner);
	}
	pthread_mutex_lock(&b->lock);
	b->over = true;
	waits = !LIST_EMPTY(&b->waits);
	pthread_mutex_unlock(&b->lock);
	if (!waits)
		bound_destroy(b);
}

/* The worker is through with its question. */
static void answer_locked(struct bound *b, struct worker *w) GW_HOLDS(b->lock)
{
	if (w->state == ASKED) {
		w->state = ANSWERED;
		pthread_cond_signal(&w->changed);
		return;
	}
	pthread_mutex_unlock(&b->lock);
	undo(b, &w->q);
	pthread_mutex_lock(&b->lock);
	if (b->inner)
		pay_locked(b, false);
	b->left--;
	if (w->q.kind == CALL_ASYNC && w->q.result) {	/* whoever waits may ask anew from inside */
		pthread_mutex_unlock(&b->lock);
		wait_done(w->q.wait, w->q.result);
		pthread_mutex_lock(&b->lock);
	}
	w->state = IDLE;
	SLIST_INSERT_HEAD(&b->idle, w, link);
}

static void *work(void *opaque)
{
	struct worker *w = opaque;
	struct bound *b = w->b;
	bool last;

	pthread_mutex_lock(&b->lock);
	for (;;) {
		while (w->state != ASKED && !b->closing)
			pthread_cond_wait(&w->changed, &b->lock);
		if (w->state != ASKED)
			break;
		pthread_mutex_unlock(&b->lock);
		ask(b, &w->q);
		pthread_mutex_lock(&b->lock);
		answer_locked(b, w);
	}
	last = !--b->workers && b->orphan;
	pthread_cond_signal(&b->ended);
	pthread_mutex_unlock(&b->lock);
	pthread_cond_destroy(&w->changed);
	free(w);
	if (last)
		bound_free(b);
	return NULL;
}

/* NULL: none can be had. */
static struct worker *worker_locked(struct bound *b) GW_HOLDS(b->lock)
{
	struct worker *w = SLIST_FIRST(&b->idle);
	pthread_t thread;

	if (w) {
		SLIST_REMOVE_HEAD(&b->idle, link);
		return w;
	}
	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->b = b;
	if (gw_os_cond_init(&w->changed))
		goto free_worker;
	if (gw_thread_start(&thread, "gw-dext-call", work, w))
		goto destroy_cond;
	pthread_detach(thread);		/* nobody can say when it ends */
	b->workers++;
	return w;
destroy_cond:
	pthread_cond_destroy(&w->changed);
free_worker:
	free(w);
	return NULL;
}

/*
 * Ask, and wait. Return: ANSWERED; IDLE it was not asked; LEFT somebody is still at it. @q has a
 * result.
 */
static enum state bound_ask(struct bound *b, struct question *q, unsigned int ms)
{
	uint64_t deadline = gw_now_ns() + ms * 1000000ull;
	enum state state = IDLE;
	struct worker *w;
	int late = 0;

	pthread_mutex_lock(&b->lock);
	q->result = b->left ? GW_IORETURN_TIMEOUT : GW_IORETURN_NO_MEMORY;
	w = b->left ? NULL : worker_locked(b);
	if (!w)
		goto unlock;
	w->q = *q;
	w->state = ASKED;
	pthread_cond_signal(&w->changed);
	while (w->state == ASKED && !late)
		late = gw_os_cond_wait_until(&w->changed, &b->lock, deadline);
	state = w->state;
	if (state == ASKED) {
		state = w->state = LEFT;
		b->left++;
		q->result = GW_IORETURN_TIMEOUT;
		goto unlock;
	}
	*q = w->q;
	w->state = IDLE;
	SLIST_INSERT_HEAD(&b->idle, w, link);
unlock:
	pthread_mutex_unlock(&b->lock);
	return state;
}

static uint32_t bound_call(struct gw_dext_conn *c, uint32_t selector, const uint64_t *in,
			   unsigned int nr_in, uint64_t *out, unsigned int *nr_out)
{
	struct bound *b = to_bound(c);
	struct question q = { .kind = CALL, .selector = selector, .nr_in = nr_in, .nr_out = *nr_out };
	unsigned int room = *nr_out;

	if (selector == GW_DEXT_CLAIM)
		return b->inner->ops->call(b->inner, selector, in, nr_in, out, nr_out);
	if (nr_in > MAX_SCALARS || room > MAX_SCALARS)
		return GW_IORETURN_BAD_ARGUMENT;
	if (nr_in)
		memcpy(q.in, in, nr_in * sizeof(*in));
	bound_ask(b, &q, selector == GW_DEXT_RESET_DEVICE ? RESET_TIMES * b->ms : b->ms);
	*nr_out = q.nr_out;
	if (room && q.result == GW_IORETURN_SUCCESS)
		memcpy(out, q.out, room * sizeof(*out));
	return q.result;
}

/* A wait that is made late counts like any other, and one that fails late ends by that. */
static uint32_t bound_call_async(struct gw_dext_conn *c, uint32_t selector,
				 void (*done)(void *opaque, uint32_t result), void *opaque)
{
	struct bound *b = to_bound(c);
	struct question q = { .kind = CALL_ASYNC, .selector = selector };
	struct wait *w = calloc(1, sizeof(*w));

	if (!w)
		return GW_IORETURN_NO_MEMORY;
	*w = (struct wait){ .b = b, .done = done, .opaque = opaque };
	q.wait = w;
	pthread_mutex_lock(&b->lock);
	LIST_INSERT_HEAD(&b->waits, w, link);
	pthread_mutex_unlock(&b->lock);
	if (bound_ask(b, &q, b->ms) == LEFT || q.result == GW_IORETURN_SUCCESS)
		return GW_IORETURN_SUCCESS;
	pthread_mutex_lock(&b->lock);
	LIST_REMOVE(w, link);
	pthread_mutex_unlock(&b->lock);
	free(w);
	return q.result;
}

static uint32_t bound_map(struct gw_dext_conn *c, unsigned int type, uint32_t options,
			  struct gw_dext_map *map)
{
	struct question q = { .kind = MAP, .selector = type, .options = options };
	struct mapping *m = calloc(1, sizeof(*m));
	struct bound *b = to_bound(c);

	if (!m)
		return GW_IORETURN_NO_MEMORY;
	bound_ask(b, &q, b->ms);
	*map = q.map;
	if (q.result != GW_IORETURN_SUCCESS) {
		free(m);
		return q.result;
	}
	*m = (struct mapping){ .type = type, .map = q.map };
	pthread_mutex_lock(&b->lock);
	LIST_INSERT_HEAD(&b->maps, m, link);
	pthread_mutex_unlock(&b->lock);
	return GW_IORETURN_SUCCESS;
}

/* Take it off the list; or leave it there, owed, because another call is late: then NULL. */
static struct mapping *mapping_take(struct bound *b, unsigned int type, const void *addr)
{
	struct mapping *m;

	pthread_mutex_lock(&b->lock);
	LIST_FOREACH(m, &b->maps, link)
		if (!m->owed && m->type == type && m->map.addr == addr)
			break;
	if (m && b->left) {
		m->owed = true;
		m = NULL;
	}
	if (m)
		LIST_REMOVE(m, link);
	pthread_mutex_unlock(&b->lock);
	return m;
}

/* It was not asked for after all. */
static void mapping_put(struct bound *b, struct mapping *m)
{
	pthread_mutex_lock(&b->lock);
	LIST_INSERT_HEAD(&b->maps, m, link);
	pthread_mutex_unlock(&b->lock);
}

static void bound_unmap(struct gw_dext_conn *c, unsigned int type, const struct gw_dext_map *map)
{
	struct question q = { .kind = UNMAP, .selector = type, .map = *map };
	struct bound *b = to_bound(c);
	struct mapping *m;

	while ((m = mapping_take(b, type, map->addr))) {
		if (bound_ask(b, &q, b->ms) != IDLE) {
			free(m);
			return;
		}
		mapping_put(b, m);
		if (q.result == GW_IORETURN_NO_MEMORY)
			return;		/* it goes with the connection */
	}
}

/* End all waits now, and not only when the dext answers. */
static void end_waits(struct bound *b)
{
	void (*done)(void *opaque, uint32_t result);
	struct wait *w;
	void *opaque;

	pthread_mutex_lock(&b->lock);
	for (;;) {
		LIST_FOREACH(w, &b->waits, link)
			if (w->done)
				break;
		if (!w)
			break;
		done = w->done;
		opaque = w->opaque;
		w->done = NULL;
		pthread_mutex_unlock(&b->lock);
		done(opaque, GW_IORETURN_ABORTED);
		pthread_mutex_lock(&b->lock);
	}
	pthread_mutex_unlock(&b->lock);
}

static void bound_close(struct gw_dext_conn *c)
{
	struct question q = { .kind = CLOSE };
	struct bound *b = to_bound(c);
	uint64_t deadline;
	struct worker *w;
	bool orphan;

	bound_ask(b, &q, b->ms);
	end_waits(b);
	deadline = gw_now_ns() + END_NS;
	pthread_mutex_lock(&b->lock);
	b->closing = true;
	SLIST_FOREACH(w, &b->idle, link)
		pthread_cond_signal(&w->changed);
	while (b->workers > b->left &&
	       !gw_os_cond_wait_until(&b->ended, &b->lock, deadline))
		;
	orphan = b->orphan = b->workers;
	pthread_mutex_unlock(&b->lock);
	if (!orphan)
		bound_free(b);
}

static const struct gw_dext_conn_ops bound_ops = {
	.call = bound_call,
	.call_async = bound_call_async,
	.map = bound_map,
	.unmap = bound_unmap,
	.close = bound_close,
};

struct gw_dext_conn *gw_dext_bound_new(struct gw_dext_conn *inner, unsigned int ms)
{
	struct bound *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	if (pthread_mutex_init(&b->lock, NULL))
		goto free_bound;
	b->base.ops = &bound_ops;
	b->inner = inner;
	b->ms = ms;
	SLIST_INIT(&b->idle);
	LIST_INIT(&b->waits);
	LIST_INIT(&b->maps);
	if (!gw_os_cond_init(&b->ended))
		return &b->base;
	pthread_mutex_destroy(&b->lock);
free_bound:
	free(b);
	return NULL;
}
