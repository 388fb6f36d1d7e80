// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests by ring.
 *
 * How it works. Whoever submits holds the lock, with interrupts off, until the host has answered
 * everything, so only one batch is under way. While the host polls, a batch is answered without
 * leaving the guest; when it does not, sq_event asks for a doorbell, and that write returns when
 * the batch is done. Should the host have stopped polling without saying so, we lose patience and
 * ring as well. A host that answers nothing even then is broken, and nothing is asked of it again.
 */

#include <linux/io.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "companion.h"

#define RING_SHIFT	8
#define PATIENCE_NS	(100 * NSEC_PER_USEC)
#define MAX_DOORBELLS	8	/* in a row that change nothing; each may take a second, */
#define MAX_KICKS	17	/* or none. Patience grows with each, here to 13 s in all */
#define SHARED_RING	GW_RING_HEADER_BYTES

static_assert(RING_SHIFT >= GW_RING_MIN_SHIFT && RING_SHIFT <= GW_RING_MAX_SHIFT);

/* Have the host start with both rings empty. In shared memory an address is an offset. */
static int ring_enable(struct gw_companion *c, struct gw_ring *hdr)
{
	hdr->cq_event = cpu_to_le32(~0);	/* no interrupts */
	gw_companion_write64(c, GW_REG_RING_GPA_LO,
			     c->shared ? SHARED_RING : virt_to_phys(hdr));
	gw_companion_write(c, GW_REG_RING_SHIFT, RING_SHIFT);
	gw_companion_write(c, GW_REG_RING_ENABLE, 1);
	if (gw_companion_read(c, GW_REG_RING_ENABLE) == 1)
		return 0;
	dev_err(c->dev, "cannot start its ring\n");
	return -EIO;
}

/**
 * gw_rings_start() - give the companion a ring
 * @c: the companion
 *
 * Return: 0, -ENOMEM, -EIO if the companion does not want it.
 */
int gw_rings_start(struct gw_companion *c)
{
	struct gw_rings *r = &c->rings;
	struct gw_ring *hdr;

	r->size = 1U << RING_SHIFT;
	r->bytes = GW_RING_HEADER_BYTES + r->size * (sizeof(*r->sq) + sizeof(*r->cq));
	r->by_tag = kcalloc(r->size, sizeof(*r->by_tag), GFP_KERNEL);
	/* the host is a CPU too, so this is memory like any other, not that of a device */
	if (c->shared)
		hdr = memset((void *)c->shared + SHARED_RING, 0, r->bytes);
	else
		hdr = alloc_pages_exact(r->bytes, GFP_KERNEL | __GFP_ZERO);
	if (!r->by_tag || !hdr)
		goto free;
	r->sq = (void *)hdr + GW_RING_HEADER_BYTES;
	r->cq = (void *)(r->sq + r->size);
	if (ring_enable(c, hdr))
		goto free;
	r->hdr = hdr;
	return 0;
free:
	if (hdr && !c->shared)
		free_pages_exact(hdr, r->bytes);
	kfree(r->by_tag);
	r->by_tag = NULL;
	return hdr ? -EIO : -ENOMEM;
}

/**
 * gw_rings_restart() - start the ring again, after a reset of the companion
 * @c: the companion, of which nothing is asked meanwhile
 *
 * Return: 0, -EIO if the companion does not want it.
 */
int gw_rings_restart(struct gw_companion *c)
{
	struct gw_rings *r = &c->rings;

	r->tail = 0;
	r->head = 0;
	r->broken = false;
	/* not the generation, nor what was dropped: others look at those at any time */
	r->hdr->sq_tail = 0;
	r->hdr->cq_head = 0;
	r->hdr->sq_head = 0;
	r->hdr->cq_tail = 0;
	r->hdr->sq_event = 0;
	return ring_enable(c, r->hdr);
}

/**
 * gw_rings_stop() - stop the ring, if there is one
 * @c: the companion; nobody submits any more
 */
void gw_rings_stop(struct gw_companion *c)
{
	struct gw_rings *r = &c->rings;
	unsigned long flags;

	if (!r->hdr)
		return;
	spin_lock_irqsave(&r->lock, flags);
	r->broken = true;
	spin_unlock_irqrestore(&r->lock, flags);
	gw_companion_write(c, GW_REG_RING_ENABLE, 0);
	if (!c->shared)
		free_pages_exact(r->hdr, r->bytes);
	kfree(r->by_tag);
	r->hdr = NULL;
	r->by_tag = NULL;
}

static void ring_doorbell(struct gw_companion *c)
{
	gw_count(c, GW_STAT_DOORBELLS);
	c->transport->kick(c);
}

/* gw_request_write() - what the host is to read */
void gw_request_write(struct gw_request *req, u32 tag, struct gw_ring_sqe *sqe)
{
	req->nr = 0;
	req->status = GW_STATUS_IOERR;
	*sqe = (struct gw_ring_sqe) {
		.op = cpu_to_le16(req->op),
		.tag = cpu_to_le32(tag),
		.addr = cpu_to_le64(req->op == GW_RING_MAP ? req->addr : req->handle),
		.len = cpu_to_le64(req->len),
		.last = cpu_to_le64(req->last),
	};
}

/* gw_request_read() - what the host has written; return whether there is more to come */
bool gw_request_read(struct gw_request *req, const struct gw_ring_cqe *cqe)
{
	req->status = le16_to_cpu(cqe->status);
	if (req->op != GW_RING_UNMAP && req->status == GW_STATUS_OK) {
		req->handle = le64_to_cpu(cqe->handle);
		if (!req->nr) {
			req->iova = le64_to_cpu(cqe->iova);
			req->mapped = le64_to_cpu(cqe->len);
		}
		req->nr = min(req->nr + 1, 2);
	}
	return le16_to_cpu(cqe->flags) & GW_RING_F_MORE;
}

/* Write as many requests as there is room for, from @req on, and show them to the host. */
static struct gw_request *ring_push(struct gw_companion *c, struct list_head *requests,
				    struct gw_request *req, u32 *count)
{
	struct gw_rings *r = &c->rings;
	u32 n = 0, event;

	list_for_each_entry_from(req, requests, node) {
		if (n == r->size)
			break;
		r->by_tag[n] = req;
		gw_request_write(req, n, &r->sq[(r->tail + n) & (r->size - 1)]);
		n++;
		gw_count(c, GW_STAT_REQUESTS);
	}
	r->tail += n;
	/* entries before the tail; pairs with the host's acquire of sq_tail */
	virt_store_release(&r->hdr->sq_tail, cpu_to_le32(r->tail));
	/*
	 * Pairs with the full barrier of the host between its sq_event and its last look at
	 * sq_tail: either we see that it wants a doorbell, or it sees the tail.
	 */
	virt_mb();
	event = le32_to_cpu(READ_ONCE(r->hdr->sq_event));
	if (r->tail - event - 1 < n)
		ring_doorbell(c);
	*count = n;
	return req;
}

/* Take one completion. Return whether that was the last of its request, or -EIO for nonsense. */
static int ring_take(struct gw_rings *r, const struct gw_ring_cqe *shared)
{
	struct gw_ring_cqe cqe;
	struct gw_request *req;
	u32 tag;

	memcpy(&cqe, shared, sizeof(cqe));
	tag = le32_to_cpu(cqe.tag);
	req = tag < r->size ? r->by_tag[tag] : NULL;
	if (!req)
		return -EIO;
	if (gw_request_read(req, &cqe))
		return 0;
	r->by_tag[tag] = NULL;
	return 1;
}

/* Take what has been answered; subtract it from *@pending. Return how many entries there were. */
static int ring_reap(struct gw_rings *r, u32 *pending)
{
	/* before the completions; pairs with the host's release of cq_tail */
	u32 tail = le32_to_cpu(virt_load_acquire(&r->hdr->cq_tail));
	u32 n = tail - r->head;
	int ret;

	if (n > r->size)
		return -EIO;
	while (r->head != tail) {
		ret = ring_take(r, &r->cq[r->head & (r->size - 1)]);
		if (ret < 0 || (u32)ret > *pending)
			return -EIO;
		*pending -= ret;
		r->head++;
	}
	if (!n)
		return 0;
	/* after they were read; pairs with the host's acquire of cq_head, who writes there again */
	virt_store_release(&r->hdr->cq_head, cpu_to_le32(r->head));
	return n;
}

/* Wait until @pending requests are answered. */
static int ring_wait(struct gw_companion *c, u32 pending)
{
	unsigned int rung = 0;
	unsigned int most = c->shared ? MAX_KICKS : MAX_DOORBELLS;
	u64 start = ktime_get_mono_fast_ns();
	int n;

	for (;;) {
		n = ring_reap(&c->rings, &pending);
		if (n < 0)
			return n;
		if (!pending)
			return 0;
		if (n) {
			rung = 0;
			start = ktime_get_mono_fast_ns();
		} else if (ktime_get_mono_fast_ns() - start > PATIENCE_NS << rung) {
			if (rung++ == most)
				return -EIO;
			ring_doorbell(c);
			start = ktime_get_mono_fast_ns();
		}
		cpu_relax();
	}
}

/**
 * gw_rings_submit() - have the host do what is asked, by the ring
 * @c:        the companion
 * @requests: list of struct gw_request; the answers are left in them
 *
 * Return: 0; -EIO if the host did not answer all of them sensibly, now or earlier; -EBUSY if the
 * companion is being reset.
 * Context: any; does not sleep.
 */
int gw_rings_submit(struct gw_companion *c, struct list_head *requests)
{
	struct gw_request *req = list_first_entry(requests, struct gw_request, node);
	struct gw_rings *r = &c->rings;
	unsigned long flags;
	int ret = 0;
	u32 n;

	if (list_empty(requests))
		return 0;
	spin_lock_irqsave(&r->lock, flags);
	while (!ret && !r->broken && !c->paused && !list_entry_is_head(req, requests, node)) {
		req = ring_push(c, requests, req, &n);
		ret = ring_wait(c, n);
	}
	if (ret) {
		r->broken = true;
		memset(r->by_tag, 0, r->size * sizeof(*r->by_tag));
		dev_err(c->dev, "does not answer; nothing more will be mapped\n");
	}
	ret = c->paused ? -EBUSY : r->broken ? -EIO : 0;
	spin_unlock_irqrestore(&r->lock, flags);
	return ret;
}
