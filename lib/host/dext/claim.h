/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_HOST_DEXT_CLAIM_H
#define GW_HOST_DEXT_CLAIM_H

#include <gangway/host.h>

/** gw_dext_claim_ops - no VMM keeps a way to what the next one has of a function */
extern const struct gw_claim_ops gw_dext_claim_ops;

#endif
