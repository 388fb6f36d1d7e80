/* SPDX-License-Identifier: BSD-3-Clause */
#include "nvme.h"

#include <string.h>

/* A command's way from its queue to its completion. */

struct nvme_cmd *gw_nvme_cmd_get(struct nvme *nv)
{
	struct nvme_cmd *cmd = TAILQ_FIRST(&nv->idle);

	if (!cmd)
		return NULL;
	TAILQ_REMOVE(&nv->idle, cmd, link);
	nv->nr_idle--;
	memset(cmd, 0, offsetof(struct nvme_cmd, data));
	memset(&cmd->data, 0, offsetof(struct nvme_data, small_run));
	TAILQ_INSERT_TAIL(&nv->fetched, cmd, all);
	return cmd;
}

/* @cmd is on no list */
void gw_nvme_cmd_put(struct nvme *nv, struct nvme_cmd *cmd)
{
	TAILQ_INSERT_HEAD(&nv->idle, cmd, link);
	nv->nr_idle++;
}

static void park(struct nvme *nv, struct nvme_cmd *cmd)
{
	gw_nvme_data_release(nv, cmd);
	cmd->moved = 0;
	cmd->range = 0;
	cmd->harmless = false;
	cmd->parked = true;
	gw_nvme_again(nv);
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

/** gw_nvme_cmd_done() - @cmd has its status; it will be posted */
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

/** gw_nvme_cmd_end() - what starting or continuing @cmd answered */
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

void gw_nvme_cmd_start(struct nvme *nv, struct nvme_cmd *cmd)
{
	gw_nvme_cmd_end(nv, cmd, cmd->sqid ? gw_nvme_io(nv, cmd) : gw_nvme_admin(nv, cmd));
}

/** gw_nvme_unpark() - start again what had to wait. Return: there was any */
bool gw_nvme_unpark(struct nvme *nv)
{
	struct nvme_cmd_list list = TAILQ_HEAD_INITIALIZER(list);
	struct nvme_cmd *cmd, *next;
	bool did = false;

	if (!nv->ready || nv->dead || nv->quiet || TAILQ_EMPTY(&nv->parked))
		return false;
	TAILQ_CONCAT(&list, &nv->parked, link);
	TAILQ_FOREACH(cmd, &list, link)
		cmd->parked = false;
	for (cmd = TAILQ_FIRST(&list); cmd; cmd = next) {
		next = TAILQ_NEXT(cmd, link);
		gw_nvme_cmd_start(nv, cmd);
		did |= !cmd->parked;
	}
	return did;
}

/** gw_nvme_cancel() - end @cmd early with its cmd->cancel, if that is still possible */
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

/**
 * gw_nvme_drop_all() - forget every command, as their queues are gone
 *
 * What is still in the ring must be harmless; it is put back when the ring lets go of it.
 */
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
