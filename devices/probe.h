/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_PROBE_H
#define DEVICES_PROBE_H

#include <gangway/endpoint.h>

#include "devices/probe_regs.h"

extern const struct gw_endpoint_type gw_probe_type;

#endif
