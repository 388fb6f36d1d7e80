/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_GPU_H
#define DEVICES_GPU_H

#include <gangway/endpoint.h>

/** A graphics card, whose virtual functions Linux's own bochs driver drives. */
extern const struct gw_endpoint_type gw_gpu_type;

#endif
