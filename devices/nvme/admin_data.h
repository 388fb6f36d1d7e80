/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_ADMIN_DATA_H
#define DEVICES_NVME_ADMIN_DATA_H

#include "nvme.h"

/** gw_nvme_admin_send() - give @len bytes to the host, by PRPs. Return: a status, NVME_RETRY */
int gw_nvme_admin_send(struct nvme *nv, struct nvme_cmd *cmd, void *buf, uint32_t len);

/** gw_nvme_admin_recv() - take @len bytes from the host, likewise */
int gw_nvme_admin_recv(struct nvme *nv, struct nvme_cmd *cmd, void *buf, uint32_t len);

#endif
