/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_H
#define DEVICES_NVME_H

#include <gangway/endpoint.h>

/** An NVMe 1.4 controller with one namespace, kept in a file. */
extern const struct gw_endpoint_type gw_nvme_type;

#endif
