/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_EVENT_REQUESTS_H
#define DEVICES_NVME_EVENT_REQUESTS_H

#include "nvme.h"

/**
 * gw_nvme_event_request() - 5.2: held until there is something to tell; promises no completion
 * entry meanwhile
 */
int gw_nvme_event_request(struct nvme *nv, struct nvme_cmd *cmd);

/** gw_nvme_events_deliver() - complete requests for what is pending and not masked */
void gw_nvme_events_deliver(struct nvme *nv);

/**
 * gw_nvme_events_wait() - is there something to tell, and a request and room to tell it by?
 *
 * Without room the host's next head is asked for, and looked at once more.
 */
bool gw_nvme_events_wait(struct nvme *nv);

/**
 * gw_nvme_event_abort() - end a request. Return: whether @cmd is one, and there is room to say
 * so
 */
bool gw_nvme_event_abort(struct nvme *nv, struct nvme_cmd *cmd);

#endif
