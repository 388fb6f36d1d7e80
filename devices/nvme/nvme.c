/* SPDX-License-Identifier: BSD-3-Clause */
#include "nvme.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"
#include "base/util.h"

/* The endpoint: made from options, driven by the bus. */

#define PATIENCE_NS	600000000u	/* a VMM wants its answer within a second */

static void nvme_quiesce(struct gw_endpoint *ep)
{
	gw_nvme_order(to_nvme(ep), NVME_QUIESCE);
}

static void nvme_resume(struct gw_endpoint *ep)
{
	gw_nvme_order(to_nvme(ep), NVME_RESUME);
}

static bool nvme_stalled(struct gw_endpoint *ep)
{
	return gw_nvme_late(to_nvme(ep));
}

static void nvme_reset(struct gw_endpoint *ep)
{
	gw_nvme_order(to_nvme(ep), NVME_RESET);
}

static void commands_free(struct nvme *nv)
{
	free(nv->pool);
}

static int commands_init(struct nvme *nv)
{
	unsigned int i;

	nv->pool = calloc(NVME_NR_COMMANDS, sizeof(*nv->pool));
	if (!nv->pool)
		return -ENOMEM;
	TAILQ_INIT(&nv->idle);
	TAILQ_INIT(&nv->parked);
	TAILQ_INIT(&nv->fetched);
	for (i = 0; i < NVME_NR_COMMANDS; i++)
		gw_nvme_cmd_put(nv, &nv->pool[i]);
	return 0;
}

/** gw_nvme_free() - all but the worker, which has ended or calls this */
void gw_nvme_free(struct nvme *nv)
{
	gw_nvme_defaults(nv);	/* gives back what commands hold */
	commands_free(nv);
	close(nv->ctl.wake_fd);
	gw_nvme_backing_close(&nv->back);
	pthread_mutex_destroy(&nv->regs.lock);
	pthread_mutex_destroy(&nv->ctl.lock);
	pthread_cond_destroy(&nv->ctl.done);
	free(nv);
}

static void nvme_free(struct gw_endpoint *ep)
{
	if (ep && gw_nvme_worker_stop(to_nvme(ep)))
		gw_nvme_free(to_nvme(ep));
}

static const struct gw_endpoint_ops nvme_ops = {
	.bar_read = gw_nvme_bar_read,
	.bar_write = gw_nvme_bar_write,
	.quiesce = nvme_quiesce,
	.stalled = nvme_stalled,
	.resume = nvme_resume,
	.reset = nvme_reset,
	.free = nvme_free,
};

/*
 * 1b36:4757 is in no driver's list of quirks, so that the class code alone binds a driver. The
 * BAR is trapped as a whole: a VMM posts writes only to devices of which nothing is mapped.
 */
static const struct gw_endpoint_desc nvme_desc = {
	.vendor = 0x1b36, .device = 0x4757, .subvendor = 0x1b36, .subdevice = 0x4757,
	.class_code = 0x010802,
	.revision = 1,
	.bar[0] = { .size = NVME_BAR_SIZE, .is_64bit = true },
	.msix_vectors = NVME_NR_VECTORS,
	.msix_bar = 0, .msix_table = NVME_BAR_MSIX, .msix_pba = NVME_BAR_PBA,
};

/* A file keeps its serial number wherever it is attached. */
static uint64_t file_serial(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return 1;
	return ((uint64_t)st.st_dev * 0x9e3779b97f4a7c15ull) ^ (uint64_t)st.st_ino;
}

static int nvme_init(struct nvme *nv, const struct nvme_options *o, struct gw_log *log)
{
	nv->ep.ops = &nvme_ops;
	nv->ep.desc = nvme_desc;
	gw_log_own(&nv->own_log, log);
	nv->log = &nv->own_log;
	nv->serial = o->serial ? o->serial : file_serial(nv->back.fd);
	nv->block_bits = o->block == 4096 ? 12 : 9;
	gw_nvme_poll_init(&nv->poll, o->poll_us * 1000, o->poll_fixed, (unsigned int)o->poll_share);
	gw_nvme_nap_init(&nv->nap);
	nv->quiet = true;	/* until bus mastering is on */
	nv->health.power_cycles = 1;
	nv->health.started = gw_now_ns();
	pthread_mutex_init(&nv->regs.lock, NULL);
	pthread_mutex_init(&nv->ctl.lock, NULL);
	nv->regs.disable_ns = NVME_TIMEOUT * 500000000ull;
	nv->ctl.patience_ns = PATIENCE_NS;
	return gw_os_cond_init(&nv->ctl.done);
}

static int nvme_begin(struct nvme *nv, const struct nvme_options *o, struct gw_log *log)
{
	int ret = gw_nvme_backing_open(&nv->back, o, log);

	if (ret)
		return ret;
	ret = nvme_init(nv, o, log);
	if (ret)
		goto close_backing;
	ret = commands_init(nv);
	if (ret)
		goto close_backing;
	nv->ctl.wake_fd = eventfd(0, EFD_CLOEXEC);
	if (nv->ctl.wake_fd < 0) {
		ret = -errno;
		goto free_commands;
	}
	gw_nvme_defaults(nv);
	ret = gw_nvme_worker_start(nv);
	if (ret)
		goto close_wake;
	return 0;
close_wake:
	close(nv->ctl.wake_fd);
free_commands:
	commands_free(nv);
close_backing:
	gw_nvme_backing_close(&nv->back);
	gw_err(log, "nvme: cannot start: %s", strerror(-ret));
	if (ret == -EPERM || ret == -ENOSYS)
		gw_hint(log, "io_uring must be allowed: see kernel.io_uring_disabled");
	return ret;
}

static int nvme_new(const char *opts, struct gw_log *log, struct gw_endpoint **ep)
{
	struct nvme_options o;
	struct nvme *nv;
	int ret = gw_nvme_options_parse(opts, log, &o);

	if (ret)
		goto free_options;
	nv = calloc(1, sizeof(*nv));
	if (!nv) {
		ret = -ENOMEM;
		goto free_options;
	}
	ret = nvme_begin(nv, &o, log);
	if (ret)
		free(nv);
	else
		*ep = &nv->ep;
free_options:
	free(o.file);
	return ret;
}

const struct gw_endpoint_type gw_nvme_type = {
	.name = "nvme",
	.help = "file=PATH      what the disk is kept in: an image or a block device\n"
		"size=N         make the file, or extend it, to N bytes (suffixes K, M, G, T)\n"
		"block=512|4096 bytes of a logical block; 512 if not given\n"
		"poll=auto|US   microseconds to look for work before sleeping; 0: never. auto, which is the default:\n"
		"               as long as pays on this machine with this guest, at most 1000\n"
		"poll-share=N   percent of a processor that such looks may take in all; 90 if not given\n"
		"serial=N       serial number; made from the file if not given",
	.make = nvme_new,
};
