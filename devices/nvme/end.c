/* SPDX-License-Identifier: BSD-3-Clause */
#include "end.h"

#include <string.h>

#include "ring.h"

/*
 * How commands end: with a status, by waiting for their turn to start again, or with their queues.
 */

static void park(struct nvme *nv, struct nvme_cmd *cmd)
{
	gw_nvme_data_release(nv, cmd);
	cmd->moved = 0;
	cmd->range = 0;
	cmd->harmless = false;
	cmd->parked = true;
	nv->again = true;
	TAILQ_INSERT_TAIL(&nv->parked, cmd, link);
}

static void sq_end(struct nvme *nv, struct nvme_cmd *cmd)
{
	struct nvme_sq *sq = &nv->sq[cmd->sqid];
	struct nvme_cmd *deleter = sq->deleter;

	cmd->sqhd = (uint16_t)sq->head;
	sq->nr_fetched--;
	if (!sq->deleting || sq->nr_fetched)
		return;
	sq->deleter = NULL;
	gw_nvme_sq_close(nv, sq);
	if (deleter)
		gw_nvme_cmd_done(nv, deleter, NVME_OK);
}

static bool worth_logging(uint16_t status)
{
	uint16_t code = status & 0x7ff;

	return code && code != NVME_ABORT_REQUESTED && code != NVME_ABORT_SQ_DELETED;
}

void gw_nvme_cmd_done(struct nvme *nv, struct nvme_cmd *cmd, uint16_t status)
{
	struct nvme_cmd *abort = cmd->abort;

	gw_nvme_data_release(nv, cmd);
	if (cmd->parked)
		TAILQ_REMOVE(&nv->parked, cmd, link);
	cmd->parked = false;
	TAILQ_REMOVE(&nv->fetched, cmd, all);
	if (worth_logging(status)) {
		gw_nvme_log_error(nv, cmd, status);
		status |= NVME_MORE;
	}
	cmd->status = status;
	TAILQ_INSERT_TAIL(&nv->cq[cmd->cqid].done, cmd, link);
	sq_end(nv, cmd);
	cmd->abort = NULL;
	if (abort) {
		abort->result = (status & 0x7ff) != NVME_ABORT_REQUESTED;
		nv->nr_aborts--;
		gw_nvme_cmd_done(nv, abort, NVME_OK);
	}
}

void gw_nvme_cmd_end(struct nvme *nv, struct nvme_cmd *cmd, int status)
{
	if (status == NVME_PENDING)
		return;
	if (status == NVME_RETRY && cmd->cancel)
		status = cmd->cancel;
	if (status == NVME_RETRY)
		park(nv, cmd);
	else
		gw_nvme_cmd_done(nv, cmd, (uint16_t)status);
}

void gw_nvme_cancel(struct nvme *nv, struct nvme_cmd *cmd)
{
	struct io_uring_sqe *sqe;

	if (cmd->parked && cmd->cancel) {
		gw_nvme_cmd_done(nv, cmd, cmd->cancel);
	} else if (cmd->in_ring) {
		sqe = gw_nvme_ring_get(nv);
		io_uring_prep_cancel(sqe, cmd, 0);
		io_uring_sqe_set_data(sqe, NULL);
	}
}

void gw_nvme_cancel_all(struct nvme *nv)
{
	struct nvme_cmd *cmd;

	TAILQ_FOREACH(cmd, &nv->fetched, all)
		if (cmd->in_ring && !cmd->harmless)
			gw_nvme_cancel(nv, cmd);
}

void gw_nvme_drop_all(struct nvme *nv)
{
	struct nvme_cmd *cmd;

	while ((cmd = TAILQ_FIRST(&nv->fetched))) {
		TAILQ_REMOVE(&nv->fetched, cmd, all);
		gw_nvme_data_release(nv, cmd);
		if (cmd->parked)
			TAILQ_REMOVE(&nv->parked, cmd, link);
		if (cmd->in_ring)
			cmd->orphan = true;
		else
			gw_nvme_cmd_put(nv, cmd);
	}
	nv->nr_aborts = 0;
	memset(&nv->events, 0, sizeof(nv->events));
}
