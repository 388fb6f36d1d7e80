/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_GPU_VF_H
#define DEVICES_GPU_VF_H

#include <gangway/endpoint.h>

#include "card.h"
#include "display.h"

/**
 * gw_gpu_vf_new() - the endpoint of a virtual function
 * @card: a user is added
 * @vf:   below the number that the card has
 *
 * Return: 0; -ENOMEM, or -errno of starting a thread.
 */
int gw_gpu_vf_new(struct gpu_card *card, unsigned int vf, struct gw_endpoint **ep);

/** gw_gpu_vf_bars() - what the BARs of every virtual function are */
void gw_gpu_vf_bars(const struct gpu_card *card, struct gw_endpoint_bar bar[GW_NR_BARS]);

#endif
