/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_HOST_VFIO_CLAIM_H
#define GW_HOST_VFIO_CLAIM_H

#include <gangway/host.h>

/* struct gw_claim_ops */
int gw_vfio_claim(struct gw_function *f, const struct gw_vmm *vmm);
void gw_vfio_unclaim(struct gw_function *f);

#endif
