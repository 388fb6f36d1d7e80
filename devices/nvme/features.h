/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_FEATURES_H
#define DEVICES_NVME_FEATURES_H

#include <stdbool.h>
#include <stdint.h>

#include "command.h"
#include "limits.h"

struct nvme;

struct nvme_features {
	uint32_t arbitration, power, error_recovery, write_cache, coalescing, atomicity, events;
	uint16_t temp_over, temp_under;
	uint16_t nr_sqs, nr_cqs;	/* I/O queues allocated */
	bool no_coalescing[NVME_NR_VECTORS];
	uint64_t time_base, time_set;	/* ms; ns when it was set */
	bool time_by_host;
};

/** gw_nvme_set_features() - 5.21. Return: a status, NVME_RETRY, NVME_PENDING */
int gw_nvme_set_features(struct nvme *nv, struct nvme_cmd *cmd);

/** gw_nvme_get_features() - 5.9. Return: a status, NVME_RETRY */
int gw_nvme_get_features(struct nvme *nv, struct nvme_cmd *cmd);

#endif
