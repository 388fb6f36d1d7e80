/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_HOST_VFIO_RESET_H
#define GW_HOST_VFIO_RESET_H

#include <gangway/host.h>

/** gw_vfio_reset() - struct gw_function_ops reset() */
int gw_vfio_reset(struct gw_function *f);

#endif
