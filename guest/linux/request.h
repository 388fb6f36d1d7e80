/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GANGWAY_REQUEST_H
#define GANGWAY_REQUEST_H

#include <linux/errno.h>
#include <linux/list.h>

#include "gangway-abi.h"

/* What the host answered to a map: consecutive pieces of the range, each with its address. */
struct gw_segment {
	u64 iova, len;
};

/**
 * struct gw_request - one thing that the host is asked to do
 * @node:   in the list that gw_rings_submit() gets
 * @op:     GW_RING_*
 * @status: GW_STATUS_*
 * @room:   elements of @segs
 * @nr:     segments answered; if more than @room, the last are lost
 * @addr:   physical address to map
 * @len:    bytes to map
 * @last:   MAP: the last address that the function can put out; 0: any
 * @handle: what UNMAP undoes; MAP sets it
 * @segs:   room for the answer to MAP
 */
struct gw_request {
	struct list_head node;
	u16 op;
	u16 status;
	u16 room;
	u16 nr;
	u64 addr;
	u64 len;
	u64 last;
	u64 handle;
	struct gw_segment *segs;
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

#endif
