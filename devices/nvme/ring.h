/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_RING_H
#define DEVICES_NVME_RING_H

#include "nvme.h"

#define NVME_RING_WAKE		1ull		/* user_data of the read that ends a sleep */

/**
 * gw_nvme_ring_init() - by the worker itself, as kernels like a ring used by one thread
 *
 * Return: 0; -errno of io_uring_setup(2).
 */
int gw_nvme_ring_init(struct nvme *nv);

/** gw_nvme_ring_get() - a free entry; submits to make room */
struct io_uring_sqe *gw_nvme_ring_get(struct nvme *nv);

/** gw_nvme_ring_own() - the result of @sqe goes to cmd->step */
void gw_nvme_ring_own(struct nvme *nv, struct nvme_cmd *cmd, struct io_uring_sqe *sqe);

/** gw_nvme_ring_submit() - hand what was prepared to the kernel */
void gw_nvme_ring_submit(struct nvme *nv);

/**
 * gw_nvme_ring_waits() - has the ring finished something, or will it, once the kernel is
 * entered?
 */
bool gw_nvme_ring_waits(const struct nvme *nv);

/**
 * gw_nvme_ring_sleep() - until the ring or a wake-up has something
 * @ns: at most; 0: no limit
 *
 * Return: the limit that held, which is shorter with many commands under way.
 */
uint64_t gw_nvme_ring_sleep(struct nvme *nv, uint64_t ns);

#endif
