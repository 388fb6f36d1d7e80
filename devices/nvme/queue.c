/* SPDX-License-Identifier: BSD-3-Clause */
#include "nvme.h"

#include <string.h>

/* Submission queues: where tails come from, and fetching commands. */

#define FETCH_BURST	16u
#define KEEP_FOR_ADMIN	16u		/* commands that I/O queues leave idle */
#define KEEP_FOR_US	2u

void gw_nvme_sq_open(struct nvme *nv, unsigned int id, gw_iova base, uint32_t size,
		     unsigned int cqid)
{
	nv->sq[id] = (struct nvme_sq){
		.live = true, .id = (uint16_t)id, .cqid = (uint16_t)cqid, .base = base,
		.size = size, .published = ~0u, .bad_tail = ~0u,
	};
	nv->cq[cqid].nr_sqs++;
	if (id > nv->top_sq)
		nv->top_sq = id;
	atomic_store(&nv->db[id].tail, 0);
	atomic_store(&nv->db[id].sq_size, size);
}

void gw_nvme_sq_close(struct nvme *nv, struct nvme_sq *sq)
{
	atomic_store(&nv->db[sq->id].sq_size, 0);
	if (sq->live)
		nv->cq[sq->cqid].nr_sqs--;
	sq->live = sq->deleting = false;
	while (nv->top_sq && !nv->sq[nv->top_sq].live)
		nv->top_sq--;
}

static void bad_tail(struct nvme *nv, struct nvme_sq *sq, uint32_t tail)
{
	if (sq->bad_tail == tail)
		return;
	sq->bad_tail = tail;
	gw_log_guest(nv->log, "nvme: tail %u of submission queue %u is outside its %u entries",
		     tail, sq->id, sq->size);
	gw_nvme_event(nv, NVME_EVENT_ERROR, NVME_EVENT_BAD_VALUE);
}

/* Queue 0: drivers exist that never use the buffer for it, so it has to be seen to change. */
static bool shadowed(struct nvme *nv, unsigned int id, uint32_t val)
{
	if (!id && val != nv->shadow.admin_first)
		nv->shadow.admin = true;
	return id || nv->shadow.admin;
}

static uint32_t sq_tail(struct nvme *nv, struct nvme_sq *sq)
{
	uint32_t tail = atomic_load(&nv->db[sq->id].tail), val;

	if (nv->shadow.on) {
		if (gw_nvme_shadow_load(nv, 2u * sq->id, &val))
			return sq->head;
		if (shadowed(nv, sq->id, val))
			tail = val;
	}
	if (tail < sq->size)
		return tail;
	bad_tail(nv, sq, tail);
	return sq->head;
}

static uint32_t sq_waiting(struct nvme *nv, struct nvme_sq *sq)
{
	uint32_t tail = sq_tail(nv, sq);

	return tail >= sq->head ? tail - sq->head : tail + sq->size - sq->head;
}

static uint32_t sq_allowance(struct nvme *nv, struct nvme_sq *sq, uint32_t want)
{
	uint32_t keep = sq->id ? KEEP_FOR_ADMIN : KEEP_FOR_US;
	uint32_t room;

	if (want > FETCH_BURST)
		want = FETCH_BURST;
	if (want > sq->size - sq->head)
		want = sq->size - sq->head;
	if (nv->nr_idle <= keep)
		return 0;
	if (want > nv->nr_idle - keep)
		want = nv->nr_idle - keep;
	room = gw_nvme_cq_room(nv, &nv->cq[sq->cqid], want);
	return want < room ? want : room;
}

static void sq_begin(struct nvme *nv, struct nvme_sq *sq, const struct nvme_sqe *sqe)
{
	struct nvme_cmd *cmd = gw_nvme_cmd_get(nv);

	sq->head = sq->head + 1 == sq->size ? 0 : sq->head + 1;
	sq->nr_fetched++;
	nv->nr_commands++;
	cmd->sqe = *sqe;
	cmd->sqid = sq->id;
	cmd->cqid = sq->cqid;
	nv->cq[sq->cqid].reserved++;
	gw_nvme_cmd_start(nv, cmd);
}

static bool sq_fetch(struct nvme *nv, struct nvme_sq *sq)
{
	struct nvme_sqe sqe[FETCH_BURST];
	uint32_t n = sq_waiting(nv, sq), i;
	gw_iova at;

	if (n)
		n = sq_allowance(nv, sq, n);
	if (!n)
		return false;
	at.v = sq->base.v + (uint64_t)sq->head * NVME_SQE_SIZE;
	if (gw_nvme_dma_failed(nv, gw_endpoint_dma_read(&nv->ep, at, sqe, n * NVME_SQE_SIZE),
			       "submission queue"))
		return false;
	for (i = 0; i < n && nv->ready && !nv->dead && !sq->deleting && sq->live; i++)
		sq_begin(nv, sq, &sqe[i]);
	return true;
}

static bool may_fetch(const struct nvme *nv)
{
	return nv->ready && !nv->dead && !nv->quiet;
}

/** gw_nvme_fetch() - start what waits, a burst of each queue in turn. Return: any was */
bool gw_nvme_fetch(struct nvme *nv)
{
	unsigned int i, n = nv->top_sq + 1;
	bool did = false;

	for (i = 0; i < n && may_fetch(nv); i++) {
		struct nvme_sq *sq = &nv->sq[(nv->next_sq + i) % n];

		if (sq->live && !sq->deleting)
			did |= sq_fetch(nv, sq);
	}
	nv->next_sq++;
	return did;
}

/** gw_nvme_work_waits() - is there a command that could be fetched now? */
bool gw_nvme_work_waits(struct nvme *nv)
{
	unsigned int i;

	for (i = 0; i <= nv->top_sq && may_fetch(nv); i++) {
		struct nvme_sq *sq = &nv->sq[i];
		uint32_t n;

		if (!sq->live || sq->deleting)
			continue;
		n = sq_waiting(nv, sq);
		if (n && sq_allowance(nv, sq, n))
			return true;
	}
	return false;
}

/** gw_nvme_want_room() - shall a doorbell of a full completion queue wake us? */
void gw_nvme_want_room(struct nvme *nv, bool on)
{
	unsigned int i;

	for (i = 0; i <= nv->top_cq; i++)
		if (nv->cq[i].starved)
			atomic_store(&nv->db[i].head_wanted, on);
}
