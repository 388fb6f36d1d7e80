/* SPDX-License-Identifier: BSD-3-Clause */
#include "events.h"

#include "nvme.h"

/* Asynchronous events (5.2) until they are told, and the error log. */

void gw_nvme_event(struct nvme *nv, enum nvme_event_type type, unsigned int info)
{
	nv->events.pending[type] |= (uint8_t)(1u << info);
}

void gw_nvme_event_unmask(struct nvme *nv, enum nvme_event_type type)
{
	nv->events.masked[type] = false;
	nv->events.pending[type] = 0;
}

/* The bit of the event configuration that stands for a warning is the warning's (5.21.1.11). */
static void tell_warning(struct nvme *nv, uint8_t bits)
{
	bits &= (uint8_t)nv->feat.events;
	if (bits & NVME_WARN_TEMPERATURE)
		gw_nvme_event(nv, NVME_EVENT_HEALTH, NVME_EVENT_TEMPERATURE);
	if (bits & NVME_WARN_RELIABILITY)
		gw_nvme_event(nv, NVME_EVENT_HEALTH, NVME_EVENT_RELIABILITY);
}

void gw_nvme_warn(struct nvme *nv, uint8_t bits, bool on)
{
	uint8_t was = nv->health.warning;

	if (!on) {
		nv->health.warning &= (uint8_t)~bits;
		return;
	}
	nv->health.warning |= bits;
	tell_warning(nv, (uint8_t)(bits & ~was));
}

void gw_nvme_check_temperature(struct nvme *nv)
{
	bool bad = NVME_TEMPERATURE >= nv->feat.temp_over ||
		   NVME_TEMPERATURE <= nv->feat.temp_under;

	gw_nvme_warn(nv, NVME_WARN_TEMPERATURE, bad);
}

void gw_nvme_log_error(struct nvme *nv, const struct nvme_cmd *cmd, uint16_t status)
{
	const struct nvme_sqe *e = &cmd->sqe;
	uint64_t n = nv->health.nr_errors++;

	nv->error[n % NVME_NR_ERRORS] = (struct nvme_error){
		.count = n + 1,
		.lba = cmd->sqid ? e->cdw10 | (uint64_t)e->cdw11 << 32 : 0,
		.sqid = cmd->sqid, .cid = e->cid, .status = (uint16_t)(status << 1),
		.location = 0xffff,	/* no one byte of the command is to blame */
		.nsid = e->nsid,
	};
}
