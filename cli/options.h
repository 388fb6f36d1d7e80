/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <gangway/plan.h>

#define MAX_DEVICES	8	/* limit: devices */
#define MAX_HOST_OPTIONS 32	/* limit: host options */

#define MAX_RAM		8	/* limit: pieces of --ram */

/** Whose command line it is. */
enum options_of { OPTIONS_SERVE, OPTIONS_RUN, OPTIONS_COMPANION };

enum viommu { VIOMMU_NONE, VIOMMU_VIRTIO, VIOMMU_INTEL };

/** What serve, run and companion share: the devices, the plan and the host's behaviour. */
struct options {
	const char *device[MAX_DEVICES];
	unsigned int nr_devices;
	const char *host_option[MAX_HOST_OPTIONS];
	unsigned int nr_host_options;
	enum gw_plan plan;
	uint64_t window;	/* bytes; 0: as much as the budget allows */
	bool one_node;		/* the rest of RAM is no NUMA node of its own */
	uint64_t pool_size;	/* bytes; 0: by the kind of device */
	unsigned int spin_us;
	uint32_t guest_bdf[MAX_DEVICES];	/* in the order of @device */
	unsigned int nr_guest_bdfs;
	bool show_at_once;
	bool any_memory;
	unsigned int poll_us;
	const char *share;	/* the broker's socket, or NULL */
	const char *vm;		/* the VM's name there */
	bool scan_out;		/* cards show what their first virtual functions do */
	const char *report;	/* file for the report as JSON, "-": standard output; or NULL */
	bool help;		/* it was asked for, and has been printed */

	/* serve */
	bool json;
	unsigned int ready_fd;	/* 0: none */
	const char *socket, *companion;
	const char *device_tree, *memory_file, *acpi_table;

	/* companion; @socket too, or @ram */
	const char *ivshmem, *port;
	const char *ram[MAX_RAM];	/* FILE,gpa=ADDRESS and more */
	unsigned int nr_ram;

	/* run */
	bool for_run;
	bool dry_run;
	const char *arch;
	enum viommu viommu;
	const char *accel;		/* as QEMU's -accel takes it */
	const char *qemu;
	const char *firmware, *kernel, *initrd, *append;
	uint64_t memory;
	unsigned int cpus;
	char **qemu_args;
	int nr_qemu_args;
};

/**
 * options_parse() - the command line of serve, run or companion
 * @of: whose, and so which options are known
 *
 * Return: 0; CLI_USAGE, logged. With @o->help nothing is left to do.
 */
int options_parse(struct options *o, int argc, char **argv, enum options_of of,
		  struct gw_log *log);

/** options_simulated() - are the devices those of the simulated host? */
bool options_simulated(const struct options *o);

/** accel_is() - does @accel, with or without options behind a comma, name @kind? */
bool accel_is(const char *accel, const char *kind);

#endif
