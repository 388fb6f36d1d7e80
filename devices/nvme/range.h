/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_RANGE_H
#define DEVICES_NVME_RANGE_H

#include "nvme.h"

/** gw_nvme_write_zeroes() - 6.17. Return: a status, NVME_PENDING, NVME_RETRY */
int gw_nvme_write_zeroes(struct nvme *nv, struct nvme_cmd *cmd);

/** gw_nvme_dsm() - 6.7: all ranges are checked before any is deallocated */
int gw_nvme_dsm(struct nvme *nv, struct nvme_cmd *cmd);

#endif
