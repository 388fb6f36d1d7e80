/* SPDX-License-Identifier: BSD-3-Clause */
#include "admin_data.h"

/* The data of admin commands. */

int gw_nvme_admin_send(struct nvme *nv, struct nvme_cmd *cmd, void *buf, uint32_t len)
{
	int ret = gw_nvme_data_map(nv, cmd, len, GW_DMA_WRITE);

	return ret ? ret : gw_nvme_data_copy(nv, cmd, buf);
}

int gw_nvme_admin_recv(struct nvme *nv, struct nvme_cmd *cmd, void *buf, uint32_t len)
{
	int ret = gw_nvme_data_map(nv, cmd, len, GW_DMA_READ);

	return ret ? ret : gw_nvme_data_copy(nv, cmd, buf);
}
