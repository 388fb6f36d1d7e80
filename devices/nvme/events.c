/* SPDX-License-Identifier: BSD-3-Clause */
#include "nvme.h"

#include <string.h>

/* Asynchronous events (5.2), what leads to them, and the error log. */

static const uint8_t event_log[] = {
	[NVME_EVENT_ERROR] = NVME_LOG_ERROR,
	[NVME_EVENT_HEALTH] = NVME_LOG_HEALTH,
};

/* 5.2: held until there is something to tell; promises no completion entry meanwhile */
int gw_nvme_event_request(struct nvme *nv, struct nvme_cmd *cmd)
{
	struct nvme_events *e = &nv->events;

	if (e->nr_requests == NVME_NR_EVENT_REQUESTS)
		return NVME_EVENT_LIMIT;
	e->request[e->nr_requests++] = cmd;
	nv->cq[0].reserved--;
	return NVME_PENDING;
}

/** gw_nvme_event() - something happened; told once there is a request and no mask */
void gw_nvme_event(struct nvme *nv, enum nvme_event_type type, unsigned int info)
{
	nv->events.pending[type] |= (uint8_t)(1u << info);
}

/** gw_nvme_event_unmask() - the log page was read: events of its type may be told again */
void gw_nvme_event_unmask(struct nvme *nv, enum nvme_event_type type)
{
	nv->events.masked[type] = false;
	nv->events.pending[type] = 0;
}

static void deliver(struct nvme *nv, enum nvme_event_type type)
{
	struct nvme_events *e = &nv->events;
	struct nvme_cmd *cmd = e->request[0];
	unsigned int info = (unsigned int)__builtin_ctz(e->pending[type]);

	e->pending[type] &= (uint8_t)(e->pending[type] - 1);
	e->masked[type] = true;
	memmove(&e->request[0], &e->request[1], --e->nr_requests * sizeof(e->request[0]));
	nv->cq[0].reserved++;
	cmd->result = (uint32_t)type | info << 8 | (uint32_t)event_log[type] << 16;
	gw_nvme_cmd_done(nv, cmd, NVME_OK);
}

/** gw_nvme_events_deliver() - complete requests for what is pending and not masked */
void gw_nvme_events_deliver(struct nvme *nv)
{
	struct nvme_events *e = &nv->events;
	unsigned int type;

	if (!nv->ready || nv->quiet || nv->dead || !e->nr_requests)
		return;
	for (type = 0; type < 2 && e->nr_requests; type++)
		if (e->pending[type] && !e->masked[type] && gw_nvme_cq_room(nv, &nv->cq[0], 1))
			deliver(nv, type);
}

/**
 * gw_nvme_events_wait() - is there something to tell, and a request and room to tell it by?
 *
 * Without room the host's next head is asked for, and looked at once more.
 */
bool gw_nvme_events_wait(struct nvme *nv)
{
	struct nvme_events *e = &nv->events;
	unsigned int type;
	bool pending = false;

	if (!nv->ready || nv->quiet || nv->dead || !e->nr_requests)
		return false;
	for (type = 0; type < 2; type++)
		pending |= e->pending[type] && !e->masked[type];
	if (!pending || gw_nvme_cq_room(nv, &nv->cq[0], 1))
		return pending;
	atomic_store(&nv->db[0].head_wanted, true);
	return gw_nvme_cq_room(nv, &nv->cq[0], 1);
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

/** gw_nvme_warn() - set or clear critical warnings; a new one is an event if so configured */
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

/** gw_nvme_check_temperature() - after a threshold has changed */
void gw_nvme_check_temperature(struct nvme *nv)
{
	bool bad = NVME_TEMPERATURE >= nv->feat.temp_over ||
		   NVME_TEMPERATURE <= nv->feat.temp_under;

	gw_nvme_warn(nv, NVME_WARN_TEMPERATURE, bad);
}

/** gw_nvme_log_error() - an entry of the error log (5.14.1.1) */
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
