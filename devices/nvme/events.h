/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_EVENTS_H
#define DEVICES_NVME_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "command.h"
#include "limits.h"

struct nvme;

#define NVME_TEMPERATURE	313u	/* kelvin */
#define NVME_TEMPERATURE_OVER	343u	/* default threshold, and the warning level */

/* 5.14.1.1 */
struct nvme_error {
	uint64_t count, lba;
	uint16_t sqid, cid, status, location;
	uint32_t nsid;
};

struct nvme_health {
	uint8_t warning;
	uint64_t reads, writes;		/* commands */
	uint64_t read_blocks, written_blocks;	/* 512 bytes each */
	uint64_t media_errors, nr_errors, power_cycles, busy_ns;
	uint64_t started;		/* ns */
	int said;			/* the errno that was logged last */
};

struct nvme_events {
	struct nvme_cmd *request[NVME_NR_EVENT_REQUESTS];
	unsigned int nr_requests;
	uint8_t pending[2];		/* by enum nvme_event_type: a bit for each information */
	bool masked[2];			/* until the log page is read */
};

/** gw_nvme_event() - something happened; told once there is a request and no mask */
void gw_nvme_event(struct nvme *nv, enum nvme_event_type type, unsigned int info);

/** gw_nvme_event_unmask() - the log page was read: events of its type may be told again */
void gw_nvme_event_unmask(struct nvme *nv, enum nvme_event_type type);

/** gw_nvme_warn() - set or clear critical warnings; a new one is an event if so configured */
void gw_nvme_warn(struct nvme *nv, uint8_t bits, bool on);

/** gw_nvme_check_temperature() - after a threshold has changed */
void gw_nvme_check_temperature(struct nvme *nv);

/** gw_nvme_log_error() - an entry of the error log (5.14.1.1) */
void gw_nvme_log_error(struct nvme *nv, const struct nvme_cmd *cmd, uint16_t status);

#endif
