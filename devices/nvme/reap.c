/* SPDX-License-Identifier: BSD-3-Clause */
#include "reap.h"

#include <errno.h>

#include "end.h"
#include "ring.h"

/* What the ring has finished goes on. */
#define REAP_BATCH	64u

static void ring_result(struct nvme *nv, struct nvme_cmd *cmd, int res)
{
	int status;

	cmd->in_ring = false;
	if (!cmd->harmless)
		nv->nr_ring--;
	if (cmd->loose) {
		cmd->step(nv, cmd, res);
	} else if (cmd->orphan) {
		gw_nvme_cmd_put(nv, cmd);
	} else if (nv->disabling) {	/* dropped with the rest, when all have ended */
		nv->back.dirty = true;
		gw_nvme_data_release(nv, cmd);
	} else {
		bool given_up = res == -ECANCELED || res == -EINTR || res == -EAGAIN;

		status = given_up ? NVME_RETRY : cmd->step(nv, cmd, res);
		gw_nvme_cmd_end(nv, cmd, status);
	}
}

bool gw_nvme_ring_reap(struct nvme *nv)
{
	struct io_uring_cqe *cqe[REAP_BATCH];
	struct { uint64_t data; int res; } got[REAP_BATCH];
	unsigned int n, i;
	bool did = false;

	while ((n = io_uring_peek_batch_cqe(&nv->ring, cqe, REAP_BATCH))) {
		for (i = 0; i < n; i++) {
			got[i].data = cqe[i]->user_data;
			got[i].res = cqe[i]->res;
		}
		io_uring_cq_advance(&nv->ring, n);
		for (i = 0; i < n; i++) {
			if (got[i].data == NVME_RING_WAKE)
				nv->ctl.wake_armed = false;
			else if (got[i].data)
				ring_result(nv, (struct nvme_cmd *)(uintptr_t)got[i].data,
					    got[i].res);
			did |= got[i].data > NVME_RING_WAKE;
		}
		if (n < REAP_BATCH)
			break;
	}
	return did;
}
