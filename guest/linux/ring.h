/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GANGWAY_RING_H
#define GANGWAY_RING_H

#include <linux/list.h>
#include <linux/spinlock.h>

#include "gangway-abi.h"

struct gw_companion;

/**
 * struct gw_request - one thing that the host is asked to do
 * @node:   in the list that gw_rings_submit() gets
 * @op:     GW_RING_*
 * @status: GW_STATUS_*
 * @nr:     answers: 1, or more where a mapping is in pieces, of which the first is what is kept
 * @addr:   physical address to map
 * @len:    bytes to map
 * @last:   MAP: the last address that the function can put out; 0: any
 * @handle: what UNMAP undoes; MAP sets it
 * @iova:   the answer: where the function sees it
 * @mapped: the answer: how many bytes
 */
struct gw_request {
	struct list_head node;
	u16 op;
	u16 status;
	u16 nr;
	u64 addr;
	u64 len;
	u64 last;
	u64 handle;
	u64 iova;
	u64 mapped;
};

/**
 * gw_request_error() - what a status is in Linux
 * @req: a request that was answered
 *
 * Return: 0; -ENOMEM if there is no room, -ERANGE if none is within the function's reach, -EXDEV
 * if the memory has to be mapped in parts, -EIO for anything else.
 */
static inline int gw_request_error(const struct gw_request *req)
{
	switch (req->status) {
	case GW_STATUS_OK:
		return 0;
	case GW_STATUS_NOSPC:
	case GW_STATUS_NOROOM:
		return -ENOMEM;
	case GW_STATUS_RANGE:
		return -ERANGE;
	case GW_STATUS_SPLIT:
		return -EXDEV;
	default:
		return -EIO;
	}
}

/* The ring; see ring.c. Protected by @lock, apart from what is set up before the first request. */
struct gw_rings {
	spinlock_t lock;
	struct gw_ring *hdr;
	struct gw_ring_sqe *sq;
	struct gw_ring_cqe *cq;
	struct gw_request **by_tag;
	size_t bytes;
	u32 size;
	u32 tail, head;
	bool broken;
};

void gw_request_write(struct gw_request *req, u32 tag, struct gw_ring_sqe *sqe);
bool gw_request_read(struct gw_request *req, const struct gw_ring_cqe *cqe);
int gw_rings_start(struct gw_companion *c);
int gw_rings_restart(struct gw_companion *c);
void gw_rings_stop(struct gw_companion *c);
int gw_rings_submit(struct gw_companion *c, struct list_head *requests);

#endif
