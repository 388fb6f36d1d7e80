/* SPDX-License-Identifier: BSD-3-Clause */
#include "cq.h"

#include <errno.h>
#include <string.h>

#include "base/guard.h"
#include "base/util.h"
#include "nvme.h"
#include "state.h"

/*
 * How it works: a fetched command has an entry of its completion queue reserved, so posting never
 * waits, and a host that does not take its completions only stops its own queues.
 *
 * Interrupts: while the host works off entries that it was told of, more may be posted silently, as
 * it looks for them before it moves its head. The host is told again when the head moves and
 * entries are left, when the worker is about to sleep, or when HOLD_NS have passed.
 */
#define POST_BATCH	32u
#define HOLD_NS		50000u

void gw_nvme_cq_open(struct nvme *nv, unsigned int id, gw_iova base, uint32_t size,
		     unsigned int vector, bool irq_on)
{
	struct nvme_cq *cq = &nv->cq[id];

	*cq = (struct nvme_cq){
		.live = true, .phase = true, .irq_on = irq_on, .id = (uint16_t)id,
		.vector = (uint16_t)vector, .base = base, .size = size, .published = ~0u,
		.bad_head = ~0u, .head_at_irq = ~0u,
	};
	TAILQ_INIT(&cq->done);
	if (id > nv->top_cq)
		nv->top_cq = id;
	atomic_store(&nv->db[id].head, 0);
	atomic_store(&nv->db[id].head_wanted, false);
	atomic_store(&nv->db[id].cq_size, size);
}

void gw_nvme_cq_close(struct nvme *nv, struct nvme_cq *cq)
{
	struct nvme_cmd *cmd;

	atomic_store(&nv->db[cq->id].cq_size, 0);
	if (!cq->live)
		return;
	while ((cmd = TAILQ_FIRST(&cq->done))) {
		TAILQ_REMOVE(&cq->done, cmd, link);
		gw_nvme_cmd_put(nv, cmd);
	}
	cq->live = false;
	while (nv->top_cq && !nv->cq[nv->top_cq].live)
		nv->top_cq--;
}

static uint32_t cq_used(const struct nvme_cq *cq)
{
	return cq->tail >= cq->head ? cq->tail - cq->head : cq->tail + cq->size - cq->head;
}

static bool cq_head(struct nvme *nv, struct nvme_cq *cq, uint32_t *head)
{
	uint32_t val;

	*head = atomic_load(&nv->db[cq->id].head);
	if (!nv->shadow.on)
		return true;
	if (gw_nvme_shadow_load(nv, 2u * cq->id + 1, &val))
		return false;
	if (cq->id || nv->shadow.admin)
		*head = val;
	return true;
}

void gw_nvme_cq_refresh(struct nvme *nv, struct nvme_cq *cq)
{
	uint32_t head, step;

	if (!cq_head(nv, cq, &head) || head == cq->head)
		return;
	step = head >= cq->head ? head - cq->head : head + cq->size - cq->head;
	if (head < cq->size && step <= cq_used(cq)) {
		cq->head = head;
		if (cq->starved)
			atomic_store(&nv->db[cq->id].head_wanted, false);
		cq->starved = false;
		cq->bad_head = ~0u;
	} else if (cq->bad_head != head) {
		cq->bad_head = head;
		gw_log_guest(nv->log, "nvme: head %u of completion queue %u frees entries that"
			     " were never posted", head, cq->id);
		gw_nvme_event(nv, NVME_EVENT_ERROR, NVME_EVENT_BAD_VALUE);
	}
}

uint32_t gw_nvme_cq_room(struct nvme *nv, struct nvme_cq *cq, uint32_t want)
{
	uint32_t room = cq->size - 1 - cq_used(cq) - cq->reserved;

	if (room < want) {
		gw_nvme_cq_refresh(nv, cq);
		room = cq->size - 1 - cq_used(cq) - cq->reserved;
	}
	cq->starved = !room;
	return room < want ? room : want;
}

struct cqe {
	uint32_t result, reserved, sq, status;
};
_Static_assert(sizeof(struct cqe) == NVME_CQE_SIZE, "NVMe 1.4, 4.6");

static unsigned int fill(struct nvme_cq *cq, struct cqe *cqe)
{
	struct nvme_cmd *cmd = TAILQ_FIRST(&cq->done);
	unsigned int n = 0;

	for (; cmd && n < POST_BATCH && cq->tail + n < cq->size; cmd = TAILQ_NEXT(cmd, link))
		cqe[n++] = (struct cqe){
			.result = cmd->result,
			.sq = cmd->sqhd | (uint32_t)cmd->sqid << 16,
			.status = cmd->sqe.cid | (uint32_t)cq->phase << 16 |
				  (uint32_t)cmd->status << 17,
		};
	return n;
}

/* The dword with the phase goes last, so that the host never sees half an entry. */
static int store_entries(const struct cqe *cqe, unsigned int n, uint8_t *at)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < n && !ret; i++, at += sizeof(*cqe)) {
		ret = gw_guard_copy(at, &cqe[i], offsetof(struct cqe, status));
		if (!ret)
			ret = gw_guard_store32((uint32_t *)(at + offsetof(struct cqe, status)),
					       cqe[i].status);
	}
	return ret ? -EIO : 0;
}

static int write_entries(struct nvme *nv, gw_iova at, const struct cqe *cqe, unsigned int n)
{
	struct iovec iov;
	struct gw_endpoint_pin pin = { .iov = &iov, .max_iov = 1 };
	size_t len = n * sizeof(*cqe);
	int ret = gw_endpoint_pin(&nv->ep, at, len, GW_DMA_WRITE, &pin);

	if (ret == -EOPNOTSUPP || ret == -E2BIG)
		return gw_endpoint_dma_write(&nv->ep, at, cqe, len);
	if (ret)
		return ret;
	ret = store_entries(cqe, n, iov.iov_base);
	gw_endpoint_unpin(&nv->ep, &pin);
	return ret;
}

static void posted(struct nvme *nv, struct nvme_cq *cq, unsigned int n)
{
	struct nvme_cmd *cmd;

	cq->tail += n;
	if (cq->tail == cq->size) {
		cq->tail = 0;
		cq->phase = !cq->phase;
	}
	cq->reserved -= n;
	cq->untold += n;
	while (n--) {
		cmd = TAILQ_FIRST(&cq->done);
		TAILQ_REMOVE(&cq->done, cmd, link);
		gw_nvme_cmd_put(nv, cmd);
	}
}

static bool post_one(struct nvme *nv, struct nvme_cq *cq)
{
	struct cqe cqe[POST_BATCH];
	bool did = false;

	while (!nv->dead && !TAILQ_EMPTY(&cq->done)) {
		gw_iova at = { cq->base.v + (uint64_t)cq->tail * NVME_CQE_SIZE };
		unsigned int n = fill(cq, cqe);

		if (gw_nvme_dma_failed(nv, write_entries(nv, at, cqe, n), "completion queue"))
			break;
		posted(nv, cq, n);
		did = true;
	}
	return did;
}

bool gw_nvme_post(struct nvme *nv)
{
	unsigned int i;
	bool did = false;

	if (!nv->ready || nv->quiet)
		return false;
	for (i = nv->top_cq + 1; i-- && !nv->dead;)
		if (nv->cq[i].live)
			did |= post_one(nv, &nv->cq[i]);
	return did;
}

/* 5.21.1.8: may this one wait for more? */
static bool coalesce(struct nvme *nv, struct nvme_cq *cq, uint64_t now)
{
	uint32_t threshold = (nv->feat.coalescing & 0xff) + 1;
	uint64_t wait = (uint64_t)(nv->feat.coalescing >> 8 & 0xff) * 100000;

	if (!cq->id || !wait || nv->feat.no_coalescing[cq->vector] || cq->untold >= threshold)
		return false;
	if (!cq->hold_until)
		cq->hold_until = now + wait;
	if (now >= cq->hold_until)
		return false;
	if (!nv->wake_at || cq->hold_until < nv->wake_at)
		nv->wake_at = cq->hold_until;
	return true;
}

static bool host_is_busy(struct nvme_cq *cq, uint64_t now)
{
	if (cq->head != cq->head_at_irq || cq_used(cq) <= cq->untold)
		return false;
	if (!cq->hold_until)
		cq->hold_until = now + HOLD_NS;
	return now < cq->hold_until;
}

static bool signal_one(struct nvme *nv, struct nvme_cq *cq, bool all, uint64_t now)
{
	gw_nvme_cq_refresh(nv, cq);
	if (cq->irq_on && cq_used(cq)) {
		if (coalesce(nv, cq, now) || (!all && host_is_busy(cq, now)))
			return true;
		gw_endpoint_irq(&nv->ep, cq->vector);
		cq->head_at_irq = cq->head;
	}
	cq->untold = 0;
	cq->hold_until = 0;
	return false;
}

bool gw_nvme_signal(struct nvme *nv, bool all)
{
	uint64_t now = 0;
	unsigned int i;
	bool held = false;

	nv->wake_at = 0;
	if (!nv->ready || nv->quiet || nv->dead)
		return false;
	for (i = 0; i <= nv->top_cq; i++) {
		struct nvme_cq *cq = &nv->cq[i];

		if (!cq->live || !cq->untold)
			continue;
		if (!now)
			now = gw_now_ns();
		held |= signal_one(nv, cq, all, now);
	}
	return held;
}
