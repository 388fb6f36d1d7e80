/* SPDX-License-Identifier: BSD-3-Clause */
#include "state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What stops a controller. */

void gw_nvme_fatal(struct nvme *nv, const char *why)
{
	if (nv->dead)
		return;
	gw_log_guest(nv->log, "nvme: controller stopped: %s; it needs a reset", why);
	nv->dead = true;
	atomic_fetch_or(&nv->regs.csts, NVME_CSTS_CFS);
}

bool gw_nvme_dma_failed(struct nvme *nv, int ret, const char *what)
{
	char why[80];

	if (!ret)
		return false;
	if (ret == -EPERM || ret == -ECANCELED) {
		nv->again = true;
		return true;
	}
	snprintf(why, sizeof(why), "cannot reach its %s (%s)", what, strerror(-ret));
	gw_nvme_fatal(nv, why);
	return true;
}
