/* SPDX-License-Identifier: BSD-3-Clause */
#include "control.h"

#include <inttypes.h>
#include <sys/eventfd.h>

#include "base/os.h"
#include "base/util.h"
#include "nvme.h"

/* What others have the worker do. */

void gw_nvme_wake(struct nvme *nv)
{
	if (!atomic_load(&nv->ctl.sleeping) || !atomic_exchange(&nv->ctl.sleeping, false))
		return;
	atomic_store(&nv->ctl.rung, gw_now_ns());
	eventfd_write(nv->ctl.wake_fd, 1);
}

/* A guest can have it said as often as the file is slow. */
static void set_late(struct nvme *nv, uint64_t since) GW_HOLDS(nv->ctl.lock)
{
	nv->ctl.late_since = since;
	nv->ctl.late_said = gw_log_may(nv->log);
	if (!nv->ctl.late_said)
		return;
	gw_err(nv->log, "nvme: backing file does not answer; the disk is off, and keeps hold of memory, "
	       "until it does");
	gw_hint(nv->log, "a reset brings it back then; see to the file system or the device that the file "
		"is on");
}

bool gw_nvme_order(struct nvme *nv, enum nvme_order order)
{
	uint64_t now = gw_now_ns();
	bool done;
	int ret = 0;

	pthread_mutex_lock(&nv->ctl.lock);
	nv->ctl.order = order;
	atomic_store(&nv->ctl.attention, true);
	gw_nvme_wake(nv);
	while (nv->ctl.order != NVME_ORDER_NONE && !nv->ctl.late_since && !ret)
		ret = gw_os_cond_wait_until(&nv->ctl.done, &nv->ctl.lock, now + nv->ctl.patience_ns);
	done = nv->ctl.order == NVME_ORDER_NONE;
	if (!done && !nv->ctl.late_since)
		set_late(nv, now);
	pthread_mutex_unlock(&nv->ctl.lock);
	return done;
}

bool gw_nvme_late(struct nvme *nv)
{
	bool late;

	pthread_mutex_lock(&nv->ctl.lock);
	late = nv->ctl.late_since;
	pthread_mutex_unlock(&nv->ctl.lock);
	return late;
}
