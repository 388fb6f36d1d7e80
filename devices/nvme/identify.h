/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_IDENTIFY_H
#define DEVICES_NVME_IDENTIFY_H

#include "nvme.h"

/** gw_nvme_identify() - 5.15. Return: a status, NVME_RETRY */
int gw_nvme_identify(struct nvme *nv, struct nvme_cmd *cmd);

#endif
