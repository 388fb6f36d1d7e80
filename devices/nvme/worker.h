/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_WORKER_H
#define DEVICES_NVME_WORKER_H

#include "nvme.h"

/** gw_nvme_worker_start() - Return: 0; -errno of pthread_create(3) or io_uring_setup(2) */
int gw_nvme_worker_start(struct nvme *nv);

/**
 * gw_nvme_worker_stop() - Return: it has ended; else it will once the file answers, and free
 * @nv
 */
bool gw_nvme_worker_stop(struct nvme *nv);

#endif
