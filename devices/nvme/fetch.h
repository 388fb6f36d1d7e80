/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_FETCH_H
#define DEVICES_NVME_FETCH_H

#include "nvme.h"

/** gw_nvme_fetch() - start what waits, a burst of each queue in turn. Return: any was */
bool gw_nvme_fetch(struct nvme *nv);

/** gw_nvme_work_waits() - is there a command that could be fetched now? */
bool gw_nvme_work_waits(struct nvme *nv);

/** gw_nvme_want_room() - shall a doorbell of a full completion queue wake us? */
void gw_nvme_want_room(struct nvme *nv, bool on);

#endif
