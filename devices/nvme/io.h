/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_IO_H
#define DEVICES_NVME_IO_H

#include "nvme.h"

/** gw_nvme_io_effects() - for the effects log (5.14.1.5); 0: not supported */
uint32_t gw_nvme_io_effects(unsigned int opcode);

/** gw_nvme_io() - start a command of an I/O queue */
int gw_nvme_io(struct nvme *nv, struct nvme_cmd *cmd);

#endif
