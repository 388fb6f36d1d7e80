/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_MACOS_RUN_OPTIONS_H
#define CLI_MACOS_RUN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <gangway/log.h>
#include <gangway/embed.h>

#define RUN_MAX_DEVICES	8u

/** struct run_options - of 'run' on a Mac; strings are argv's. @arg: QEMU's own, behind -- */
struct run_options {
	const char *device[RUN_MAX_DEVICES];
	unsigned int nr_devices, cpus;
	uint64_t memory, window, pool;		/* bytes; 0: not given */
	enum gw_plan plan;
	const char *accel, *kernel, *initrd, *append, *qemu, *host_option[16];
	unsigned int nr_host_options;
	bool dry_run;
	char **arg;
	int nr_args;
};

/** run_options_parse() - Return: -1 to go on; else the exit code */
int run_options_parse(struct run_options *o, int argc, char **argv, struct gw_log *log);

#endif
