/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_REAP_H
#define DEVICES_NVME_REAP_H

#include "nvme.h"

/** gw_nvme_ring_reap() - continue what the ring has finished. Return: there was any */
bool gw_nvme_ring_reap(struct nvme *nv);

#endif
