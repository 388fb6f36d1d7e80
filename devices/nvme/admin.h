/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_ADMIN_H
#define DEVICES_NVME_ADMIN_H

#include "nvme.h"

/** gw_nvme_admin() - start a command of the admin queue */
int gw_nvme_admin(struct nvme *nv, struct nvme_cmd *cmd);

#endif
