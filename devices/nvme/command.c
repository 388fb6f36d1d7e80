/* SPDX-License-Identifier: BSD-3-Clause */
#include "command.h"

#include <string.h>

#include "nvme.h"

/* The storage of commands. */

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

void gw_nvme_cmd_put(struct nvme *nv, struct nvme_cmd *cmd)
{
	TAILQ_INSERT_HEAD(&nv->idle, cmd, link);
	nv->nr_idle++;
}

