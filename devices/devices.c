/* SPDX-License-Identifier: BSD-3-Clause */
#include <gangway/devices.h>

#include <stddef.h>

#include "devices/gpu.h"
#include "devices/nvme.h"
#include "devices/probe.h"

const struct gw_endpoint_type *const gw_endpoint_types[] = {
	&gw_gpu_type,
	&gw_nvme_type,
	&gw_probe_type,
	NULL,
};
