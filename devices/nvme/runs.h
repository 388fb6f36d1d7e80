/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_RUNS_H
#define DEVICES_NVME_RUNS_H

#include "nvme.h"

/** gw_nvme_dma_status() - what an access to a command's memory answered, as a status */
int gw_nvme_dma_status(int ret);

/**
 * gw_nvme_buffer_get() - memory for a command, of which all have so much. Return: NULL for now
 * there is none
 */
void *gw_nvme_buffer_get(struct nvme *nv, size_t len);

/** gw_nvme_buffer_put() - NULL is fine */
void gw_nvme_buffer_put(struct nvme *nv, void *p, size_t len);

/** gw_nvme_data_add() - the next piece. Return: NVME_OK, NVME_RETRY, NVME_DATA_TRANSFER */
int gw_nvme_data_add(struct nvme *nv, struct nvme_data *d, gw_iova iova, uint32_t len,
		     bool discard);

#endif
