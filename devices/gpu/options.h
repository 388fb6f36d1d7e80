/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_GPU_OPTIONS_H
#define DEVICES_GPU_OPTIONS_H

#include <stdint.h>

#include <gangway/log.h>

#define GPU_MAX_VFS	8u

struct gpu_options {
	uint64_t vram;			/* bytes; a power of two */
	unsigned int vfs;
	uint64_t share;			/* bytes of each virtual function */
	uint64_t window;		/* bytes of their BARs; a power of two */
	unsigned int pieces;		/* that each share is cut into */
	unsigned int width, height;	/* the mode that monitors prefer */
};

extern const char gw_gpu_options_help[];

/** gw_gpu_options_parse() - read "key=value,..."; fills in defaults. Return: 0; -EINVAL (logged) */
int gw_gpu_options_parse(const char *opts, struct gw_log *log, struct gpu_options *o);

#endif
