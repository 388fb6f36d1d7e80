/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_CQ_H
#define DEVICES_NVME_CQ_H

#include <stdbool.h>
#include <stdint.h>

#include <gangway/addr.h>

#include "command.h"

struct nvme;

struct nvme_cq {
	bool live, phase, irq_on, starved;
	uint16_t id, vector;
	gw_iova base;
	uint32_t size, head, tail;
	uint32_t reserved;		/* entries promised to fetched commands */
	uint32_t nr_sqs;
	uint32_t published, bad_head;
	struct nvme_cmd_list done;	/* to be posted, in order */

	/* interrupt: what was posted and not told yet */
	uint32_t untold;
	uint32_t head_at_irq;
	uint64_t hold_until;		/* ns; 0: not held */
};

/** gw_nvme_cq_open() - a queue begins, told of by @vector if @irq_on */
void gw_nvme_cq_open(struct nvme *nv, unsigned int id, gw_iova base, uint32_t size,
		     unsigned int vector, bool irq_on);

/** gw_nvme_cq_close() - it ends, with what was to be posted; one that there is not is fine */
void gw_nvme_cq_close(struct nvme *nv, struct nvme_cq *cq);

/** gw_nvme_cq_refresh() - see how far the host has come */
void gw_nvme_cq_refresh(struct nvme *nv, struct nvme_cq *cq);

/** gw_nvme_cq_room() - entries that may be promised now, at most @want */
uint32_t gw_nvme_cq_room(struct nvme *nv, struct nvme_cq *cq, uint32_t want);

/**
 * gw_nvme_post() - write out what has completed; queue 0 last, since an Abort or a Delete must
 * not be seen before the commands it ended
 */
bool gw_nvme_post(struct nvme *nv);

/**
 * gw_nvme_signal() - raise what interrupts are due
 * @all: none may be held back, as the worker is about to sleep
 *
 * Return: some are held back.
 */
bool gw_nvme_signal(struct nvme *nv, bool all);

#endif
