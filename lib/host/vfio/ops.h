/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_HOST_VFIO_OPS_H
#define GW_HOST_VFIO_OPS_H

#include <gangway/host.h>

/** What an open function offers. */
extern const struct gw_function_ops gw_vfio_ops;

#endif
