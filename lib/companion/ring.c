/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "base/guard.h"
#include "base/lock.h"
#include "base/util.h"
#include "companion/ring.h"
#include "companion/share.h"

/*
 * How it works: the ring is guest memory, and may change, or go, at any time. Our own indices are
 * kept here; of the guest's, the tail of the submissions and the head of the completions are
 * loaded, and may be no further from ours than the ring is long. An entry is copied once, then
 * checked, then done.
 *
 * A doorbell is served by the front end's thread, at most as many entries as the ring has. It then
 * wakes the poller, if polling may pay or something is left. The poller looks at the tail for a
 * while, with sq_event behind it, so that the guest need not ring. Before it goes to sleep it asks
 * for the next doorbell by sq_event, and looks once more.
 *
 * sq_event is the tail at which we last looked for entries, also where entries wait because
 * completions do not fit. One that comes later is either rung for, or found by looking once more.
 */

#define BATCH	16u		/* entries between two looks at clock and gate */

static struct gw_ring *header(struct gw_companion *c) GW_HOLDS(c->gate)
{
	return (struct gw_ring *)c->ring.mem;
}

static void ring_fail(struct gw_companion *c, const char *why) GW_HOLDS(c->gate)
{
	gw_log_guest(c->log, "%s: the ring is stopped: %s", c->name, why);
	gw_companion_ring_stop(c);
}

static void put32(struct gw_companion *c, uint32_t *at, uint32_t val) GW_HOLDS(c->gate)
{
	if (c->ring.running && gw_guard_store32(at, val))
		ring_fail(c, "its memory has gone");
}

static uint32_t get32(struct gw_companion *c, const uint32_t *at, uint32_t otherwise)
	GW_HOLDS(c->gate)
{
	uint32_t val = otherwise;

	if (gw_guard_load32(at, &val)) {
		ring_fail(c, "its memory has gone");
		return otherwise;
	}
	return val;
}

void gw_companion_ring_publish(struct gw_companion *c)
{
	if (!gw_companion_publish(c) || !c->ring.running)
		return;
	put32(c, &header(c)->dropped, c->stats.dropped);
	put32(c, &header(c)->generation, c->stats.generation);
}

void gw_companion_ring_start(struct gw_companion *c)
{
	struct gw_companion_ring *r = &c->ring;
	uint64_t size = 1ull << (c->ring_shift & 31), bytes;
	struct gw_dma_usage u;
	struct gw_ring *hdr;
	void *mem;

	if (c->ring_shift < GW_RING_MIN_SHIFT || c->ring_shift > GW_RING_MAX_SHIFT ||
	    c->ring_gpa.v % GW_RING_HEADER_BYTES)
		return;
	bytes = GW_RING_HEADER_BYTES +
		size * (sizeof(struct gw_ring_sqe) + sizeof(struct gw_ring_cqe));
	if (gw_guest_memory_find(&c->memory, c->ring_gpa, bytes, GW_PROT_READ | GW_PROT_WRITE, &mem))
		return;
	*r = (struct gw_companion_ring){ .running = true, .mem = mem, .gpa = c->ring_gpa,
					 .bytes = bytes, .size = (uint32_t)size };
	hdr = header(c);
	gw_dma_usage(c->dma, &u);
	put32(c, &hdr->sq_head, 0);
	put32(c, &hdr->cq_tail, 0);
	put32(c, &hdr->sq_event, 0);
	put32(c, &hdr->dropped, u.dropped);
	put32(c, &hdr->generation, u.generation);
}

void gw_companion_ring_stop(struct gw_companion *c)
{
	c->ring.running = false;
}

/* How many entries wait; an impossible tail stops the ring. */
static uint32_t ring_pending(struct gw_companion *c) GW_HOLDS(c->gate)
{
	struct gw_companion_ring *r = &c->ring;
	uint32_t n;

	if (!r->running)
		return 0;
	n = get32(c, &header(c)->sq_tail, r->sq_head) - r->sq_head;
	if (n <= r->size)
		return n;
	ring_fail(c, "the submissions' tail is further than the ring is long");
	return 0;
}

/* Is there room for a completion? */
static bool ring_room(struct gw_companion *c) GW_HOLDS(c->gate)
{
	struct gw_companion_ring *r = &c->ring;

	if (r->cq_tail - r->cq_head < r->size)
		return true;
	r->cq_head = get32(c, &header(c)->cq_head, r->cq_head);
	if (r->cq_tail - r->cq_head > r->size) {
		ring_fail(c, "the completions' head is where none have been");
		return false;
	}
	return r->cq_tail - r->cq_head < r->size;
}

static bool ring_write(struct gw_companion *c, const struct gw_ring_cqe *cqe) GW_HOLDS(c->gate)
{
	struct gw_companion_ring *r = &c->ring;
	size_t at = GW_RING_HEADER_BYTES + r->size * sizeof(struct gw_ring_sqe) +
		    (r->cq_tail & (r->size - 1)) * sizeof(*cqe);

	if (!ring_room(c))
		return false;
	if (gw_guard_copy(r->mem + at, cqe, sizeof(*cqe))) {
		ring_fail(c, "its memory has gone");
		return false;
	}
	r->cq_tail++;
	return true;
}

/* What does not fit waits, and no entry is looked at before that has gone. */
static void ring_complete(struct gw_companion *c, const struct gw_ring_cqe *cqe) GW_HOLDS(c->gate)
{
	struct gw_companion_ring *r = &c->ring;

	if (!r->nr_held && ring_write(c, cqe))
		return;
	if (r->running)
		r->held[r->nr_held++] = *cqe;
}

static bool ring_unhold(struct gw_companion *c) GW_HOLDS(c->gate)
{
	struct gw_companion_ring *r = &c->ring;

	while (r->next_held < r->nr_held) {
		if (!ring_write(c, &r->held[r->next_held]))
			return false;
		r->next_held++;
	}
	r->next_held = r->nr_held = 0;
	return true;
}

static int entry_map(struct gw_companion *c, const struct gw_ring_sqe *sqe,
		     struct gw_ring_cqe *cqe) GW_HOLDS(c->gate)
{
	const struct gw_dma_want want = { .gpa = { sqe->addr }, .size = sqe->len,
					  .read_only = sqe->flags & GW_RING_F_READ_ONLY,
					  .last = { sqe->last } };
	struct gw_mapping map;
	int ret = gw_companion_map(c, &want, &map);

	if (ret)
		return ret;
	cqe->handle = map.handle;
	for (unsigned int i = 0; i < map.nr_segments; i++) {
		cqe->flags = i + 1 < map.nr_segments ? GW_RING_F_MORE : 0;
		cqe->iova = map.seg[i].iova.v;
		cqe->len = map.seg[i].size;
		if (cqe->flags)
			ring_complete(c, cqe);
	}
	return 0;
}

static int entry_unmap(struct gw_companion *c, const struct gw_ring_sqe *sqe,
		       struct gw_ring_cqe *cqe) GW_HOLDS(c->gate)
{
	cqe->handle = sqe->addr;
	return gw_companion_unmap(c, sqe->addr);
}

static int entry_query(struct gw_companion *c, const struct gw_ring_sqe *sqe,
		       struct gw_ring_cqe *cqe) GW_HOLDS(c->gate)
{
	struct gw_dma_usage u;

	gw_dma_usage(c->dma, &u);
	cqe->handle = gw_dma_guest_left(c->dma);
	cqe->iova = u.mapped.bytes;
	cqe->len = (uint32_t)u.mapped.maps;
	return 0;
}

static int entry_dropped(struct gw_companion *c, const struct gw_ring_sqe *sqe,
			 struct gw_ring_cqe *cqe) GW_HOLDS(c->gate)
{
	struct gw_dma_lost lost;
	int ret = gw_dma_guest_lost(c->dma, &lost);

	if (ret)
		return ret;
	cqe->handle = lost.handle;
	cqe->iova = lost.iova.v;
	cqe->len = lost.size;
	return 0;
}

static int entry_range(struct gw_companion *c, const struct gw_ring_sqe *sqe,
		       struct gw_ring_cqe *cqe) GW_HOLDS(c->gate)
{
	const struct gw_bar_range range = { { sqe->addr }, sqe->len };

	return gw_companion_list(c, sqe->last, &range);
}

static int entry_share(struct gw_companion *c, const struct gw_ring_sqe *sqe,
		       struct gw_ring_cqe *cqe) GW_HOLDS(c->gate)
{
	const struct gw_buffer_picture picture = {
		.width = (uint32_t)sqe->addr, .height = (uint32_t)(sqe->addr >> 32),
		.stride = (uint32_t)sqe->len, .fourcc = (uint32_t)(sqe->len >> 32),
	};

	return gw_companion_share(c, sqe->last, &picture, &cqe->handle);
}

static int entry_unshare(struct gw_companion *c, const struct gw_ring_sqe *sqe,
			 struct gw_ring_cqe *cqe) GW_HOLDS(c->gate)
{
	cqe->handle = sqe->addr;
	return gw_companion_unshare(c, sqe->addr);
}

static const struct op {
	uint16_t flags;			/* that it knows */
	bool last, asks;		/* it knows that field; NOENT and BUSY are answers */
	int (*run)(struct gw_companion *c, const struct gw_ring_sqe *sqe,
		   struct gw_ring_cqe *cqe);
	const char *name;
} ops[] = {
	[GW_RING_MAP] = { GW_RING_F_READ_ONLY, true, false, entry_map, "map" },
	[GW_RING_UNMAP] = { 0, false, false, entry_unmap, "unmap" },
	[GW_RING_QUERY] = { 0, false, true, entry_query, "query" },
	[GW_RING_DROPPED] = { 0, false, true, entry_dropped, "question" },
	[GW_RING_RANGE] = { 0, true, false, entry_range, "range" },
	[GW_RING_SHARE] = { 0, true, false, entry_share, "share" },
	[GW_RING_UNSHARE] = { 0, false, true, entry_unshare, "unshare" },
};

/* Return: whether one was done; else the ring has stopped or completions do not fit. */
static bool ring_entry(struct gw_companion *c) GW_HOLDS(c->gate)
{
	struct gw_companion_ring *r = &c->ring;
	struct gw_ring_cqe cqe = { 0 };
	struct gw_ring_sqe sqe;
	const struct op *op;
	int ret = -EINVAL;

	if (!ring_unhold(c) || !ring_room(c))
		return false;
	if (gw_guard_copy(&sqe, r->mem + GW_RING_HEADER_BYTES +
			  (r->sq_head & (r->size - 1)) * sizeof(sqe), sizeof(sqe))) {
		ring_fail(c, "its memory has gone");
		return false;
	}
	r->sq_head++;
	cqe.tag = sqe.tag;
	op = sqe.op < ARRAY_SIZE(ops) ? &ops[sqe.op] : NULL;
	if (op && op->run && !(sqe.flags & ~op->flags) && (op->last || !sqe.last))
		ret = op->run(c, &sqe, &cqe);
	if (ret && !((ret == -ENOENT || ret == -EBUSY) && op->asks))
		gw_companion_refuse(c, op && op->run ? op->name : "unknown entry", sqe.addr,
				    sqe.len, ret);
	cqe.status = (uint16_t)gw_companion_status(ret);
	ring_complete(c, &cqe);
	return r->running;
}

/* Do up to @max of the entries that wait, and let the guest see them. Return: how many. */
static uint32_t ring_batch(struct gw_companion *c, uint32_t max) GW_HOLDS(c->gate)
{
	struct gw_companion_ring *r = &c->ring;
	uint32_t n = ring_pending(c), done, tail = r->cq_tail;

	r->seen = r->sq_head + n;
	if (!r->running || (r->nr_held && !ring_unhold(c)))
		n = 0;
	if (n > max)
		n = max;
	for (done = 0; done < n && ring_entry(c); done++)
		;
	if (!r->running || (!done && r->cq_tail == tail))
		return 0;
	gw_companion_ring_publish(c);
	put32(c, &header(c)->sq_head, r->sq_head);
	put32(c, &header(c)->cq_tail, r->cq_tail);
	return done;
}

/* Interrupt the guest if it asked for that at one of the completions since the last time. */
static void ring_notify(struct gw_companion *c) GW_HOLDS(c->gate)
{
	static const uint64_t vector[GW_IRQ_WORDS] = { 1 };
	struct gw_companion_ring *r = &c->ring;
	uint32_t event;

	if (!r->running || r->cq_tail == r->told)
		return;
	__sync_synchronize();	/* cq_tail before cq_event */
	event = get32(c, &header(c)->cq_event, r->cq_tail);
	if (r->cq_tail - event - 1 < r->cq_tail - r->told) {
		c->stats.interrupts++;
		c->irqs.sink.fire(&c->irqs.sink, vector);
	}
	r->told = r->cq_tail;
}

/* Say when to ring. Return: whether entries came before the guest could know. */
static bool ring_arm(struct gw_companion *c) GW_HOLDS(c->gate)
{
	struct gw_companion_ring *r = &c->ring;

	if (!r->running)
		return false;
	put32(c, &header(c)->sq_event, r->polling ? r->sq_head - 1 : r->seen);
	__sync_synchronize();	/* sq_event before sq_tail */
	return r->sq_head + ring_pending(c) != r->seen;
}

void gw_companion_ring_doorbell(struct gw_companion *c)
{
	struct gw_companion_ring *r = &c->ring;
	uint64_t deadline = gw_now_ns() + GW_RING_LIMIT_NS, now;
	uint32_t left = r->size, done;
	bool again;

	if (!r->running)
		return;
	c->stats.doorbells++;
	do {
		done = ring_batch(c, left < BATCH ? left : BATCH);
		left -= done;
		now = gw_now_ns();
		again = (done && ring_pending(c)) || ring_arm(c);
	} while (again && left && now < deadline);
	ring_notify(c);
	if (r->running && (again || (c->opt.poll_us && now >= c->poll_after)))
		gw_companion_kick(c);
}

/* Let others have the gate, and look again if that may pay. */
static bool poll_again(struct gw_companion *c, bool busy, bool *spinning) GW_HOLDS(c->gate)
{
	bool again;

	gw_gate_unlock(&c->gate);
	if (busy) {
		if (*spinning)
			gw_spin_hit(&c->spin);
		*spinning = gw_spin_begin(&c->spin);
		again = true;
	} else {
		again = *spinning && gw_spin_again(&c->spin);
	}
	gw_gate_lock_patient(&c->gate);
	return again;
}

void gw_companion_poll(struct gw_companion *c)
{
	struct gw_companion_ring *r = &c->ring;
	bool spinning = gw_spin_begin(&c->spin), again = true;
	uint32_t done;

	r->polling = spinning;
	ring_arm(c);
	while (again && r->running && !c->stop && !c->releasing) {
		done = ring_batch(c, BATCH);
		c->stats.polled += done;
		if (!done || r->cq_tail - r->told >= r->size)
			ring_notify(c);
		again = poll_again(c, done, &spinning);
	}
	r->polling = false;
	c->poll_after = c->spin.off_until;
	if (ring_arm(c) || c->releasing)
		gw_companion_kick(c);
}
