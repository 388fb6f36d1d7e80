/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/doctor.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/util.h"
#include "cli/cli.h"
#include "cli/machine.h"
#include "cli/passable.h"
#include "cli/sysfs.h"

/*
 * How it works: a table of checks, each of which fills in one finding and stands alone. Those that
 * only the machine itself can answer, doctor_run.c's among them, are left out with --tree; the
 * others read the tree.
 */

static const struct machine_usage usage = {
	.words = "", .min_words = 0, .max_words = 0,
	.text = "Check what passing devices through needs of this machine, and say what to do about\n"
		"what is missing. With --tree, what only the machine itself can answer is left out.\n",
};

static unsigned int nr_groups(struct gw_topology *t)
{
	DIR *dir = sysfs_opendir(t, "sys/kernel/iommu_groups");
	unsigned int nr = 0;
	struct dirent *e;

	if (!dir)
		return 0;
	while ((e = readdir(dir)))
		nr += *e->d_name != '.';
	closedir(dir);
	return nr;
}

/* The number behind a word that begins a line of a file of proc. */
static bool proc_number(struct gw_topology *t, const char *file, const char *word, uint64_t *val)
{
	char *text = NULL, *rest, *line;
	bool found = false;

	if (sysfs_text(t, file, &text))
		return false;
	for (rest = text; !found && (line = strsep(&rest, "\n"));) {
		if (!strncmp(line, word, strlen(word)))
			found = sscanf(line + strlen(word), "%" SCNu64, val) == 1;
	}
	free(text);
	return found;
}

static bool cpu_is(struct gw_topology *t, const char *vendor)
{
	char *text = NULL, *rest, *line;
	bool is = false;

	if (sysfs_text(t, "proc/cpuinfo", &text))
		return false;
	for (rest = text; !is && (line = strsep(&rest, "\n"));)
		is = !strncmp(line, "vendor_id", 9) && strstr(line, vendor);
	free(text);
	return is;
}

static void check_iommu(struct gw_topology *t, struct doctor_finding *f)
{
	unsigned int nr = nr_groups(t);

	if (nr)
		doctor_say(f, DOCTOR_OK, NULL, "in use, %u groups", nr);
	else if (cpu_is(t, "GenuineIntel"))
		doctor_say(f, DOCTOR_BAD,
			   "enable VT-d in the firmware, and boot with intel_iommu=on",
			   "not in use");
	else if (cpu_is(t, "AuthenticAMD"))
		doctor_say(f, DOCTOR_BAD,
			   "enable the IOMMU (AMD-Vi) in the firmware; do not boot with "
			   "amd_iommu=off",
			   "not in use");
	else
		doctor_say(f, DOCTOR_BAD, "enable it in the firmware; it may be called SMMU",
			   "not in use");
}

/* Groups with functions of which one cannot be passed through without the other. */
static void check_groups(struct gw_topology *t, struct doctor_finding *f)
{
	unsigned int shared = 0, single = 0;
	struct gw_pci_node *first, *n = NULL;

	while ((n = gw_topology_next(t, n))) {
		if (gw_pci_node_config(t, n) || gw_passable_never(n) || n->group < 0)
			continue;
		first = gw_passable_next(t, n, NULL);
		if (first != n)
			continue;
		if (gw_passable_next(t, n, first))
			shared++;
		else
			single++;
	}
	if (!shared && !single)
		doctor_say(f, DOCTOR_BAD, "enable the IOMMU", "no function has one");
	else if (shared)
		doctor_say(f, DOCTOR_NOTE, "'gangway groups' tells why; another slot may help",
			   "%u functions are alone in theirs; %u groups have several, which are "
			   "passed through together",
			   single, shared);
	else
		doctor_say(f, DOCTOR_OK, NULL, "all %u functions are alone in theirs", single);
}

static void check_modules(struct gw_topology *t, struct doctor_finding *f)
{
	if (!sysfs_exists(t, "sys/bus/pci/drivers/" VFIO_DRIVER))
		doctor_say(f, DOCTOR_BAD, "modprobe vfio-pci", "vfio-pci is not loaded");
	else if (!sysfs_exists(t, "sys/module/vfio_iommu_type1") &&
		 !sysfs_exists(t, "sys/class/misc/iommu"))
		doctor_say(f, DOCTOR_BAD, "modprobe vfio_iommu_type1",
			   "neither vfio_iommu_type1 nor iommufd "
			   "is loaded");
	else
		doctor_say(f, DOCTOR_OK, NULL, "vfio-pci and %s",
			   sysfs_exists(t, "sys/module/vfio_iommu_type1") ? "vfio_iommu_type1"
									  : "iommufd");
}

static void check_safety(struct gw_topology *t, struct doctor_finding *f)
{
	char noiommu[8] = "N", unsafe[8] = "N";

	sysfs_read(t, noiommu, sizeof(noiommu),
		   "sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
	sysfs_read(t, unsafe, sizeof(unsafe),
		   "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts");
	if (*noiommu == 'Y')
		doctor_say(f, DOCTOR_BAD, "load vfio without enable_unsafe_noiommu_mode",
			   "VFIO works without an IOMMU: a device reaches all memory");
	else if (*unsafe == 'Y')
		doctor_say(f, DOCTOR_NOTE,
			   "load vfio_iommu_type1 without allow_unsafe_interrupts, if the IOMMU "
			   "remaps interrupts",
			   "a device may forge interrupts (allow_unsafe_interrupts)");
	else
		doctor_say(f, DOCTOR_OK, NULL, "no unsafe option of VFIO is set");
}

static void check_permissions(struct gw_topology *t, struct doctor_finding *f)
{
	char path[64];

	if (access("/dev/vfio/vfio", R_OK | W_OK)) {
		doctor_say(f, DOCTOR_BAD,
			   errno == ENOENT ? "modprobe vfio"
					   : "chmod 666 /dev/vfio/vfio, which "
					     "gives no device to anyone",
			   "/dev/vfio/vfio: %s", strerror(errno));
		return;
	}
	for (struct gw_pci_node *n = NULL; (n = gw_topology_next(t, n));) {
		if (gw_pci_node_ident(t, n) || n->group < 0 || !n->vfio)
			continue;
		snprintf(path, sizeof(path), "/dev/vfio/%d", n->group);
		if (!access(path, R_OK | W_OK))
			continue;
		doctor_say(f, DOCTOR_BAD, "chown it to who runs gangway", "%s: %s", path,
			   strerror(errno));
		return;
	}
	doctor_say(f, DOCTOR_OK, NULL, "/dev/vfio may be used");
}

/* VFIO counts what a device reaches as locked, all of it where the whole guest is mapped. */
static void check_memlock(struct gw_topology *t, struct doctor_finding *f)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_MEMLOCK, &l))
		doctor_say(f, DOCTOR_NOTE, NULL, "unknown: %s", strerror(errno));
	else if (l.rlim_cur == RLIM_INFINITY || !geteuid())
		doctor_say(f, DOCTOR_OK, NULL, "%s",
			   l.rlim_cur == RLIM_INFINITY ? "unlimited" : "root is not limited");
	else
		doctor_say(f, l.rlim_cur < 1ull << 30 ? DOCTOR_BAD : DOCTOR_NOTE,
			   "it must be larger than the guest: LimitMEMLOCK= in a unit of systemd, "
			   "or memlock in /etc/security/limits.conf",
			   "%" PRIu64 " MiB", (uint64_t)l.rlim_cur >> 20);
}

static void check_huge_pages(struct gw_topology *t, struct doctor_finding *f)
{
	uint64_t total = 0, left = 0, size = 0;

	if (!proc_number(t, "proc/meminfo", "HugePages_Total:", &total) ||
	    !proc_number(t, "proc/meminfo", "Hugepagesize:", &size))
		doctor_say(f, DOCTOR_NOTE, NULL, "the kernel has none");
	else if (!total)
		doctor_say(f, DOCTOR_NOTE, "they make maps faster and fewer: echo NUMBER > "
			   "/proc/sys/vm/nr_hugepages", "none reserved");
	else if (!proc_number(t, "proc/meminfo", "HugePages_Free:", &left) || !left)
		doctor_say(f, DOCTOR_NOTE, "reserve more", "none of %" PRIu64 " is free", total);
	else
		doctor_say(f, DOCTOR_OK, NULL,
			   "%" PRIu64 " of %" PRIu64 " free, %" PRIu64 " KiB each", left, total,
			   size);
}

static const struct check {
	const char *name;
	bool machine_only;
	void (*run)(struct gw_topology *t, struct doctor_finding *f);
} checks[] = {
	{ "IOMMU", false, check_iommu },
	{ "groups", false, check_groups },
	{ "modules", false, check_modules },
	{ "safety", false, check_safety },
	{ "permissions", true, check_permissions },
	{ "locked memory", true, check_memlock },
	{ "huge pages", false, check_huge_pages },
	{ "QEMU", true, doctor_qemu },
	{ "other QEMU", true, doctor_qemu_other },
	{ "guests", true, doctor_boot },
	{ "memory", true, doctor_memory },
	{ "KVM", true, doctor_kvm },
};

static int doctor_run(int argc, char **argv, struct gw_log *log)
{
	struct json_object *list = NULL;
	struct doctor_finding f;
	struct machine_args a;
	struct gw_topology *t;
	int code = machine_begin(&a, &usage, argc, argv, log, &t);

	if (code >= 0)
		return code;
	code = CLI_OK;
	if (gw_topology_scan(t))
		gw_warn(log, "not all functions of this machine can be read");
	if (a.json)
		list = json_object_new_array();
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		if (checks[i].machine_only && *a.tree)
			continue;
		checks[i].run(t, &f);
		if (f.state == DOCTOR_BAD)
			code = CLI_UNAVAILABLE;
		if (list)
			json_object_array_add(list, doctor_json(checks[i].name, &f));
		else
			doctor_print(checks[i].name, &f);
	}
	if (list)
		machine_json(list);
	gw_topology_close(t);
	return code;
}

const struct cli_command cli_doctor = { "doctor", "check what passing through needs here",
					doctor_run };
