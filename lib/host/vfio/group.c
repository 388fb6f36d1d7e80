/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/vfio/group.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/vfio/sysfs.h"

/* Does the machine have an IOMMU that is in use? */
static bool iommu_present(const char *sysfs)
{
	char path[PATH_MAX];
	struct dirent *e;
	bool any = false;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/class/iommu", sysfs);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!any && (e = readdir(dir)))
		any = e->d_name[0] != '.';
	closedir(dir);
	return any;
}

static int refuse_no_group(const char *sysfs, const char *bdf, struct gw_log *log)
{
	if (iommu_present(sysfs)) {
		gw_err(log, "%s: no IOMMU covers this function, so its DMA cannot be confined", bdf);
		gw_hint(log, "'dmesg | grep -i -e DMAR -e IOMMU' shows what the firmware describes");
		return -EOPNOTSUPP;
	}
	gw_err(log, "%s: this machine has no IOMMU in use, so its DMA cannot be confined", bdf);
	gw_hint(log, "enable VT-d or AMD-Vi in the firmware setup, and on Intel add intel_iommu=on to "
		"the kernel command line; then 'ls /sys/class/iommu' is not empty");
	return -EOPNOTSUPP;
}

static int refuse_driver(const char *sysfs, const char *bdf, struct gw_log *log)
{
	char driver[64];

	if (gw_sysfs_link(sysfs, bdf, "driver", driver, sizeof(driver)))
		gw_err(log, "%s: no driver has this function; vfio-pci must", bdf);
	else
		gw_err(log, "%s: the driver %s has this function; vfio-pci must", bdf, driver);
	gw_hint(log, "gangway bind %s, as root; gangway unbind %s gives it back", bdf, bdf);
	return -EOPNOTSUPP;
}

static bool driver_is_vfio(const char *sysfs, const char *bdf)
{
	char driver[64], node[64];

	/* variant drivers have other names; since 6.1 each function of any of them has a node */
	if (gw_sysfs_link(sysfs, bdf, "driver", driver, sizeof(driver)))
		return false;
	return !strcmp(driver, "vfio-pci") ||
	       !gw_sysfs_vfio_node(sysfs, bdf, node, sizeof(node));
}

int gw_vfio_group_check(const char *sysfs, const char *bdf, struct gw_log *log,
			unsigned int *group)
{
	struct gw_function_info info;
	char text[64], *end;
	int ret = gw_sysfs_info(sysfs, bdf, &info);

	if (ret) {
		gw_err(log, "%s: there is no such PCI function", bdf);
		gw_hint(log, "gangway list shows what there is");
		return -ENOENT;
	}
	if (gw_sysfs_link(sysfs, bdf, "iommu_group", text, sizeof(text)))
		return refuse_no_group(sysfs, bdf, log);
	*group = (unsigned int)strtoul(text, &end, 10);
	if (!*text || *end)
		return refuse_no_group(sysfs, bdf, log);
	if (!gw_sysfs_text(text, sizeof(text), "%s/kernel/iommu_groups/%u/name", sysfs, *group) &&
	    !strcmp(text, "vfio-noiommu")) {
		gw_err(log, "%s: vfio runs without an IOMMU (noiommu): the device could write all of "
		       "the host's memory", bdf);
		gw_hint(log, "enable the IOMMU in the firmware setup and on the kernel command line, "
			"and echo N > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
		return -EOPNOTSUPP;
	}
	return driver_is_vfio(sysfs, bdf) ? 0 : refuse_driver(sysfs, bdf, log);
}

/* Bridges and ports are forwarded through, and pci-stub drives nothing: neither is in the way. */
static bool in_the_way(const char *sysfs, const char *bdf, char driver[64])
{
	if (gw_sysfs_link(sysfs, bdf, "driver", driver, 64) || driver_is_vfio(sysfs, bdf))
		return false;
	return strcmp(driver, "pcieport") && strcmp(driver, "pci-stub") && strcmp(driver, "pci-pf-stub");
}

void gw_vfio_group_explain(const char *sysfs, unsigned int group, struct gw_log *log)
{
	char path[PATH_MAX], driver[64];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/kernel/iommu_groups/%u/devices", sysfs, group);
	dir = opendir(path);
	if (!dir)
		return;
	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.' || !in_the_way(sysfs, e->d_name, driver))
			continue;
		gw_err(log, "%s is in the same IOMMU group %u and is driven by %s: the two could reach "
		       "each other's memory", e->d_name, group, driver);
		gw_hint(log, "gangway bind %s too, or move the card to another slot", e->d_name);
	}
	closedir(dir);
}

int gw_vfio_open_failed(const char *path, const char *bdf, int err, struct gw_log *log)
{
	gw_err(log, "%s: cannot open %s: %s", bdf, path, strerror(err));
	switch (err) {
	case EACCES:
	case EPERM:
		gw_hint(log, "as root: chown %u %s, or a udev rule that does it at each start",
			(unsigned int)geteuid(), path);
		return -EACCES;
	case EBUSY:
		gw_hint(log, "another process has it; 'fuser -v %s' says which", path);
		return -EBUSY;
	case ENOENT:
	case ENXIO:
	case ENODEV:
		gw_hint(log, "as root: modprobe vfio-pci && modprobe vfio_iommu_type1");
		return -EOPNOTSUPP;
	default:
		return -err;
	}
}
