/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_SHADOW_H
#define DEVICES_NVME_SHADOW_H

#include <stdbool.h>
#include <stdint.h>

#include <gangway/endpoint.h>

#include "command.h"
#include "limits.h"

struct nvme;

/* Shadow doorbells (5.7, 7.13). */
struct nvme_shadow {
	bool on, admin;			/* @admin: the host uses them for queue 0 as well */
	bool remote;			/* by copies, as the pages cannot be pinned */
	uint32_t admin_first;
	gw_iova db, ei;
	struct gw_endpoint_pin pin;
	struct iovec iov;
	uint32_t *at;			/* while pinned */
	uint32_t copy[2 * NVME_NR_QUEUES];
};

/** gw_nvme_shadow_begin() - make the doorbells readable until gw_nvme_shadow_end() */
void gw_nvme_shadow_begin(struct nvme *nv);

/** gw_nvme_shadow_end() - let go of what gw_nvme_shadow_begin() pinned; fine if that is nothing */
void gw_nvme_shadow_end(struct nvme *nv);

/** gw_nvme_shadow_load() - one doorbell. Return: 0; -EAGAIN not readable just now */
int gw_nvme_shadow_load(struct nvme *nv, unsigned int index, uint32_t *val);

/** gw_nvme_shadow_publish() - from here on the host rings; look once more after this */
void gw_nvme_shadow_publish(struct nvme *nv);

/** gw_nvme_shadow_config() - Doorbell Buffer Config. Return: a status, NVME_RETRY */
int gw_nvme_shadow_config(struct nvme *nv, struct nvme_cmd *cmd);

#endif
