/* SPDX-License-Identifier: BSD-3-Clause */
#include "start.h"

#include "admin.h"
#include "end.h"
#include "io.h"

/* How commands start, and start again. */

void gw_nvme_cmd_start(struct nvme *nv, struct nvme_cmd *cmd)
{
	gw_nvme_cmd_end(nv, cmd, cmd->sqid ? gw_nvme_io(nv, cmd) : gw_nvme_admin(nv, cmd));
}

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
