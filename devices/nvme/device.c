/* SPDX-License-Identifier: BSD-3-Clause */
#include "device.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"
#include "base/util.h"
#include "controller.h"
#include "options.h"

/* What a controller is made of. */

#define PATIENCE_NS	600000000u	/* a VMM wants its answer within a second */

static void commands_free(struct nvme *nv)
{
	free(nv->cmd);
}

static int commands_init(struct nvme *nv)
{
	unsigned int i;

	nv->cmd = calloc(NVME_NR_COMMANDS, sizeof(*nv->cmd));
	if (!nv->cmd)
		return -ENOMEM;
	TAILQ_INIT(&nv->idle);
	TAILQ_INIT(&nv->parked);
	TAILQ_INIT(&nv->fetched);
	for (i = 0; i < NVME_NR_COMMANDS; i++)
		gw_nvme_cmd_put(nv, &nv->cmd[i]);
	return 0;
}

/* A file keeps its serial number wherever it is attached. */
static uint64_t file_serial(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return 1;
	return ((uint64_t)st.st_dev * 0x9e3779b97f4a7c15ull) ^ (uint64_t)st.st_ino;
}

static int state_init(struct nvme *nv, const struct nvme_options *o, struct gw_log *log)
{
	int ret;

	gw_log_own(&nv->own_log, log);
	nv->log = &nv->own_log;
	nv->serial = o->serial ? o->serial : file_serial(nv->back.fd);
	nv->block_bits = o->block == 4096 ? 12 : 9;
	gw_nvme_poll_init(&nv->poll, o->poll_us * 1000, o->poll_fixed, (unsigned int)o->poll_share);
	gw_nvme_nap_init(&nv->nap);
	nv->quiet = true;	/* until bus mastering is on */
	nv->health.power_cycles = 1;
	nv->health.started = gw_now_ns();
	nv->regs.disable_ns = NVME_TIMEOUT * 500000000ull;
	nv->ctl.patience_ns = PATIENCE_NS;
	ret = gw_os_cond_init(&nv->ctl.done);
	if (ret)
		return ret;
	pthread_mutex_init(&nv->regs.lock, NULL);
	pthread_mutex_init(&nv->ctl.lock, NULL);
	return 0;
}

static void state_fini(struct nvme *nv)
{
	pthread_mutex_destroy(&nv->regs.lock);
	pthread_mutex_destroy(&nv->ctl.lock);
	pthread_cond_destroy(&nv->ctl.done);
}

int gw_nvme_init(struct nvme *nv, const struct nvme_options *o, struct gw_log *log)
{
	int ret = gw_nvme_backing_open(&nv->back, o, log);

	if (ret)
		return ret;
	ret = state_init(nv, o, log);
	if (ret)
		goto close_backing;
	ret = commands_init(nv);
	if (ret)
		goto fini_state;
	nv->ctl.wake_fd = eventfd(0, EFD_CLOEXEC);
	if (nv->ctl.wake_fd < 0) {
		ret = -errno;
		goto free_commands;
	}
	gw_nvme_defaults(nv);
	return 0;
free_commands:
	commands_free(nv);
fini_state:
	state_fini(nv);
close_backing:
	gw_nvme_backing_close(&nv->back);
	return ret;
}

void gw_nvme_free(struct nvme *nv)
{
	gw_nvme_defaults(nv);	/* gives back what commands hold */
	commands_free(nv);
	close(nv->ctl.wake_fd);
	gw_nvme_backing_close(&nv->back);
	state_fini(nv);
	free(nv);
}
