/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_DEVICES_H
#define GANGWAY_DEVICES_H

#include <gangway/endpoint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The endpoints of the simulated host, in the library gangway-devices; ends with NULL. */
extern const struct gw_endpoint_type *const gw_endpoint_types[];

#ifdef __cplusplus
}
#endif

#endif
