/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_DEVICES_H
#define DEVICES_DEVICES_H

#include <gangway/endpoint.h>

/** The endpoints of the simulated host; ends with NULL. */
extern const struct gw_endpoint_type *const gw_endpoint_types[];

#endif
