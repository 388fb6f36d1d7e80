/* SPDX-License-Identifier: BSD-3-Clause */
#include "nvme.h"

/*
 * Polls: a host that sends one command after another is back soon after each, so the worker looks
 * for the next one for a while before it sleeps. The host need not ring then, and nothing has to
 * wake the worker. How long a host takes is not known while the worker sleeps; so a look is always
 * as long as may be, and where it is in vain, there are fewer of them.
 */
#define CREDIT		4u	/* looks in vain before a pause, once one has paid */
#define MIN_PAUSE	8u	/* sleeps */
#define MAX_PAUSE	1024u

/** gw_nvme_poll_init() - @max_ns: how long to look; 0: never */
void gw_nvme_poll_init(struct nvme_poll *p, uint64_t max_ns)
{
	*p = (struct nvme_poll){ .max_ns = max_ns, .on = max_ns, .credit = 1, .backoff = MIN_PAUSE };
}

/** gw_nvme_poll_paid() - there was something */
void gw_nvme_poll_paid(struct nvme_poll *p)
{
	p->backoff = MIN_PAUSE;
	p->credit = CREDIT;
}

/** gw_nvme_poll_pause() - sleep at once the next few times, more of them each time */
void gw_nvme_poll_pause(struct nvme_poll *p)
{
	p->on = false;
	p->pause = p->backoff;
	if (p->backoff < MAX_PAUSE)
		p->backoff *= 2;
}

/** gw_nvme_poll_failed() - there was nothing */
void gw_nvme_poll_failed(struct nvme_poll *p)
{
	if (!--p->credit)
		gw_nvme_poll_pause(p);
}

/** gw_nvme_poll_slept() - the worker sleeps; after a pause, the next look is a try */
void gw_nvme_poll_slept(struct nvme_poll *p)
{
	if (p->on || !p->max_ns)
		return;
	if (p->pause) {
		p->pause--;
		return;
	}
	p->on = true;
	p->credit = 1;
}
