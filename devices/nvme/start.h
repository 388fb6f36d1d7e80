/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_START_H
#define DEVICES_NVME_START_H

#include "nvme.h"

/** gw_nvme_cmd_start() - start a command, or start it again */
void gw_nvme_cmd_start(struct nvme *nv, struct nvme_cmd *cmd);

/** gw_nvme_unpark() - start again what had to wait. Return: there was any */
bool gw_nvme_unpark(struct nvme *nv);

#endif
