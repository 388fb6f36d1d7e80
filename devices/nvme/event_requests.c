/* SPDX-License-Identifier: BSD-3-Clause */
#include "event_requests.h"

#include <string.h>

#include "end.h"

/* Requests by which a host is told of asynchronous events (5.2). */

static const uint8_t event_log[] = {
	[NVME_EVENT_ERROR] = NVME_LOG_ERROR,
	[NVME_EVENT_HEALTH] = NVME_LOG_HEALTH,
};

int gw_nvme_event_request(struct nvme *nv, struct nvme_cmd *cmd)
{
	struct nvme_events *e = &nv->events;

	if (e->nr_requests == NVME_NR_EVENT_REQUESTS)
		return NVME_EVENT_LIMIT;
	e->request[e->nr_requests++] = cmd;
	nv->cq[0].reserved--;
	return NVME_PENDING;
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

bool gw_nvme_event_abort(struct nvme *nv, struct nvme_cmd *cmd)
{
	struct nvme_events *e = &nv->events;
	unsigned int i;

	for (i = 0; i < e->nr_requests && e->request[i] != cmd; i++)
		;
	if (i == e->nr_requests || !gw_nvme_cq_room(nv, &nv->cq[0], 1))
		return false;
	memmove(&e->request[i], &e->request[i + 1],
		(--e->nr_requests - i) * sizeof(e->request[0]));
	nv->cq[0].reserved++;	/* posts like any other from here */
	gw_nvme_cmd_done(nv, cmd, NVME_ABORT_REQUESTED);
	return true;
}
