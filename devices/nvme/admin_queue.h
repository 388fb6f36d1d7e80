/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_ADMIN_QUEUE_H
#define DEVICES_NVME_ADMIN_QUEUE_H

#include "nvme.h"

/** gw_nvme_create_cq() - 5.3. Return: a status */
int gw_nvme_create_cq(struct nvme *nv, struct nvme_cmd *cmd);

/** gw_nvme_create_sq() - 5.4. Return: a status */
int gw_nvme_create_sq(struct nvme *nv, struct nvme_cmd *cmd);

/** gw_nvme_delete_cq() - 5.5. Return: a status */
int gw_nvme_delete_cq(struct nvme *nv, struct nvme_cmd *cmd);

/**
 * gw_nvme_delete_sq() - 5.6: commands that were fetched end first, cancelled if that is
 * possible
 */
int gw_nvme_delete_sq(struct nvme *nv, struct nvme_cmd *cmd);

#endif
