/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/vfio/group.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <gangway/passable.h>

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

static int refuse_driver(const struct gw_pci_node *n, const char *bdf, struct gw_log *log)
{
	if (!*n->driver)
		gw_err(log, "%s: no driver has this function; vfio-pci must", bdf);
	else
		gw_err(log, "%s: the driver %s has this function; vfio-pci must", bdf, n->driver);
	gw_hint(log, "gangway bind %s, as root; gangway unbind %s gives it back", bdf, bdf);
	return -EOPNOTSUPP;
}

static int refuse_noiommu(const char *bdf, struct gw_log *log)
{
	gw_err(log, "%s: vfio runs without an IOMMU (noiommu): the device could write all of "
	       "the host's memory", bdf);
	gw_hint(log, "enable the IOMMU in the firmware setup and on the kernel command line, "
		"and echo N > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
	return -EOPNOTSUPP;
}

/* The topology, with the function in it. */
static int function_find(const char *tree, const char *bdf, struct gw_log *log,
			 struct gw_topology **t, struct gw_pci_node **n)
{
	struct gw_pci_addr addr;
	int ret = gw_pci_addr_parse(bdf, &addr);

	if (!ret)
		ret = gw_topology_open(tree, log, t);
	if (ret)
		return ret;
	ret = gw_topology_find(*t, &addr, n);
	if (!ret)
		ret = gw_pci_node_config(*t, *n);
	if (!ret)
		ret = gw_topology_scan(*t);
	if (ret)
		gw_topology_close(*t);
	return ret;
}

static int function_check(const char *sysfs, struct gw_topology *t, struct gw_pci_node *n,
			  const char *bdf, struct gw_log *log)
{
	switch (gw_passable(t, n, NULL)) {
	case GW_PASSABLE_NEVER:
		gw_err(log, "%s is a bridge, or a part of the machine itself; those are not passed through",
		       bdf);
		return -EOPNOTSUPP;
	case GW_PASSABLE_NO_GROUP: return refuse_no_group(sysfs, bdf, log);
	case GW_PASSABLE_NO_IOMMU: return refuse_noiommu(bdf, log);
	default: break;
	}
	/* the kernel itself says, when the group is opened, whether the rest of it is in the way */
	return n->vfio ? 0 : refuse_driver(n, bdf, log);
}

int gw_vfio_group_check(const struct gw_vfio_folders *at, const char *bdf, struct gw_log *log,
			unsigned int *group)
{
	struct gw_topology *t;
	struct gw_pci_node *n;
	int ret = function_find(at->tree, bdf, log, &t, &n);

	if (ret) {
		gw_err(log, "%s: there is no such PCI function", bdf);
		gw_hint(log, "gangway list shows what there is");
		return -ENOENT;
	}
	ret = function_check(at->sysfs, t, n, bdf, log);
	*group = (unsigned int)n->group;
	gw_topology_close(t);
	return ret;
}

static void explain(const struct gw_pci_node *n, struct gw_log *log)
{
	char addr[GW_PCI_ADDR_SIZE];

	gw_err(log, "%s is in the same IOMMU group %d and is driven by %s: the two could reach "
	       "each other's memory", gw_pci_addr_format(&n->addr, addr), n->group, n->driver);
	if (gw_passable_never(n))
		gw_hint(log, "%s belongs to the machine itself: move the card to another slot", addr);
	else
		gw_hint(log, "gangway bind %s too, or move the card to another slot", addr);
}

void gw_vfio_group_explain(const char *tree, unsigned int group, struct gw_log *log)
{
	struct gw_topology *t;

	if (gw_topology_open(tree, log, &t))
		return;
	if (!gw_topology_scan(t))
		for (struct gw_pci_node *n = NULL; (n = gw_topology_next(t, n));)
			if (!gw_pci_node_config(t, n) && n->group == (int)group &&
			    gw_passable_in_the_way(n))
				explain(n, log);
	gw_topology_close(t);
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
