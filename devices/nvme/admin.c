/* SPDX-License-Identifier: BSD-3-Clause */
#include "admin.h"

#include "base/util.h"
#include "admin_queue.h"
#include "end.h"
#include "event_requests.h"
#include "identify.h"
#include "log_page.h"

/*
 * Admin commands (5): dispatch, Abort. Those about queues are in admin_queue.c, the larger ones in
 * files of their own.
 */

static struct nvme_cmd *find(struct nvme *nv, uint16_t sqid, uint16_t cid, struct nvme_cmd *not)
{
	struct nvme_cmd *cmd;

	TAILQ_FOREACH(cmd, &nv->fetched, all)
		if (cmd != not && cmd->sqid == sqid && cmd->sqe.cid == cid)
			return cmd;
	return NULL;
}

/* 5.1: completes after the command it is for, and says whether that was aborted */
static int do_abort(struct nvme *nv, struct nvme_cmd *cmd)
{
	uint16_t sqid = (uint16_t)cmd->sqe.cdw10, cid = (uint16_t)(cmd->sqe.cdw10 >> 16);
	struct nvme_cmd *target;

	cmd->result = 1;
	if (sqid >= NVME_NR_QUEUES || !nv->sq[sqid].live)
		return NVME_INVALID_FIELD;
	if (nv->nr_aborts == NVME_NR_ABORTS)
		return NVME_ABORT_LIMIT;
	target = find(nv, sqid, cid, cmd);
	if (!target || target->abort)
		return NVME_OK;
	if (!sqid && gw_nvme_event_abort(nv, target)) {
		cmd->result = 0;
		return NVME_OK;
	}
	if (!target->in_ring && !target->parked)
		return NVME_OK;
	target->abort = cmd;
	target->cancel = NVME_ABORT_REQUESTED;
	nv->nr_aborts++;
	gw_nvme_cancel(nv, target);
	return NVME_PENDING;
}

static int get_log(struct nvme *nv, struct nvme_cmd *cmd);

static const struct {
	int (*run)(struct nvme *nv, struct nvme_cmd *cmd);
} commands[] = {
	[NVME_ADM_DELETE_SQ] = { gw_nvme_delete_sq },
	[NVME_ADM_CREATE_SQ] = { gw_nvme_create_sq },
	[NVME_ADM_GET_LOG_PAGE] = { get_log },
	[NVME_ADM_DELETE_CQ] = { gw_nvme_delete_cq },
	[NVME_ADM_CREATE_CQ] = { gw_nvme_create_cq },
	[NVME_ADM_IDENTIFY] = { gw_nvme_identify },
	[NVME_ADM_ABORT] = { do_abort },
	[NVME_ADM_SET_FEATURES] = { gw_nvme_set_features },
	[NVME_ADM_GET_FEATURES] = { gw_nvme_get_features },
	[NVME_ADM_ASYNC_EVENT] = { gw_nvme_event_request },
	[NVME_ADM_DOORBELL_BUFFER] = { gw_nvme_shadow_config },
};

/* For the effects log (5.14.1.5); 0: not supported */
static uint32_t effects(unsigned int opcode)
{
	return opcode < ARRAY_SIZE(commands) && commands[opcode].run;
}

static int get_log(struct nvme *nv, struct nvme_cmd *cmd)
{
	return gw_nvme_get_log(nv, cmd, effects);
}

int gw_nvme_admin(struct nvme *nv, struct nvme_cmd *cmd)
{
	if (!effects(cmd->sqe.opcode))
		return NVME_INVALID_OPCODE;
	/* no fused operations; admin commands over PCIe take PRPs only (4.2) */
	if (cmd->sqe.flags & 3 || cmd->sqe.flags >> 6)
		return NVME_INVALID_FIELD;
	return commands[cmd->sqe.opcode].run(nv, cmd);
}
