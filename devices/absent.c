/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "devices/gpu.h"
#include "devices/nvme.h"

/* The devices that this system has not the means for: they are listed, and say why. */

#define NVME_WHY	"its disk is read and written by io_uring, which only Linux has"
#define GPU_WHY		"its memory is shared by files that only Linux has"

static int nvme_make(const char *options, struct gw_log *log, struct gw_endpoint **ep)
{
	gw_err(log, "sim:nvme is not on this system: %s; sim:probe is", NVME_WHY);
	return -EOPNOTSUPP;
}

static int gpu_make(const char *options, struct gw_log *log, struct gw_endpoint **ep)
{
	gw_err(log, "sim:gpu is not on this system: %s; sim:probe is", GPU_WHY);
	return -EOPNOTSUPP;
}

const struct gw_endpoint_type gw_nvme_type = {
	.name = "nvme", .help = "not on this system: " NVME_WHY "\n", .make = nvme_make,
};

const struct gw_endpoint_type gw_gpu_type = {
	.name = "gpu", .help = "not on this system: " GPU_WHY "\n", .make = gpu_make,
};
