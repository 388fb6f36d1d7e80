/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gangway/sim.h>
#include <gangway/vfio.h>

#include "base/util.h"
#include "cli/cli.h"
#include "cli/text.h"
#include "cli/viommu.h"
#include <gangway/devices.h>

enum {
	OPT_PLAN = 256, OPT_HOST_OPTION, OPT_WINDOW, OPT_POOL_SIZE, OPT_SPIN, OPT_REPORT,
	OPT_SHARE, OPT_VM, OPT_SCAN_OUT,
	OPT_SOCKET, OPT_ARCH,
	OPT_QEMU, OPT_KERNEL, OPT_INITRD, OPT_APPEND, OPT_MEMORY, OPT_CPUS, OPT_DEVICE_TREE,
	OPT_MEMORY_FILE, OPT_COMPANION, OPT_GUEST_BDF, OPT_SHOW, OPT_POLL, OPT_VIOMMU,
	OPT_ACCEL, OPT_IVSHMEM, OPT_PORT, OPT_RAM, OPT_HELP,
};

static const struct option serve_options[] = {
	{ "plan", required_argument, NULL, OPT_PLAN },
	{ "host-option", required_argument, NULL, OPT_HOST_OPTION },
	{ "spin", required_argument, NULL, OPT_SPIN },
	{ "report", required_argument, NULL, OPT_REPORT },
	{ "share", required_argument, NULL, OPT_SHARE },
	{ "vm", required_argument, NULL, OPT_VM },
	{ "scan-out", no_argument, NULL, OPT_SCAN_OUT },
	{ "socket", required_argument, NULL, OPT_SOCKET },
	{ "companion", required_argument, NULL, OPT_COMPANION },
	{ "guest-bdf", required_argument, NULL, OPT_GUEST_BDF },
	{ "show-at-once", no_argument, NULL, OPT_SHOW },
	{ "poll", required_argument, NULL, OPT_POLL },
	{ "device-tree", required_argument, NULL, OPT_DEVICE_TREE },
	{ "memory-file", required_argument, NULL, OPT_MEMORY_FILE },
	{ "memory", required_argument, NULL, OPT_MEMORY },
	{ "window", required_argument, NULL, OPT_WINDOW },
	{ "pool-size", required_argument, NULL, OPT_POOL_SIZE },
	{ "help", no_argument, NULL, OPT_HELP },
	{ 0 },
};

static const struct option run_options[] = {
	{ "plan", required_argument, NULL, OPT_PLAN },
	{ "host-option", required_argument, NULL, OPT_HOST_OPTION },
	{ "window", required_argument, NULL, OPT_WINDOW },
	{ "pool-size", required_argument, NULL, OPT_POOL_SIZE },
	{ "spin", required_argument, NULL, OPT_SPIN },
	{ "report", required_argument, NULL, OPT_REPORT },
	{ "share", required_argument, NULL, OPT_SHARE },
	{ "vm", required_argument, NULL, OPT_VM },
	{ "scan-out", no_argument, NULL, OPT_SCAN_OUT },
	{ "guest-bdf", required_argument, NULL, OPT_GUEST_BDF },
	{ "show-at-once", no_argument, NULL, OPT_SHOW },
	{ "poll", required_argument, NULL, OPT_POLL },
	{ "arch", required_argument, NULL, OPT_ARCH },
	{ "qemu", required_argument, NULL, OPT_QEMU },
	{ "kernel", required_argument, NULL, OPT_KERNEL },
	{ "initrd", required_argument, NULL, OPT_INITRD },
	{ "append", required_argument, NULL, OPT_APPEND },
	{ "memory", required_argument, NULL, OPT_MEMORY },
	{ "cpus", required_argument, NULL, OPT_CPUS },
	{ "accel", required_argument, NULL, OPT_ACCEL },
	{ "viommu", required_argument, NULL, OPT_VIOMMU },
	{ "help", no_argument, NULL, OPT_HELP },
	{ 0 },
};

static const struct option companion_options[] = {
	{ "ivshmem", required_argument, NULL, OPT_IVSHMEM },
	{ "port", required_argument, NULL, OPT_PORT },
	{ "ram", required_argument, NULL, OPT_RAM },
	{ "socket", required_argument, NULL, OPT_SOCKET },
	{ "host-option", required_argument, NULL, OPT_HOST_OPTION },
	{ "spin", required_argument, NULL, OPT_SPIN },
	{ "report", required_argument, NULL, OPT_REPORT },
	{ "guest-bdf", required_argument, NULL, OPT_GUEST_BDF },
	{ "show-at-once", no_argument, NULL, OPT_SHOW },
	{ "poll", required_argument, NULL, OPT_POLL },
	{ "help", no_argument, NULL, OPT_HELP },
	{ 0 },
};

static const char serve_help[] =
"Usage: gangway serve DEVICE --socket PATH [OPTIONS]\n"
"\n"
"Serve a device to a VMM that speaks vfio-user, until SIGTERM or SIGINT. The VMM may come, go\n"
"and come back. With several devices, the sockets are PATH.0, PATH.1 and so on.\n"
"\n"
"  --socket PATH         where the VMM connects; made with mode 0600\n"
"  --plan PLAN           auto (default), direct, window, pool or paravirt\n"
"\n"
"Plan paravirt also needs this:\n"
"  --companion PATH      where the VMM connects for the companion device, by which the guest's\n"
"                        module maps memory; PATH.0, PATH.1 and so on for several devices\n"
"\n"
"Plans window and pool, for a VMM that you start yourself, also need these:\n"
"  --device-tree FILE    what your QEMU prints with -machine virt,dumpdtb=FILE; the window or\n"
"                        pools are added to it, and QEMU then takes it with -dtb FILE\n"
"  --memory-file PATH    made to hold the guest's memory; on a tmpfs such as /dev/shm\n"
"  --memory SIZE         guest RAM (default 2G)\n"
"  --window SIZE         how much of it devices reach without a copy\n"
"                        (default: as much as the host allows)\n"
"  --pool-size SIZE      plan pool: how much of it each device reaches\n"
"                        (default: by the kind of device; 64M for a disk)\n"
"\n";

static const char run_help[] =
"Usage: gangway run DEVICE... [OPTIONS] [-- QEMU OPTIONS]\n"
"\n"
"Boot a Linux guest with the devices passed through, its console on this terminal (Ctrl-A x\n"
"ends it), and report on it at the end.\n"
"\n"
"  --arch ARCH           arm64 (default) or x86_64\n"
"  --memory SIZE         guest RAM (default 2G)\n"
"  --cpus N              virtual CPUs (default 1)\n"
"  --accel KIND          tcg (default), which emulates, or kvm, and what QEMU's -accel takes after\n"
"                        that, as in tcg,thread=single; 'gangway doctor' tries KVM\n"
"  --kernel FILE         kernel (default: the one that 'make demo' provisioned)\n"
"  --initrd FILE         its initramfs (default: likewise)\n"
"  --append TEXT         more words for the kernel command line\n"
"  --qemu PATH           QEMU 10.1 or newer, or the folder it is in\n"
"                        (default: $QEMU, the system's, then the provisioned one)\n"
"  --plan PLAN           auto (default), direct, window, pool or paravirt\n"
"  --window SIZE         how much of guest RAM devices reach without a copy\n"
"                        (default: as much as the host allows)\n"
"  --pool-size SIZE      plan pool: how much of guest RAM each device reaches\n"
"                        (default: by the kind of device; 64M for a disk)\n"
"  --viommu KIND         plan direct: a virtual IOMMU before the devices, by which the guest's\n"
"                        kernel says page by page what they reach: virtio, intel (x86_64 only)\n"
"                        or none (default)\n";

static const char companion_help[] =
"Usage: gangway companion DEVICE --ivshmem PATH | --port PATH [OPTIONS]\n"
"\n"
"Map memory for a device under plan paravirt, for a VMM that does not speak vfio-user: the guest's\n"
"module asks by a device that the VMM has, until SIGTERM or SIGINT.\n"
"\n"
"  --ivshmem PATH        QEMU's ivshmem-doorbell: -chardev socket,id=gw,path=PATH\n"
"                        -device ivshmem-doorbell,chardev=gw,vectors=1\n"
"  --port PATH           a virtio-serial port: -chardev socket,id=gw,path=PATH -device virtio-serial\n"
"                        -device virtserialport,chardev=gw,name=gangway.0; memory is then mapped\n"
"                        only from where the guest may sleep\n"
"  --ram FILE,gpa=ADDRESS[,offset=SIZE][,size=SIZE]\n"
"                        guest memory: a file that the VMM has with share=on; once for each piece\n"
"  --socket PATH         or else: serve the device itself to a VMM, which tells its memory\n";

static const char common_help[] =
"  --spin MICROSECONDS   poll so long for the VMM's next message before sleeping (default 0)\n"
"  --poll MICROSECONDS   plan paravirt: look at the guest's ring so long before waiting for it to\n"
"                        ring (default 50)\n"
"  --show-at-once        plan paravirt: do not hide the device until the guest's module is there;\n"
"                        for a module that does not say so\n"
"  --guest-bdf BB:DD.F   plan paravirt: where the guest sees the device, for a module that wants to\n"
"                        know; once for each device ('gangway run' works it out)\n"
"  --share PATH          let what the guest shows be seen by the broker there; see gangway share\n"
"  --vm NAME             what the broker's policy calls this VM (default guest)\n"
"  --scan-out            with --share: a card shows on its own screen what its first virtual\n"
"                        function does; your word that guest and host meet on the same GPU\n"
"  --report FILE         write the final report to FILE as JSON\n"
"  --host-option K=V     how the host behaves, see below\n"
"\n"
"Devices:\n"
"  0000:01:00.0 or 01:00.0   a PCI function of this machine that vfio-pci has\n";

static const struct {
	const struct option *known;
	const char *help;
} kinds[] = {
	[OPTIONS_SERVE] = { serve_options, serve_help },
	[OPTIONS_RUN] = { run_options, run_help },
	[OPTIONS_COMPANION] = { companion_options, companion_help },
};

static int print_help(enum options_of of)
{
	fputs(kinds[of].help, stdout);
	fputs(common_help, stdout);
	for (const struct gw_endpoint_type *const *t = gw_endpoint_types; *t; t++) {
		printf("  sim:%s\n", (*t)->name);
		text_print_indented(stdout, (*t)->help, 6);
	}
	printf("\nHost options, for PCI functions:\n");
	text_print_indented(stdout, gw_vfio_options_help(), 2);
	printf("\nHost options, for simulated devices:\n");
	text_print_indented(stdout, gw_sim_options_help(), 2);
	return CLI_OK;
}

static int bad_value(struct gw_log *log, const char *option, const char *value, const char *want)
{
	gw_err(log, "--%s '%s': %s", option, value, want);
	return CLI_USAGE;
}

static int parse_size(struct gw_log *log, const char *option, const char *value, uint64_t *out)
{
	if (gw_size_parse(value, out) || !*out)
		return bad_value(log, option, value, "wants a size, such as 512M or 2G");
	return -1;
}

static int parse_number(struct gw_log *log, const char *option, const char *value,
			unsigned int min, unsigned int max, unsigned int *out)
{
	char *end, want[64];
	unsigned long v = strtoul(value, &end, 10);

	/* strtoul(3) takes blanks and signs, too, and makes of -18446744073709551615 a 1 */
	if (*value < '0' || *value > '9' || *end || v < min || v > max) {
		snprintf(want, sizeof(want), "wants a whole number from %u to %u", min, max);
		return bad_value(log, option, value, want);
	}
	*out = (unsigned int)v;
	return -1;
}

static int parse_bdf(struct options *o, struct gw_log *log, const char *option, const char *value)
{
	unsigned int bus, dev, fn;
	int end = 0;

	if (sscanf(value, "%2x:%2x.%1x%n", &bus, &dev, &fn, &end) != 3 || value[end] || dev > 31 ||
	    fn > 7)
		return bad_value(log, option, value, "wants bus:device.function, such as 01:00.0");
	if (o->nr_guest_bdfs == MAX_DEVICES)
		return bad_value(log, option, value, "too many of them");
	o->guest_bdf[o->nr_guest_bdfs++] = bus << 8 | dev << 3 | fn;
	return -1;
}

bool accel_is(const char *accel, const char *kind)
{
	size_t len = strlen(kind);

	return !strncmp(accel, kind, len) && (!accel[len] || accel[len] == ',');
}

/* What only run knows, the guest, and what only companion knows. */
static int set_guest_option(struct options *o, int opt, const char *name, struct gw_log *log)
{
	int ret = -1;

	switch (opt) {
	case OPT_CPUS:
		ret = parse_number(log, name, optarg, 1, 64, &o->cpus);
		break;
	case OPT_ACCEL:
		if (!accel_is(optarg, "kvm") && !accel_is(optarg, "tcg"))
			ret = bad_value(log, name, optarg, "wants kvm or tcg");
		o->accel = optarg;
		break;
	case OPT_VIOMMU:
		if (viommu_parse(optarg, &o->viommu))
			ret = bad_value(log, name, optarg, "wants virtio, intel or none");
		break;
	case OPT_ARCH:
		if (strcmp(optarg, "arm64") && strcmp(optarg, "x86_64"))
			ret = bad_value(log, name, optarg, "wants arm64 or x86_64");
		o->arch = optarg;
		break;
	case OPT_QEMU:	 o->qemu = optarg; break;
	case OPT_KERNEL: o->kernel = optarg; break;
	case OPT_INITRD: o->initrd = optarg; break;
	case OPT_APPEND: o->append = optarg; break;
	case OPT_IVSHMEM: o->ivshmem = optarg; break;
	case OPT_PORT:	 o->port = optarg; break;
	case OPT_RAM:
		if (o->nr_ram == MAX_RAM)
			ret = bad_value(log, name, optarg, "too many of them");
		else
			o->ram[o->nr_ram++] = optarg;
		break;
	default:
		ret = CLI_USAGE;
	}
	return ret;
}

static int set_option(struct options *o, int opt, const char *name, struct gw_log *log)
{
	int ret = -1;

	switch (opt) {
	case OPT_PLAN:
		if (gw_plan_parse(optarg, &o->plan))
			ret = bad_value(log, name, optarg,
					"wants auto, direct, window, pool or paravirt");
		break;
	case OPT_HOST_OPTION:
		if (o->nr_host_options == MAX_HOST_OPTIONS)
			ret = bad_value(log, name, optarg, "too many of them");
		else
			o->host_option[o->nr_host_options++] = optarg;
		break;
	case OPT_WINDOW:
		ret = parse_size(log, name, optarg, &o->window);
		break;
	case OPT_POOL_SIZE:
		ret = parse_size(log, name, optarg, &o->pool_size);
		break;
	case OPT_MEMORY:
		ret = parse_size(log, name, optarg, &o->memory);
		break;
	case OPT_SPIN:
		ret = parse_number(log, name, optarg, 0, 1000000, &o->spin_us);
		break;
	case OPT_POLL:
		ret = parse_number(log, name, optarg, 0, 1000, &o->poll_us);
		break;
	case OPT_GUEST_BDF:
		ret = parse_bdf(o, log, name, optarg);
		break;
	case OPT_SHOW: o->show_at_once = true; break;
	case OPT_REPORT: o->report = optarg; break;
	case OPT_SHARE: o->share = optarg; break;
	case OPT_VM: o->vm = optarg; break;
	case OPT_SCAN_OUT: o->scan_out = true; break;
	case OPT_SOCKET: o->socket = optarg; break;
	case OPT_COMPANION: o->companion = optarg; break;
	case OPT_DEVICE_TREE: o->device_tree = optarg; break;
	case OPT_MEMORY_FILE: o->memory_file = optarg; break;
	default:
		ret = set_guest_option(o, opt, name, log);
	}
	return ret;
}

/* Words before "--" that are no options are devices; what follows "--" is QEMU's. */
static int take_words(struct options *o, int argc, char **argv, int end, struct gw_log *log)
{
	for (int i = optind; i < end; i++) {
		if (o->nr_devices == MAX_DEVICES) {
			gw_err(log, "'%s': at most %d devices", argv[i], MAX_DEVICES);
			return CLI_USAGE;
		}
		o->device[o->nr_devices++] = argv[i];
	}
	if (!o->nr_devices) {
		gw_err(log, "which device? For example sim:nvme,file=disk.img,size=1G");
		return CLI_USAGE;
	}
	o->qemu_args = argv + end + 1;
	o->nr_qemu_args = end < argc ? argc - end - 1 : 0;
	return -1;
}

/* What must be there, and what not together. */
static int options_check(const struct options *o, enum options_of of, bool qemu_args,
			 struct gw_log *log)
{
	if (of == OPTIONS_SERVE && !o->socket) {
		gw_err(log, "--socket PATH is missing");
		return CLI_USAGE;
	}
	if (of == OPTIONS_COMPANION && !o->ivshmem == !o->port) {
		gw_err(log, "companion wants one of --ivshmem PATH and --port PATH");
		return CLI_USAGE;
	}
	if (of == OPTIONS_COMPANION && !o->socket == !o->nr_ram) {
		gw_err(log, "companion wants guest memory: --ram FILE,gpa=ADDRESS; or --socket PATH, "
		       "where a VMM tells of it");
		return CLI_USAGE;
	}
	if (of == OPTIONS_COMPANION && o->nr_devices > 1) {
		gw_err(log, "'%s': companion is for one device; start another", o->device[1]);
		return CLI_USAGE;
	}
	if (!o->device_tree != !o->memory_file) {
		gw_err(log, "--device-tree and --memory-file go together");
		return CLI_USAGE;
	}
	if (o->viommu == VIOMMU_INTEL && strcmp(o->arch, "x86_64") != 0)
		return bad_value(log, "viommu", "intel", "wants --arch x86_64");
	if (of != OPTIONS_RUN && qemu_args) {
		gw_err(log, "only 'gangway run' takes QEMU options");
		return CLI_USAGE;
	}
	return -1;
}

int options_parse(struct options *o, int argc, char **argv, enum options_of of,
		  struct gw_log *log)
{
	const struct option *known = kinds[of].known;
	int end = argc, opt, index, ret;

	*o = (struct options){ .plan = GW_PLAN_AUTO, .for_run = of == OPTIONS_RUN, .arch = "arm64", .accel = "tcg",
			       .memory = 2ull << 30, .cpus = 1, .poll_us = 50 };
	for (int i = 1; i < argc && end == argc; i++) {
		if (!strcmp(argv[i], "--"))
			end = i;
	}
	optind = 1;
	opterr = 0;
	while ((opt = getopt_long(end, argv, ":hv", known, &index)) != -1) {
		if (opt == OPT_HELP || opt == 'h')
			return print_help(of);
		if (opt == 'v') {
			log->level = GW_LOG_DEBUG;
			continue;
		}
		if (opt == '?' || opt == ':') {
			text_bad_option(log, argv, opt);
			gw_hint(log, "gangway %s --help lists the options", argv[0]);
			return CLI_USAGE;
		}
		ret = set_option(o, opt, known[index].name, log);
		if (ret >= 0)
			return ret;
	}
	ret = take_words(o, argc, argv, end, log);
	if (ret >= 0)
		return ret;
	return options_check(o, of, end < argc, log);
}
