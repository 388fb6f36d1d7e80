/* SPDX-License-Identifier: BSD-3-Clause */
#include "admin_queue.h"

#include "end.h"

/* Create and delete I/O queues (5.3 to 5.6). */

#define QUEUE_CONTIGUOUS	1u
#define QUEUE_IRQ		2u

static uint16_t low(uint32_t v)
{
	return (uint16_t)v;
}

static uint16_t high(uint32_t v)
{
	return (uint16_t)(v >> 16);
}

/* What both kinds of queue have in common. CAP.CQR: only contiguous ones (3.1.1). */
static int check_memory(struct nvme *nv, const struct nvme_sqe *e)
{
	uint32_t entries = high(e->cdw10) + 1u;

	if (entries < 2 || entries > NVME_MAX_ENTRIES)
		return NVME_QSIZE_INVALID;
	if (!(e->cdw11 & QUEUE_CONTIGUOUS))
		return NVME_INVALID_FIELD;
	if (e->prp1 & (nv->page_size - 1))
		return NVME_PRP_OFFSET;
	return NVME_OK;
}

/* The entry sizes may be set after CC.EN, but before the first I/O queue (3.1.5). */
static uint32_t configured(struct nvme *nv)
{
	uint32_t cc;

	pthread_mutex_lock(&nv->regs.lock);
	cc = nv->regs.cc;
	pthread_mutex_unlock(&nv->regs.lock);
	return cc;
}

int gw_nvme_create_cq(struct nvme *nv, struct nvme_cmd *cmd)
{
	const struct nvme_sqe *e = &cmd->sqe;
	uint16_t id = low(e->cdw10);
	int ret;

	if (!id || id > nv->feat.nr_cqs || nv->cq[id].live)
		return NVME_QID_INVALID;
	ret = check_memory(nv, e);
	if (ret)
		return ret;
	if (high(e->cdw11) >= NVME_NR_VECTORS)
		return NVME_VECTOR_INVALID;
	if (NVME_CC_IOCQES(configured(nv)) != 4)
		return NVME_INVALID_FIELD;
	gw_nvme_cq_open(nv, id, (gw_iova){ e->prp1 }, high(e->cdw10) + 1u, high(e->cdw11),
			e->cdw11 & QUEUE_IRQ);
	return NVME_OK;
}

int gw_nvme_create_sq(struct nvme *nv, struct nvme_cmd *cmd)
{
	const struct nvme_sqe *e = &cmd->sqe;
	uint16_t id = low(e->cdw10), cqid = high(e->cdw11);
	int ret;

	if (!cqid || cqid >= NVME_NR_QUEUES || !nv->cq[cqid].live) {
		/* an identifier out of range differs from a queue that is not there (5.4.1) */
		return !cqid || cqid > nv->feat.nr_cqs ? NVME_QID_INVALID : NVME_CQ_INVALID;
	}
	if (!id || id > nv->feat.nr_sqs || nv->sq[id].live)
		return NVME_QID_INVALID;
	ret = check_memory(nv, e);
	if (ret)
		return ret;
	if (NVME_CC_IOSQES(configured(nv)) != 6)
		return NVME_INVALID_FIELD;
	gw_nvme_sq_open(nv, id, (gw_iova){ e->prp1 }, high(e->cdw10) + 1u, cqid);
	return NVME_OK;
}

int gw_nvme_delete_cq(struct nvme *nv, struct nvme_cmd *cmd)
{
	uint16_t id = low(cmd->sqe.cdw10);

	if (!id || id >= NVME_NR_QUEUES || !nv->cq[id].live)
		return NVME_QID_INVALID;
	if (nv->cq[id].nr_sqs)
		return NVME_Q_DELETION;
	gw_nvme_post(nv);	/* of a queue that was just deleted */
	gw_nvme_cq_close(nv, &nv->cq[id]);
	return NVME_OK;
}

int gw_nvme_delete_sq(struct nvme *nv, struct nvme_cmd *cmd)
{
	uint16_t id = low(cmd->sqe.cdw10);
	struct nvme_cmd *c, *next;
	struct nvme_sq *sq;

	if (!id || id >= NVME_NR_QUEUES || !nv->sq[id].live || nv->sq[id].deleting)
		return NVME_QID_INVALID;
	sq = &nv->sq[id];
	if (!sq->nr_fetched) {
		gw_nvme_sq_close(nv, sq);
		return NVME_OK;
	}
	sq->deleting = true;
	sq->deleter = cmd;
	for (c = TAILQ_FIRST(&nv->fetched); c; c = next) {
		next = TAILQ_NEXT(c, all);
		if (c->sqid != id)
			continue;
		if (!c->cancel)
			c->cancel = NVME_ABORT_SQ_DELETED;
		gw_nvme_cancel(nv, c);
	}
	return NVME_PENDING;
}
