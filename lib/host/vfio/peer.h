/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_HOST_VFIO_PEER_H
#define GW_HOST_VFIO_PEER_H

#include "host/vfio/host.h"

/**
 * gw_vfio_peer_check() - does a way lead from @client's requests through the IOMMU to @provider?
 *
 * Return: 0; -EXDEV the verdict is no (logged); or -errno of reading the topology.
 */
int gw_vfio_peer_check(const struct gw_vfio_host *host, const char *provider, const char *client);

#endif
