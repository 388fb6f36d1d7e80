/* SPDX-License-Identifier: BSD-3-Clause */
#include "shadow.h"

#include <errno.h>

#include "base/guard.h"
#include "nvme.h"
#include "runs.h"
#include "state.h"

/*
 * Shadow doorbells (NVMe 1.4, 5.7 and 7.13): the host writes its doorbells to a page of memory
 * and rings the real one only when the value passes the event index that we wrote beside it.
 * Entry 2 * queue is a submission tail, the next one a completion head, as with CAP.DSTRD 0.
 *
 * The page is pinned from shadow_begin() to shadow_end(), which is one round of the worker and
 * never a sleep, so that the memory can be unmapped at any time. Memory of a VMM that has to be
 * asked is copied once a round instead.
 */
#define SHADOW_BYTES	(2 * NVME_NR_QUEUES * sizeof(uint32_t))

void gw_nvme_shadow_begin(struct nvme *nv)
{
	struct nvme_shadow *s = &nv->shadow;
	int ret;

	if (!s->on || s->at || nv->quiet || nv->dead)
		return;
	s->pin = (struct gw_endpoint_pin){ .iov = &s->iov, .max_iov = 1 };
	ret = s->remote ? -EOPNOTSUPP :
	      gw_endpoint_pin(&nv->ep, s->db, SHADOW_BYTES, GW_DMA_READ, &s->pin);
	if (!ret) {
		s->at = s->iov.iov_base;
		return;
	}
	if (ret == -EOPNOTSUPP || ret == -E2BIG) {
		s->remote = true;
		ret = gw_endpoint_dma_read(&nv->ep, s->db, s->copy, SHADOW_BYTES);
	}
	gw_nvme_dma_failed(nv, ret, "shadow doorbells");
}

void gw_nvme_shadow_end(struct nvme *nv)
{
	if (nv->shadow.at)
		gw_endpoint_unpin(&nv->ep, &nv->shadow.pin);
	nv->shadow.at = NULL;
}

int gw_nvme_shadow_load(struct nvme *nv, unsigned int index, uint32_t *val)
{
	struct nvme_shadow *s = &nv->shadow;

	if (s->at) {
		if (!gw_guard_load32(s->at + index, val))
			return 0;
		gw_nvme_dma_failed(nv, -EIO, "shadow doorbells");
		return -EAGAIN;
	}
	if (!s->remote || nv->quiet || nv->dead)
		return -EAGAIN;
	*val = s->copy[index];
	return 0;
}

static int store_index(struct nvme *nv, uint32_t *at, unsigned int index, uint32_t val)
{
	gw_iova to = { nv->shadow.ei.v + index * sizeof(val) };

	if (at)
		return gw_guard_store32(at + index, val) ? -EIO : 0;
	return gw_endpoint_dma_write(&nv->ep, to, &val, sizeof(val));
}

/* What the host must pass to ring the bell: every tail, and the head of a queue without room. */
static int publish(struct nvme *nv, uint32_t *at)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i <= nv->top_sq && !ret; i++) {
		struct nvme_sq *sq = &nv->sq[i];

		if (sq->live && sq->published != sq->head) {
			ret = store_index(nv, at, 2 * i, sq->head);
			sq->published = sq->head;
		}
	}
	for (i = 0; i <= nv->top_cq && !ret; i++) {
		struct nvme_cq *cq = &nv->cq[i];

		if (cq->live && cq->starved && cq->published != cq->head) {
			ret = store_index(nv, at, 2 * i + 1, cq->head);
			cq->published = cq->head;
		}
	}
	return ret;
}

void gw_nvme_shadow_publish(struct nvme *nv)
{
	struct nvme_shadow *s = &nv->shadow;
	struct iovec iov;
	struct gw_endpoint_pin pin = { .iov = &iov, .max_iov = 1 };
	int ret;

	if (!s->on || nv->quiet || nv->dead)
		return;
	ret = s->remote ? -EOPNOTSUPP :
	      gw_endpoint_pin(&nv->ep, s->ei, SHADOW_BYTES, GW_DMA_WRITE, &pin);
	if (!ret) {
		ret = publish(nv, iov.iov_base);
		gw_endpoint_unpin(&nv->ep, &pin);
	} else if (ret == -EOPNOTSUPP || ret == -E2BIG) {
		ret = publish(nv, NULL);
		/* the copy is older than what was published */
		if (!ret && s->remote)
			ret = gw_endpoint_dma_read(&nv->ep, s->db, s->copy, SHADOW_BYTES);
	}
	gw_nvme_dma_failed(nv, ret, "event indexes");
	__sync_synchronize();	/* the index is visible before the doorbells are read again */
}

/* A queue in use whose entry is still zero: the host has not begun to use the buffer for it. */
static int adopt(struct nvme *nv, unsigned int id)
{
	gw_iova at = { nv->shadow.db.v + 2 * id * sizeof(uint32_t) };
	uint32_t val[2], now[2];
	int ret = gw_endpoint_dma_read(&nv->ep, at, val, sizeof(val));

	if (ret)
		return ret;
	if (!id) {
		nv->shadow.admin_first = val[0];
		return 0;
	}
	now[0] = nv->sq[id].live ? atomic_load(&nv->db[id].tail) : 0;
	now[1] = nv->cq[id].live ? atomic_load(&nv->db[id].head) : 0;
	if ((val[0] || !now[0]) && (val[1] || !now[1]))
		return 0;
	val[0] = val[0] ? val[0] : now[0];
	val[1] = val[1] ? val[1] : now[1];
	return gw_endpoint_dma_write(&nv->ep, at, val, sizeof(val));
}

int gw_nvme_shadow_config(struct nvme *nv, struct nvme_cmd *cmd)
{
	struct nvme_shadow *s = &nv->shadow;
	unsigned int i;
	int ret = 0;

	if (cmd->sqe.flags >> 6 || !cmd->sqe.prp1 || !cmd->sqe.prp2)
		return NVME_INVALID_FIELD;
	if ((cmd->sqe.prp1 | cmd->sqe.prp2) & (nv->page_size - 1))
		return NVME_PRP_OFFSET;
	gw_nvme_shadow_end(nv);
	s->on = false;
	s->admin = s->remote = false;
	s->db.v = cmd->sqe.prp1;
	s->ei.v = cmd->sqe.prp2;
	for (i = 0; i < NVME_NR_QUEUES && !ret; i++) {
		nv->sq[i].published = nv->cq[i].published = ~0u;
		nv->sq[i].bad_tail = nv->cq[i].bad_head = ~0u;
		if (!i || nv->sq[i].live || nv->cq[i].live)
			ret = adopt(nv, i);
	}
	if (ret)
		return gw_nvme_dma_status(ret);
	s->on = true;
	gw_nvme_shadow_begin(nv);
	return NVME_OK;
}
