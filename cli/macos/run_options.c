/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/macos/run_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gangway/devices.h>

#include "base/util.h"
#include "cli/cli.h"
#include "cli/text.h"

static const char help[] =
"Usage: gangway run DEVICE... [OPTIONS] [-- QEMU OPTIONS]\n"
"\n"
"Start QEMU with gangway inside and the devices passed through to an arm64 guest, its console on\n"
"this terminal (Ctrl-A x ends it). QEMU itself opens the devices, and reports on them.\n"
"\n"
"  --memory SIZE         guest RAM (default 2G)\n"
"  --cpus N              virtual CPUs (default 4)\n"
"  --accel KIND          hvf (default), or tcg, which emulates\n"
"  --kernel FILE         kernel; without it the guest boots what is behind --, firmware and a disk\n"
"  --initrd FILE         its initramfs\n"
"  --append TEXT         more words for the kernel command line\n"
"  --plan PLAN           auto (default), window, pool or paravirt\n"
"  --window SIZE         how much of guest RAM devices reach without a copy\n"
"  --pool-size SIZE      plan pool: how much of guest RAM each device reaches\n"
"  --host-option K=V     how the host behaves\n"
"  --qemu PATH           a QEMU with gangway inside (default: $QEMU, then qemu-system-aarch64)\n"
"  --dry-run             print how QEMU would be started, but do not start it\n"
"\n"
"Devices:\n"
"  01:00.0 or 01:00.0@ROOT   a function that the driver extension has, as 'gangway list' shows it\n";

enum { MEMORY = 256, CPUS, ACCEL, KERNEL, INITRD, APPEND, PLAN, WINDOW, POOL, HOST_OPTION, QEMU, DRY_RUN };

static const struct option options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "memory", required_argument, NULL, MEMORY },
	{ "cpus", required_argument, NULL, CPUS },
	{ "accel", required_argument, NULL, ACCEL },
	{ "kernel", required_argument, NULL, KERNEL },
	{ "initrd", required_argument, NULL, INITRD },
	{ "append", required_argument, NULL, APPEND },
	{ "plan", required_argument, NULL, PLAN },
	{ "window", required_argument, NULL, WINDOW },
	{ "pool-size", required_argument, NULL, POOL },
	{ "host-option", required_argument, NULL, HOST_OPTION },
	{ "qemu", required_argument, NULL, QEMU },
	{ "dry-run", no_argument, NULL, DRY_RUN },
	{ 0 },
};

static void print_help(void)
{
	fputs(help, stdout);
	for (const struct gw_endpoint_type *const *t = gw_endpoint_types; *t; t++) {
		printf("  sim:%s\n", (*t)->name);
		text_print_indented(stdout, (*t)->help, 6);
	}
}

static int take_size(const char *value, uint64_t *size)
{
	return gw_size_parse(value, size) || !*size ? -EINVAL : 0;
}

static int take_cpus(const char *value, unsigned int *cpus)
{
	char *end;
	unsigned long v = strtoul(value, &end, 10);

	*cpus = (unsigned int)v;
	return *value < '0' || *value > '9' || *end || !v || v > 512 ? -EINVAL : 0;
}

/* The platform chooses the addresses. */
static int take_plan(const char *value, enum gw_plan *plan)
{
	return gw_plan_parse(value, plan) || *plan == GW_PLAN_DIRECT ? -EINVAL : 0;
}

static int take_host_option(struct run_options *o, const char *value)
{
	if (o->nr_host_options == ARRAY_SIZE(o->host_option) || !strchr(value, '=') || strchr(value, ','))
		return -EINVAL;
	o->host_option[o->nr_host_options++] = value;
	return 0;
}

/* Return: 0; -EINVAL the value makes no sense. */
static int take(struct run_options *o, int c, const char *value)
{
	switch (c) {
	case MEMORY:		return take_size(value, &o->memory);
	case WINDOW:		return take_size(value, &o->window);
	case POOL:		return take_size(value, &o->pool);
	case CPUS:		return take_cpus(value, &o->cpus);
	case PLAN:		return take_plan(value, &o->plan);
	case HOST_OPTION:	return take_host_option(o, value);
	case ACCEL:		o->accel = value; break;
	case KERNEL:		o->kernel = value; break;
	case INITRD:		o->initrd = value; break;
	case APPEND:		o->append = value; break;
	case QEMU:		o->qemu = value; break;
	case DRY_RUN:		o->dry_run = true; break;
	}
	return 0;
}

static const char *name_of(int c)
{
	for (const struct option *o = options; o->name; o++)
		if (o->val == c)
			return o->name;
	return "";
}

/* Words before -- are devices; getopt(3) stops at the first of them on a Mac. */
static int take_words(struct run_options *o, int argc, char **argv, struct gw_log *log)
{
	int c, ret;

	for (optind = 1, opterr = 0; optind < argc;) {
		if (!strcmp(argv[optind], "--")) {
			o->arg = argv + optind + 1;
			o->nr_args = argc - optind - 1;
			return -1;
		}
		if (*argv[optind] != '-') {
			if (o->nr_devices == RUN_MAX_DEVICES) {
				gw_err(log, "no more than %u devices", RUN_MAX_DEVICES);
				return CLI_USAGE;
			}
			o->device[o->nr_devices++] = argv[optind++];
			continue;
		}
		c = getopt_long(argc, argv, "+:h", options, NULL);
		if (c == 'h') {
			print_help();
			return CLI_OK;
		}
		if (c == '?' || c == ':') {
			text_bad_option(log, argv, c);
			return CLI_USAGE;
		}
		ret = take(o, c, optarg);
		if (ret) {
			gw_err(log, "--%s '%s' makes no sense here; gangway run --help tells more", name_of(c),
			       optarg);
			return CLI_USAGE;
		}
	}
	return -1;
}

int run_options_parse(struct run_options *o, int argc, char **argv, struct gw_log *log)
{
	int code;

	*o = (struct run_options){ .cpus = 4, .memory = 2ull << 30, .plan = GW_PLAN_AUTO, .accel = "hvf" };
	code = take_words(o, argc, argv, log);
	if (code >= 0)
		return code;
	if (!o->nr_devices) {
		gw_err(log, "run wants a device; gangway list shows them");
		return CLI_USAGE;
	}
	if (!o->kernel && !o->nr_args) {
		gw_err(log, "nothing to boot: give --kernel, or firmware and a disk behind --");
		return CLI_USAGE;
	}
	return -1;
}
