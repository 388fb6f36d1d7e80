/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
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

/*
 * How it works: each option is a row: its name, the commands that take it, the member of struct
 * options it is for, and the function that sets that. options_parse() makes getopt's table of a
 * command's rows, has the values set one by one, and then looks at what must or must not be there
 * together. Texts are not copied: they are the command line's.
 */

static const char serve_help[] =
"Usage: gangway serve DEVICE --socket PATH [OPTIONS]\n"
"\n"
"Serve a device to a VMM that speaks vfio-user, until SIGTERM or SIGINT. The VMM may come, go\n"
"and come back. With several devices, the sockets are PATH.0, PATH.1 and so on.\n"
"\n"
"  --socket PATH         where the VMM connects; made with mode 0600\n"
"  --json                when it is ready, print one JSON object on standard output: QEMU's options\n"
"                        (argv), sockets, plan and window\n"
"  --ready-fd N          when it is ready, write a newline to descriptor N and close it\n"
"  --plan PLAN           auto (default), direct, window, pool or paravirt\n"
"\n"
"Plan paravirt also needs this:\n"
"  --companion PATH      where the VMM connects for the companion device, by which the guest's\n"
"                        module maps memory; PATH.0, PATH.1 and so on for several devices\n"
"\n"
"Plans window and pool, for a VMM that you start yourself, also need these:\n"
"  --device-tree FILE    what your QEMU prints with -machine virt,dumpdtb=FILE; the window or\n"
"                        pools are added to it, and QEMU then takes it with -dtb FILE\n"
"  --acpi-table FILE     plan window, for a guest that boots by ACPI: take this table (SSDT), or if FILE\n"
"                        ends in .cpio, an archive to put before its initramfs\n"
"  --memory-file PATH    made to hold the guest's memory; on a tmpfs such as /dev/shm\n"
"  --memory SIZE         guest RAM (default 2G)\n"
"  --window SIZE         how much of it devices reach without a copy\n"
"                        (default: as much as the host allows)\n"
"  --one-node            do not make what lies above the window a NUMA node of its own, by which a\n"
"                        guest's kernel uses the window first\n"
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
"  --firmware FILE       boot by this UEFI firmware, and so by ACPI; under plan window the kernel finds\n"
"                        out by a table that is put before its initramfs\n"
"  --append TEXT         more words for the kernel command line\n"
"  --dry-run             open the devices and print how QEMU would be started, but do not start it\n"
"  --qemu PATH           QEMU 10.1 or newer, or the folder it is in\n"
"                        (default: $QEMU, the system's, then the provisioned one)\n"
"  --plan PLAN           auto (default), direct, window, pool or paravirt\n"
"  --window SIZE         how much of guest RAM devices reach without a copy\n"
"                        (default: as much as the host allows)\n"
"  --one-node            do not make what lies above the window a NUMA node of its own, by which the\n"
"                        guest's kernel uses the window first\n"
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
"  --port PATH           a virtio-serial port: -chardev socket,id=gw,path=PATH -device\n"
"                        virtio-serial-pci,max_ports=1 -device virtconsole,chardev=gw; memory is\n"
"                        then mapped only from where the guest may sleep\n"
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
"  --share PATH          let what the guest shows, and its functions' memory, be seen by the broker\n"
"                        there; see gangway share\n"
"  --vm NAME             what the broker's policy calls this VM (default guest)\n"
"  --scan-out            with --share: a card shows on its own screen what its first virtual\n"
"                        function does; your word that guest and host meet on the same GPU\n"
"  --any-memory          take guest memory also in files of disks and programs, which may keep gangway\n"
"                        waiting for them; otherwise only memfd, tmpfs and hugetlbfs\n"
"  --report FILE         write the final report to FILE as JSON; '-' is standard output\n"
"  --host-option K=V     how the host behaves, see below\n"
"\n"
"Devices:\n"
"  0000:01:00.0 or 01:00.0   a PCI function of this machine that vfio-pci has\n";

static void print_help(enum options_of of)
{
	static const char *const help[] = {
		[OPTIONS_SERVE] = serve_help, [OPTIONS_RUN] = run_help,
		[OPTIONS_COMPANION] = companion_help,
	};

	fputs(help[of], stdout);
	fputs(common_help, stdout);
	for (const struct gw_endpoint_type *const *t = gw_endpoint_types; *t; t++) {
		printf("  sim:%s\n", (*t)->name);
		text_print_indented(stdout, (*t)->help, 6);
	}
	printf("\nHost options, for PCI functions:\n");
	text_print_indented(stdout, gw_vfio_options_help(), 2);
	printf("\nHost options, for simulated devices:\n");
	text_print_indented(stdout, gw_sim_options_help(), 2);
	text_print_indented(stdout, gw_dext_options_help(), 2);
}

/* One option being set. */
struct setting {
	struct options *o;
	const struct row *row;
	const char *value;	/* NULL: a flag */
	struct gw_log *log;
};

/* Whose an option is: one bit each, in the order of enum options_of. */
enum { FOR_SERVE = 1, FOR_RUN = 2, FOR_COMPANION = 4, FOR_VM = 3, FOR_ALL = 7 };

/**
 * struct row - an option
 * @at:       the member of struct options that set() writes
 * @flag:     it takes no value
 * @min, @max: of a number
 */
struct row {
	const char *name;
	int whose;
	int (*set)(const struct setting *s);
	size_t at;
	bool flag;
	unsigned int min, max;
};

static void *member(const struct setting *s)
{
	return (char *)s->o + s->row->at;
}

static int bad_value(const struct setting *s, const char *want)
{
	gw_err(s->log, "--%s '%s': %s", s->row->name, s->value, want);
	return CLI_USAGE;
}

static int set_text(const struct setting *s)
{
	*(const char **)member(s) = s->value;
	return 0;
}

static int set_flag(const struct setting *s)
{
	*(bool *)member(s) = true;
	return 0;
}

static int set_size(const struct setting *s)
{
	uint64_t *out = member(s);

	if (gw_size_parse(s->value, out) || !*out)
		return bad_value(s, "wants a size, such as 512M or 2G");
	return 0;
}

static int set_number(const struct setting *s)
{
	unsigned int min = s->row->min, max = s->row->max;
	unsigned long v;
	char *end, want[64];

	v = strtoul(s->value, &end, 10);
	/* strtoul(3) takes blanks and signs, too, and makes of -18446744073709551615 a 1 */
	if (*s->value < '0' || *s->value > '9' || *end || v < min || v > max) {
		snprintf(want, sizeof(want), "wants a whole number from %u to %u", min, max);
		return bad_value(s, want);
	}
	*(unsigned int *)member(s) = (unsigned int)v;
	return 0;
}

static int set_plan(const struct setting *s)
{
	return gw_plan_parse(s->value, &s->o->plan) ?
	       bad_value(s, "wants auto, direct, window, pool or paravirt") : 0;
}

static int set_host_option(const struct setting *s)
{
	if (s->o->nr_host_options == MAX_HOST_OPTIONS)
		return bad_value(s, "too many of them");
	if (!strchr(s->value, '='))
		return bad_value(s, "wants KEY=VALUE");
	s->o->host_option[s->o->nr_host_options++] = s->value;
	return 0;
}

static int set_bdf(const struct setting *s)
{
	unsigned int bus, dev, fn;
	int end = 0;

	if (sscanf(s->value, "%2x:%2x.%1x%n", &bus, &dev, &fn, &end) != 3 || s->value[end] ||
	    dev > 31 || fn > 7)
		return bad_value(s, "wants bus:device.function, such as 01:00.0");
	if (s->o->nr_guest_bdfs == MAX_DEVICES)
		return bad_value(s, "too many of them");
	s->o->guest_bdf[s->o->nr_guest_bdfs++] = bus << 8 | dev << 3 | fn;
	return 0;
}

bool options_simulated(const struct options *o)
{
	return !strncmp(o->device[0], "sim:", 4);
}

bool accel_is(const char *accel, const char *kind)
{
	size_t len = strlen(kind);

	return !strncmp(accel, kind, len) && (!accel[len] || accel[len] == ',');
}

static int set_accel(const struct setting *s)
{
	s->o->accel = s->value;
	return accel_is(s->value, "kvm") || accel_is(s->value, "tcg") ? 0 :
	       bad_value(s, "wants kvm or tcg");
}

static int set_ram(const struct setting *s)
{
	if (s->o->nr_ram == MAX_RAM)
		return bad_value(s, "too many of them");
	s->o->ram[s->o->nr_ram++] = s->value;
	return 0;
}

static int set_viommu(const struct setting *s)
{
	return viommu_parse(s->value, &s->o->viommu) ? bad_value(s, "wants virtio, intel or none") : 0;
}

static int set_arch(const struct setting *s)
{
	s->o->arch = s->value;
	return strcmp(s->value, "arm64") && strcmp(s->value, "x86_64") ?
	       bad_value(s, "wants arm64 or x86_64") : 0;
}

#define AT(m)	offsetof(struct options, m)

static const struct row rows[] = {
	{ "accel", FOR_RUN, set_accel },
	{ "acpi-table", FOR_SERVE, set_text, AT(acpi_table) },
	{ "any-memory", FOR_VM, set_flag, AT(any_memory), .flag = true },
	{ "append", FOR_RUN, set_text, AT(append) },
	{ "arch", FOR_RUN, set_arch },
	{ "companion", FOR_SERVE, set_text, AT(companion) },
	{ "cpus", FOR_RUN, set_number, AT(cpus), .min = 1, .max = 64 },
	{ "device-tree", FOR_SERVE, set_text, AT(device_tree) },
	{ "dry-run", FOR_RUN, set_flag, AT(dry_run), .flag = true },
	{ "firmware", FOR_RUN, set_text, AT(firmware) },
	{ "guest-bdf", FOR_ALL, set_bdf },
	{ "help", FOR_ALL, set_flag, AT(help), .flag = true },
	{ "host-option", FOR_ALL, set_host_option },
	{ "initrd", FOR_RUN, set_text, AT(initrd) },
	{ "ivshmem", FOR_COMPANION, set_text, AT(ivshmem) },
	{ "json", FOR_SERVE, set_flag, AT(json), .flag = true },
	{ "kernel", FOR_RUN, set_text, AT(kernel) },
	{ "memory", FOR_VM, set_size, AT(memory) },
	{ "memory-file", FOR_SERVE, set_text, AT(memory_file) },
	{ "one-node", FOR_VM, set_flag, AT(one_node), .flag = true },
	{ "plan", FOR_VM, set_plan },
	{ "poll", FOR_ALL, set_number, AT(poll_us), .max = 1000 },
	{ "pool-size", FOR_VM, set_size, AT(pool_size) },
	{ "port", FOR_COMPANION, set_text, AT(port) },
	{ "qemu", FOR_RUN, set_text, AT(qemu) },
	{ "ram", FOR_COMPANION, set_ram },
	{ "ready-fd", FOR_SERVE, set_number, AT(ready_fd), .min = 3, .max = 65535 },
	{ "report", FOR_ALL, set_text, AT(report) },
	{ "scan-out", FOR_VM, set_flag, AT(scan_out), .flag = true },
	{ "share", FOR_VM, set_text, AT(share) },
	{ "show-at-once", FOR_ALL, set_flag, AT(show_at_once), .flag = true },
	{ "socket", FOR_SERVE | FOR_COMPANION, set_text, AT(socket) },
	{ "spin", FOR_ALL, set_number, AT(spin_us), .max = 1000000 },
	{ "viommu", FOR_RUN, set_viommu },
	{ "vm", FOR_VM, set_text, AT(vm) },
	{ "window", FOR_VM, set_size, AT(window) },
};

#define FIRST_ROW	256	/* getopt_long(3) answers with this and the row's number */

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
	return 0;
}

/* Name everything that is missing, and not only the first of it. */
static int check_serve(const struct options *o, struct gw_log *log)
{
	int ret = 0;

	if (!o->socket) {
		gw_err(log, "--socket PATH is missing: where the VMM connects");
		ret = CLI_USAGE;
	}
	if (!o->device_tree != !o->memory_file) {
		gw_err(log, "--%s is missing: --device-tree and --memory-file go together",
		       o->device_tree ? "memory-file PATH" : "device-tree FILE");
		ret = CLI_USAGE;
	}
	if (o->plan == GW_PLAN_PARAVIRT && !o->companion) {
		gw_err(log, "--companion PATH is missing: plan paravirt serves a second device, by which "
		       "the guest's module maps memory");
		ret = CLI_USAGE;
	}
	if (o->acpi_table && !o->device_tree) {
		gw_err(log, "--device-tree FILE and --memory-file PATH are missing: --acpi-table is about the "
		       "memory that they are for");
		ret = CLI_USAGE;
	}
	if ((o->plan == GW_PLAN_WINDOW || o->plan == GW_PLAN_POOL) && !o->device_tree) {
		gw_err(log, "--device-tree FILE and --memory-file PATH are missing: plan %s needs them",
		       gw_plan_name(o->plan));
		ret = CLI_USAGE;
	}
	return ret;
}

static int check_companion(const struct options *o, struct gw_log *log)
{
	int ret = 0;

	if (!o->ivshmem == !o->port) {
		gw_err(log, "companion wants one of --ivshmem PATH and --port PATH");
		ret = CLI_USAGE;
	}
	if (!o->socket == !o->nr_ram) {
		gw_err(log, "companion wants guest memory: --ram FILE,gpa=ADDRESS; or --socket PATH, "
		       "where a VMM tells of it");
		ret = CLI_USAGE;
	}
	if (o->nr_devices > 1) {
		gw_err(log, "'%s': companion is for one device; start another", o->device[1]);
		ret = CLI_USAGE;
	}
	return ret;
}

static int check_together(const struct options *o, enum options_of of, bool qemu_args,
			  struct gw_log *log)
{
	if (of != OPTIONS_RUN && qemu_args) {
		gw_err(log, "only 'gangway run' takes QEMU options");
		return CLI_USAGE;
	}
	if (o->firmware && o->plan == GW_PLAN_POOL) {
		gw_err(log, "--firmware '%s': plan pool wants a guest that boots from a device tree",
		       o->firmware);
		return CLI_USAGE;
	}
	if (o->viommu == VIOMMU_INTEL && strcmp(o->arch, "x86_64") != 0) {
		gw_err(log, "--viommu 'intel': wants --arch x86_64");
		return CLI_USAGE;
	}
	switch (of) {
	case OPTIONS_SERVE: return check_serve(o, log);
	case OPTIONS_COMPANION: return check_companion(o, log);
	default: return 0;
	}
}

static void make_known(struct option *known, int whose)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].whose & whose)
			*known++ = (struct option){
				rows[i].name, rows[i].flag ? no_argument : required_argument, NULL,
				FIRST_ROW + (int)i,
			};
	*known = (struct option){ 0 };
}

int options_parse(struct options *o, int argc, char **argv, enum options_of of, struct gw_log *log)
{
	struct option known[ARRAY_SIZE(rows) + 1];
	int end = argc, opt, ret = 0;

	*o = (struct options){ .plan = GW_PLAN_AUTO, .arch = "arm64", .accel = "tcg",
			       .memory = 2ull << 30, .cpus = 1, .poll_us = 50,
			       .for_run = of == OPTIONS_RUN };
	make_known(known, 1 << of);
	for (int i = 1; i < argc && end == argc; i++) {
		if (!strcmp(argv[i], "--"))
			end = i;
	}
	optind = 1;
	opterr = 0;
	while (!ret && !o->help && (opt = getopt_long(end, argv, ":hv", known, NULL)) != -1) {
		if (opt >= FIRST_ROW) {
			const struct setting s = { o, &rows[opt - FIRST_ROW], optarg, log };

			ret = s.row->set(&s);
		} else if (opt == 'h') {
			o->help = true;
		} else if (opt == 'v') {
			cli_say_more(log);
		} else {
			text_bad_option(log, argv, opt);
			gw_hint(log, "gangway %s --help lists the options", argv[0]);
			ret = CLI_USAGE;
		}
	}
	if (o->help && !ret) {
		print_help(of);
		return 0;
	}
	if (!ret)
		ret = take_words(o, argc, argv, end, log);
	return ret ? ret : check_together(o, of, end < argc, log);
}
