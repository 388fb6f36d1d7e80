/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_HOST_DEXT_REGISTRY_H
#define GW_HOST_DEXT_REGISTRY_H

#include <stdbool.h>

#include <IOKit/IOKitLib.h>
#include <gangway/dext.h>

/** gw_registry_is_ours() - whether a service is a driver extension that speaks the dext protocol */
bool gw_registry_is_ours(io_service_t service);

/**
 * gw_registry_describe() - what the IORegistry says of the device under an extension; @d is zeroed
 */
void gw_registry_describe(io_service_t service, struct gw_dext_description *d);

#endif
