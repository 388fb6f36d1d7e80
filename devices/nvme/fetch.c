/* SPDX-License-Identifier: BSD-3-Clause */
#include "fetch.h"

#include "start.h"
#include "state.h"

/* Fetching commands. */
#define FETCH_BURST	16u
#define KEEP_FOR_ADMIN	16u		/* commands that I/O queues leave idle */
#define KEEP_FOR_US	2u

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
	uint32_t n = gw_nvme_sq_waiting(nv, sq), i;
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

bool gw_nvme_work_waits(struct nvme *nv)
{
	unsigned int i;

	for (i = 0; i <= nv->top_sq && may_fetch(nv); i++) {
		struct nvme_sq *sq = &nv->sq[i];
		uint32_t n;

		if (!sq->live || sq->deleting)
			continue;
		n = gw_nvme_sq_waiting(nv, sq);
		if (n && sq_allowance(nv, sq, n))
			return true;
	}
	return false;
}

void gw_nvme_want_room(struct nvme *nv, bool on)
{
	unsigned int i;

	for (i = 0; i <= nv->top_cq; i++)
		if (nv->cq[i].starved)
			atomic_store(&nv->db[i].head_wanted, on);
}
