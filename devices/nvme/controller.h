/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_CONTROLLER_H
#define DEVICES_NVME_CONTROLLER_H

#include "nvme.h"

/** gw_nvme_defaults() - everything that a controller level reset puts back (7.3.2) */
void gw_nvme_defaults(struct nvme *nv);

/** gw_nvme_power_on() - as after power-on: registers, too */
void gw_nvme_power_on(struct nvme *nv);

/** gw_nvme_control_cc() - act on what was written to CC, or go on with it */
void gw_nvme_control_cc(struct nvme *nv);

#endif
