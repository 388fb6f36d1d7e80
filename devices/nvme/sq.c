/* SPDX-License-Identifier: BSD-3-Clause */
#include "sq.h"

#include <string.h>

#include "nvme.h"

/* Submission queues, and where their tails come from. */

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

uint32_t gw_nvme_sq_waiting(struct nvme *nv, struct nvme_sq *sq)
{
	uint32_t tail = sq_tail(nv, sq);

	return tail >= sq->head ? tail - sq->head : tail + sq->size - sq->head;
}

