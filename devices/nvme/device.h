/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_DEVICE_H
#define DEVICES_NVME_DEVICE_H

#include "nvme.h"

/**
 * gw_nvme_init() - all but the worker. Return: 0; -errno, and nothing is left then but @nv
 * itself
 */
int gw_nvme_init(struct nvme *nv, const struct nvme_options *o, struct gw_log *log);

/** gw_nvme_free() - all but the worker, which has ended or calls this */
void gw_nvme_free(struct nvme *nv);

#endif
