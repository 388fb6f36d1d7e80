/* SPDX-License-Identifier: BSD-3-Clause */
#include <gangway/devices.h>
#include <stddef.h>

#include "devices/probe.h"

/* The endpoints that need nothing of a system. */
const struct gw_endpoint_type *const gw_endpoint_types[] = { &gw_probe_type, NULL };
