/* SPDX-License-Identifier: BSD-3-Clause */
#include "function/irqs.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/bitmap.h"
#include "base/util.h"

/*
 * How it works: at most one of INTx, MSI and MSI-X is enabled, and host vector N is message N of
 * it. A VMM enables MSI-X first and hands out eventfds as the guest unmasks vectors, so the host
 * delivers all vectors from the moment an index is enabled, and one that has nowhere to go yet is
 * remembered: an edge is never lost. So the host's mask changes only when an index is enabled or
 * disabled.
 *
 * Where the host can have the platform signal an eventfd itself, it is given those of the vectors
 * that are not masked, and nothing here runs when they fire. All others still come here: a vector
 * is masked by taking its eventfd back, and what fires meanwhile is remembered like the rest.
 * Such a host also knows INTx, which each delivery masks until the VMM unmasks it.
 *
 * An eventfd is shared with the VMM, which can fill its counter and decide that a write to a full
 * one sleeps. So none is ever written: a notifier signals them (base/notifier.h), and nothing that
 * happens under the lock waits for anybody outside.
 *
 * A program that embeds us takes calls in place of eventfds. They are made under the lock, so that
 * none is under way once a call has been taken away.
 */

static const struct gw_irq_way nowhere = { .fd = -1 };

static bool way_leads(const struct gw_irq_way *w)
{
	return w->fd >= 0 || w->call;
}

/* Return: 0; -errno of gw_notifier_signal(). */
static int irqs_take(struct gw_guest_irqs *irqs, const struct gw_irq_way *w, enum gw_irq index,
		     unsigned int v) GW_HOLDS(irqs->lock)
{
	if (!w->call)
		return gw_notifier_signal(&irqs->notifier, w->fd);
	w->call->fire(w->call, index, v);
	return 0;
}

static void way_close(const struct gw_irq_way *w)
{
	if (w->fd >= 0)
		close(w->fd);
}

/* The way that @set gives to its @i-th vector; an eventfd becomes ours. */
static struct gw_irq_way way_from(struct gw_irq_set *set, unsigned int i)
{
	struct gw_irq_way w = nowhere;

	if (set->data == GW_IRQ_CALL) {
		w.call = set->call;
	} else if (set->fds) {
		w.fd = set->fds[i];
		set->fds[i] = -1;
	}
	return w;
}

static bool gives_ways(const struct gw_irq_set *set)
{
	return set->data == GW_IRQ_EVENTFD || set->data == GW_IRQ_CALL;
}

static void irqs_deliver(struct gw_guest_irqs *irqs, unsigned int v) GW_HOLDS(irqs->lock)
{
	int ret;

	if (irqs->mode == GW_NR_IRQS || v >= irqs->count[irqs->mode])
		return;
	if (!way_leads(&irqs->at[v]) || gw_bitmap_test(irqs->masked, v)) {
		gw_bitmap_set(irqs->pending, v);
		return;
	}
	gw_bitmap_clear(irqs->pending, v);
	ret = irqs_take(irqs, &irqs->at[v], irqs->mode, v);
	if (!ret)
		atomic_fetch_add_explicit(&irqs->delivered, 1, memory_order_relaxed);
	else
		gw_log_guest(irqs->log, "%s: cannot signal the eventfd of vector %u: %s",
			     irqs->name, v, strerror(-ret));
}

/* Deliver a vector that waited and now may go. */
static void irqs_settle(struct gw_guest_irqs *irqs, unsigned int v) GW_HOLDS(irqs->lock)
{
	if (gw_bitmap_test(irqs->pending, v))
		irqs_deliver(irqs, v);
}

static void irqs_fire(struct gw_irq_sink *sink, const uint64_t pending[GW_IRQ_WORDS])
{
	struct gw_guest_irqs *irqs = container_of(sink, struct gw_guest_irqs, sink);
	uint64_t word;
	unsigned int bit;

	pthread_mutex_lock(&irqs->lock);
	for (unsigned int i = 0; i < GW_IRQ_WORDS; i++) {
		word = pending[i];
		gw_bitmap_for_each(bit, word)
			irqs_deliver(irqs, i * 64 + bit);
	}
	pthread_mutex_unlock(&irqs->lock);
}

/* What a host that knows the indexes apart does, or NULL. */
static const struct gw_irq_ops *irqs_ops(const struct gw_guest_irqs *irqs)
{
	return irqs->fn ? irqs->fn->ops->irq : NULL;
}

/* Which vectors the host delivers: the first @nr. Never under the lock: the host may wait for a
 * fire() that wants it. */
static int irqs_host_mask(struct gw_guest_irqs *irqs, unsigned int nr)
{
	uint64_t enabled[GW_IRQ_WORDS] = { 0 };

	if (!irqs->vectors && !irqs->intx)
		return 0;
	for (unsigned int v = 0; v < nr; v++)
		gw_bitmap_set(enabled, v);
	return irqs->fn->ops->irq_mask(irqs->fn, enabled);
}

static int irqs_host_enable(struct gw_guest_irqs *irqs, enum gw_irq index)
{
	unsigned int nr = irqs->count[index];
	int ret = irqs_host_mask(irqs, nr);

	if (!ret && irqs_ops(irqs))
		ret = irqs_ops(irqs)->enable(irqs->fn, index, nr);
	return ret;
}

/* @index is GW_NR_IRQS if none was enabled. */
static void irqs_host_disable(struct gw_guest_irqs *irqs, enum gw_irq index)
{
	int ret = irqs_host_mask(irqs, 0);

	if (ret && ret != -ENODEV)
		gw_log_guest(irqs->log, "%s: cannot mask interrupts at the host: %s; they are dropped "
			     "here", irqs->name, strerror(-ret));
	if (index == GW_NR_IRQS || !irqs_ops(irqs))
		return;
	ret = irqs_ops(irqs)->enable(irqs->fn, index, 0);
	if (ret && ret != -ENODEV)
		gw_log_guest(irqs->log, "%s: cannot disable interrupts at the host: %s",
			     irqs->name, strerror(-ret));
}

/* What the platform may signal itself when vector @v fires; -1: nothing. */
static int irqs_direct_fd(struct gw_guest_irqs *irqs, unsigned int v)
{
	int fd;

	pthread_mutex_lock(&irqs->lock);
	fd = gw_bitmap_test(irqs->masked, v) ? -1 : irqs->at[v].fd;
	pthread_mutex_unlock(&irqs->lock);
	return fd;
}

/* Without the lock: have the platform signal vectors of @mode itself, or not any more. */
static void irqs_direct(struct gw_guest_irqs *irqs, enum gw_irq mode, unsigned int first,
			unsigned int nr)
{
	int ret;

	if (!irqs_ops(irqs))
		return;
	for (unsigned int v = first; v < first + nr; v++) {
		ret = irqs_ops(irqs)->eventfd(irqs->fn, mode, v, irqs_direct_fd(irqs, v));
		if (ret && ret != -ENODEV)
			gw_log_guest(irqs->log, "%s: vector %u takes the long way: %s",
				     irqs->name, v, strerror(-ret));
	}
}

/* The way of an index that is no interrupt. */
static struct gw_irq_way *notice_of(struct gw_guest_irqs *irqs, enum gw_irq index)
	GW_HOLDS(irqs->lock)
{
	return &irqs->notice[index - GW_IRQ_ERR];
}

static void irqs_notify(struct gw_guest_irqs *irqs, enum gw_irq index)
{
	pthread_mutex_lock(&irqs->lock);
	if (way_leads(notice_of(irqs, index)))
		irqs_take(irqs, notice_of(irqs, index), index, 0);
	pthread_mutex_unlock(&irqs->lock);
}

void gw_guest_irqs_request(struct gw_guest_irqs *irqs)
{
	irqs_notify(irqs, GW_IRQ_REQ);
}

static void irqs_asked(struct gw_irq_sink *sink)
{
	gw_guest_irqs_request(container_of(sink, struct gw_guest_irqs, sink));
}

/* QEMU stops the guest then. */
static void irqs_error(struct gw_irq_sink *sink)
{
	irqs_notify(container_of(sink, struct gw_guest_irqs, sink), GW_IRQ_ERR);
}

static int irqs_notifier(struct gw_guest_irqs *irqs)
{
	int ret = gw_notifier_init(&irqs->notifier);

	if (!ret)
		return 0;
	gw_err(irqs->log, "%s: no context of asynchronous I/O, which signals interrupts: %s",
	       irqs->name, strerror(-ret));
	if (ret == -EAGAIN)
		gw_hint(irqs->log, "programs of this machine have taken all: raise fs.aio-max-nr, "
			"for example sysctl fs.aio-max-nr=1048576");
	return ret;
}

/* Return: 0, also where it has no interrupts; or -errno. */
static int irqs_host_setup(struct gw_guest_irqs *irqs)
{
	struct gw_function *fn = irqs->fn;
	unsigned int nr = 0;
	int ret = fn->ops->irq_setup(fn, &irqs->sink, &nr);

	if (ret)
		return ret == -EOPNOTSUPP ? 0 : ret;
	irqs->vectors = nr < GW_MAX_VECTORS ? nr : GW_MAX_VECTORS;
	irqs->intx = fn->intx;
	irqs->count[GW_IRQ_INTX] = irqs->intx;
	ret = irqs_host_mask(irqs, 0);
	if (ret)
		gw_log_guest(irqs->log, "%s: cannot mask interrupts at the host: %s; they are dropped "
			     "here", irqs->name, strerror(-ret));
	return 0;
}

int gw_guest_irqs_init(struct gw_guest_irqs *irqs, struct gw_function *fn, const char *name,
		       struct gw_log *log)
{
	int ret;

	memset(irqs, 0, sizeof(*irqs));
	irqs->sink.fire = irqs_fire;
	irqs->sink.request = irqs_asked;
	irqs->sink.error = irqs_error;
	irqs->fn = fn;
	irqs->name = name;
	irqs->log = log;
	pthread_mutex_init(&irqs->lock, NULL);
	irqs->mode = GW_NR_IRQS;
	irqs->count[GW_IRQ_ERR] = 1;
	irqs->count[GW_IRQ_REQ] = 1;
	irqs->notice[0] = irqs->notice[1] = nowhere;
	for (unsigned int v = 0; v < GW_MAX_VECTORS; v++)
		irqs->at[v] = nowhere;
	ret = irqs_notifier(irqs);
	if (ret)
		goto destroy_lock;
	ret = fn ? irqs_host_setup(irqs) : 0;
	if (ret)
		goto fini_notifier;
	return 0;
fini_notifier:
	gw_notifier_fini(&irqs->notifier);
destroy_lock:
	pthread_mutex_destroy(&irqs->lock);
	return ret;
}

void gw_guest_irqs_fini(struct gw_guest_irqs *irqs)
{
	gw_guest_irqs_disable(irqs);
	if (irqs->fn)
		irqs->fn->ops->irq_teardown(irqs->fn);
	pthread_mutex_destroy(&irqs->lock);
	gw_notifier_fini(&irqs->notifier);
}

void gw_guest_irqs_info(struct gw_guest_irqs *irqs, enum gw_irq index, struct gw_irq_info *info)
{
	info->count = irqs->count[index];
	info->flags = info->count ? GW_IRQ_F_EVENTFD : 0;
	if (index <= GW_IRQ_MSIX && info->count)
		info->flags |= GW_IRQ_F_MASKABLE;
	if (index == GW_IRQ_INTX && info->count)
		info->flags |= GW_IRQ_F_AUTOMASKED;
}

/* Disable whichever of INTx, MSI and MSI-X is enabled. */
static void irqs_off(struct gw_guest_irqs *irqs)
{
	struct gw_irq_way old[GW_MAX_VECTORS];
	enum gw_irq mode;

	pthread_mutex_lock(&irqs->lock);
	mode = irqs->mode;
	memcpy(old, irqs->at, sizeof(old));
	for (unsigned int v = 0; v < GW_MAX_VECTORS; v++)
		irqs->at[v] = nowhere;
	memset(irqs->pending, 0, sizeof(irqs->pending));
	memset(irqs->masked, 0, sizeof(irqs->masked));
	irqs->mode = GW_NR_IRQS;
	pthread_mutex_unlock(&irqs->lock);

	irqs_host_disable(irqs, mode);
	for (unsigned int v = 0; v < GW_MAX_VECTORS; v++)
		way_close(&old[v]);
}

static void irqs_set_notice(struct gw_guest_irqs *irqs, enum gw_irq index, struct gw_irq_way way)
{
	struct gw_irq_way old;

	pthread_mutex_lock(&irqs->lock);
	old = *notice_of(irqs, index);
	*notice_of(irqs, index) = way;
	pthread_mutex_unlock(&irqs->lock);
	way_close(&old);
}

void gw_guest_irqs_disable(struct gw_guest_irqs *irqs)
{
	irqs_off(irqs);
	irqs_set_notice(irqs, GW_IRQ_ERR, nowhere);
	irqs_set_notice(irqs, GW_IRQ_REQ, nowhere);
}

void gw_guest_irqs_forget(struct gw_guest_irqs *irqs)
{
	pthread_mutex_lock(&irqs->lock);
	memset(irqs->pending, 0, sizeof(irqs->pending));
	pthread_mutex_unlock(&irqs->lock);
}

static int set_notice(struct gw_guest_irqs *irqs, struct gw_irq_set *set)
{
	if (set->action != GW_IRQ_TRIGGER)
		return -EINVAL;
	if (gives_ways(set)) {
		irqs_set_notice(irqs, set->index, way_from(set, 0));
	} else if (!set->count) {
		irqs_set_notice(irqs, set->index, nowhere);
	} else if (set->data == GW_IRQ_NONE || set->bools[0]) {
		irqs_notify(irqs, set->index);
	}
	return 0;
}

/* Give the vectors of @set their ways, or take them away, each in one step. */
static int set_ways(struct gw_guest_irqs *irqs, struct gw_irq_set *set)
{
	struct gw_irq_way way[GW_MAX_VECTORS], old;
	bool enable;
	int ret = 0;

	for (unsigned int i = 0; i < set->count; i++)
		way[i] = way_from(set, i);
	pthread_mutex_lock(&irqs->lock);
	enable = irqs->mode == GW_NR_IRQS;
	irqs->mode = set->index;
	for (unsigned int i = 0; i < set->count; i++) {
		old = irqs->at[set->start + i];
		irqs->at[set->start + i] = way[i];
		way[i] = old;
		irqs_settle(irqs, set->start + i);
	}
	pthread_mutex_unlock(&irqs->lock);
	if (enable)
		ret = irqs_host_enable(irqs, set->index);
	if (!ret)
		irqs_direct(irqs, set->index, set->start, set->count);
	for (unsigned int i = 0; i < set->count; i++)
		way_close(&way[i]);
	if (ret)
		irqs_off(irqs);
	return ret;
}

/* INTx: the host masks and unmasks it, and remembers the level. */
static int set_intx_mask(struct gw_guest_irqs *irqs, const struct gw_irq_set *set)
{
	if (set->data == GW_IRQ_BOOL && !set->bools[0])
		return 0;
	return irqs_ops(irqs)->intx_mask(irqs->fn, set->action == GW_IRQ_MASK);
}

/* KVM writes it at the end of the guest's handler, so that nobody else has to unmask. */
static int set_unmask_eventfd(struct gw_guest_irqs *irqs, enum gw_irq mode,
			      const struct gw_irq_set *set)
{
	const struct gw_irq_ops *ops = irqs_ops(irqs);

	if (set->data == GW_IRQ_CALL || set->index != GW_IRQ_INTX ||
	    set->action != GW_IRQ_UNMASK || !ops)
		return -EINVAL;
	if (mode != GW_IRQ_INTX)
		return -EPROTO;
	return ops->intx_unmask_fd(irqs->fn, set->fds ? set->fds[0] : -1);
}

static int set_masks(struct gw_guest_irqs *irqs, const struct gw_irq_set *set)
{
	if (set->index == GW_IRQ_INTX && set->action != GW_IRQ_TRIGGER)
		return set_intx_mask(irqs, set);
	pthread_mutex_lock(&irqs->lock);
	for (unsigned int i = 0; i < set->count; i++) {
		unsigned int v = set->start + i;

		if (set->data == GW_IRQ_BOOL && !set->bools[i])
			continue;
		switch (set->action) {
		case GW_IRQ_MASK:
			gw_bitmap_set(irqs->masked, v);
			break;
		case GW_IRQ_UNMASK:
			gw_bitmap_clear(irqs->masked, v);
			irqs_settle(irqs, v);
			break;
		case GW_IRQ_TRIGGER:
			irqs_deliver(irqs, v);
			break;
		}
	}
	pthread_mutex_unlock(&irqs->lock);
	if (set->action != GW_IRQ_TRIGGER)
		irqs_direct(irqs, set->index, set->start, set->count);
	return 0;
}

static int set_vectors(struct gw_guest_irqs *irqs, struct gw_irq_set *set)
{
	enum gw_irq mode;

	/* @mode changes in this thread only, so the copy stays true */
	pthread_mutex_lock(&irqs->lock);
	mode = irqs->mode;
	pthread_mutex_unlock(&irqs->lock);
	if (set->data == GW_IRQ_NONE && set->action == GW_IRQ_TRIGGER && !set->count) {
		if (mode == set->index)
			irqs_off(irqs);
		return 0;
	}
	if (gives_ways(set)) {
		if (set->action != GW_IRQ_TRIGGER)
			return set_unmask_eventfd(irqs, mode, set);
		return mode == GW_NR_IRQS || mode == set->index ? set_ways(irqs, set) : -EPROTO;
	}
	return mode == set->index ? set_masks(irqs, set) : -EPROTO;
}

/*
 * Without vectors it can only mean: disable the whole index. A VMM does so also where there is
 * none.
 */
static bool set_possible(const struct gw_guest_irqs *irqs, const struct gw_irq_set *set)
{
	if (set->index >= GW_NR_IRQS)
		return false;
	if (!set->count)
		return set->data == GW_IRQ_NONE && set->action == GW_IRQ_TRIGGER && !set->start;
	return set->start < irqs->count[set->index] &&
	       set->count <= irqs->count[set->index] - set->start;
}

int gw_guest_irqs_set(struct gw_guest_irqs *irqs, struct gw_irq_set *set)
{
	if (!set_possible(irqs, set))
		return -EINVAL;
	switch (set->index) {
	case GW_IRQ_ERR:
	case GW_IRQ_REQ:
		return set_notice(irqs, set);
	default:
		return set_vectors(irqs, set);
	}
}
