/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_PRP_H
#define DEVICES_NVME_PRP_H

#include "nvme.h"

/** gw_nvme_prp_map() - Return: NVME_OK, a status, NVME_RETRY */
int gw_nvme_prp_map(struct nvme *nv, struct nvme_cmd *cmd);

#endif
