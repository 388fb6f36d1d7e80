/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_COMMAND_H
#define DEVICES_NVME_COMMAND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "data.h"
#include "spec.h"

struct nvme;

/* What starting or continuing a command answers, beside a status. */
#define NVME_PENDING		(-1)	/* it will complete by itself */
#define NVME_RETRY		(-2)	/* memory or room is missing just now; start it again */

/* 4.2: a submission queue entry, as copied from the guest. */
struct nvme_sqe {
	uint8_t opcode, flags;
	uint16_t cid;
	uint32_t nsid, cdw2, cdw3;
	uint64_t mptr;
	uint64_t prp1, prp2;		/* or one SGL descriptor */
	uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};
_Static_assert(sizeof(struct nvme_sqe) == NVME_SQE_SIZE, "NVMe 1.4, 4.2");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "queues are little-endian");

/* A command from fetch to completion. */
struct nvme_cmd {
	TAILQ_ENTRY(nvme_cmd) link;	/* in nvme.idle, nvme.parked, or a queue's done */
	TAILQ_ENTRY(nvme_cmd) all;	/* in nvme.fetched */
	struct nvme_sqe sqe;
	uint16_t sqid, cqid;
	uint16_t status, sqhd;
	uint32_t result;
	bool in_ring, parked, orphan;
	bool harmless;			/* in the ring, but nobody need wait for it */
	bool loose;			/* came from no queue */
	uint16_t cancel;		/* status if the ring gives it up; 0: start again */
	uint64_t file_off;
	uint64_t file_len;		/* of a range command */
	uint32_t moved;			/* bytes of @data so far */
	unsigned int range;		/* Dataset Management: the next one */
	int (*step)(struct nvme *nv, struct nvme_cmd *cmd, int res);	/* after ring I/O */
	struct nvme_cmd *abort;		/* the Abort that waits for this one */
	struct iovec one;		/* of a bounce buffer */
	struct nvme_data data;
};

TAILQ_HEAD(nvme_cmd_list, nvme_cmd);

/** gw_nvme_cmd_get() - one for a command that was fetched. Return: NULL if all are in use */
struct nvme_cmd *gw_nvme_cmd_get(struct nvme *nv);

/** gw_nvme_cmd_put() - give one back that is on no list */
void gw_nvme_cmd_put(struct nvme *nv, struct nvme_cmd *cmd);

#endif
