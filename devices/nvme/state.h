/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_STATE_H
#define DEVICES_NVME_STATE_H

#include "nvme.h"

/** gw_nvme_fatal() - stop until the host resets the controller (CSTS.CFS) */
void gw_nvme_fatal(struct nvme *nv, const char *why);

/**
 * gw_nvme_dma_failed() - judge an access to queue memory
 *
 * Memory that is not there is fatal (7.2.1 leaves no other way to tell); a bus that is just being
 * stopped is not.
 */
bool gw_nvme_dma_failed(struct nvme *nv, int ret, const char *what);

#endif
