/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_LOG_PAGE_H
#define DEVICES_NVME_LOG_PAGE_H

#include "nvme.h"

/** nvme_effects - of an opcode, for the effects log (5.14.1.5); 0: there is no such command */
typedef uint32_t (*nvme_effects)(unsigned int opcode);

/** gw_nvme_get_log() - @admin_effects: of an admin opcode, 0 if there is no such command */
int gw_nvme_get_log(struct nvme *nv, struct nvme_cmd *cmd, nvme_effects admin_effects);

#endif
