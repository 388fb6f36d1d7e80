/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_MEDIA_H
#define DEVICES_NVME_MEDIA_H

#include "nvme.h"

#define NVME_RW_FUA		(1u << 30)	/* of dword 12 */

/** gw_nvme_write_through() - must this write be durable before it completes? */
bool gw_nvme_write_through(struct nvme *nv, struct nvme_cmd *cmd);

/** gw_nvme_media_error() - the file refused. Return: the status, or NVME_RETRY */
int gw_nvme_media_error(struct nvme *nv, struct nvme_cmd *cmd, bool write, int err);

/** gw_nvme_flush_step() - what a flush has answered. Return: a status */
int gw_nvme_flush_step(struct nvme *nv, struct nvme_cmd *cmd, int res);

/** gw_nvme_flush() - make all completed writes durable. Return: NVME_PENDING */
int gw_nvme_flush(struct nvme *nv, struct nvme_cmd *cmd);

#endif
