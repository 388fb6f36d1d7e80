/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_SQ_H
#define DEVICES_NVME_SQ_H

#include <stdbool.h>
#include <stdint.h>

#include <gangway/addr.h>

#include "command.h"

struct nvme;

struct nvme_sq {
	bool live, deleting;
	uint16_t id, cqid;
	gw_iova base;
	uint32_t size, head;
	uint32_t nr_fetched;		/* commands not completed */
	uint32_t published;		/* event index the guest sees; ~0: none */
	uint32_t bad_tail;		/* shadow value already reported; ~0: none */
	struct nvme_cmd *deleter;	/* the Delete that waits */
};

/** gw_nvme_sq_open() - a queue begins; its completions go to queue @cqid */
void gw_nvme_sq_open(struct nvme *nv, unsigned int id, gw_iova base, uint32_t size,
		     unsigned int cqid);

/** gw_nvme_sq_close() - it ends; one that there is not is fine */
void gw_nvme_sq_close(struct nvme *nv, struct nvme_sq *sq);

/** gw_nvme_sq_waiting() - commands that have not been fetched */
uint32_t gw_nvme_sq_waiting(struct nvme *nv, struct nvme_sq *sq);

#endif
