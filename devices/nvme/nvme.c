/* SPDX-License-Identifier: BSD-3-Clause */
#include "nvme.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "options.h"
#include "worker.h"

/* The endpoint: made from options, driven by the bus. */

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
 * BAR is trapped as a whole: a VMM posts writes only to devices of which nothing is mapped. So a
 * controller memory buffer has its price, and is there for who asks.
 */
static const struct gw_endpoint_desc nvme_desc = {
	.vendor = 0x1b36, .device = 0x4757, .subvendor = 0x1b36, .subdevice = 0x4757,
	.class_code = 0x010802,
	.revision = 1,
	.bar[0] = { .size = NVME_BAR_SIZE, .is_64bit = true },
	.msix_vectors = NVME_NR_VECTORS,
	.msix_bar = 0, .msix_table = NVME_BAR_MSIX, .msix_pba = NVME_BAR_PBA,
};

static int nvme_begin(struct nvme *nv, const struct nvme_options *o, struct gw_log *log)
{
	int ret;

	nv->ep.ops = &nvme_ops;
	nv->ep.desc = nvme_desc;
	nv->cmb.size = o->cmb;
	if (o->cmb)
		nv->ep.desc.bar[NVME_BAR_CMB] = (struct gw_endpoint_bar){
			.size = o->cmb, .is_64bit = true, .prefetchable = true, .mapped = true,
		};
	ret = gw_nvme_init(nv, o, log);
	if (ret) {
		free(nv);
		return ret;
	}
	ret = gw_nvme_worker_start(nv);
	if (!ret)
		return 0;
	gw_nvme_free(nv);
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
	if (!ret)
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
		"cmb=N          bytes of a controller memory buffer, for data that other devices read or write;\n"
		"               Linux takes one of a multiple of 2M\n"
		"poll=auto|US   microseconds to look for work before sleeping; 0: never. auto, which is the default:\n"
		"               as long as pays on this machine with this guest, at most 1000\n"
		"poll-share=N   percent of a processor that such looks may take in all; 90 if not given\n"
		"serial=N       serial number; made from the file if not given",
	.make = nvme_new,
};
