/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_GPU_PF_H
#define DEVICES_GPU_PF_H

#include <gangway/endpoint.h>

#include "card.h"
#include "scanout.h"

/**
 * gw_gpu_pf_new() - the endpoint of the physical function
 * @card: a user is added
 *
 * Return: 0; -ENOMEM, or -errno of starting a thread.
 */
int gw_gpu_pf_new(struct gpu_card *card, struct gw_endpoint **ep);

/** gw_gpu_pf_scanout() - what its monitor is connected to; @ep is of gw_gpu_pf_new() */
struct gpu_scanout *gw_gpu_pf_scanout(struct gw_endpoint *ep);

/** gw_gpu_pf_card() - likewise, the card */
struct gpu_card *gw_gpu_pf_card(struct gw_endpoint *ep);

#endif
