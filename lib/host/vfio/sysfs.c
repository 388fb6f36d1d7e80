/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/vfio/sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gangway/topology.h>

#include "topology/treefile.h"

int gw_sysfs_text(char *text, size_t size, const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;
	int ret;

	va_start(ap, fmt);
	ret = vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	if (ret >= (int)sizeof(path))
		return -ENAMETOOLONG;
	ret = gw_treefile_head(AT_FDCWD, path, text, size);
	if (ret < 0)
		return ret;
	text[strcspn(text, "\n")] = '\0';
	return 0;
}

static int attr_number(const char *sysfs, const char *bdf, const char *attr, unsigned long *v)
{
	char text[32], *end;
	int ret = gw_sysfs_text(text, sizeof(text), "%s/bus/pci/devices/%s/%s", sysfs, bdf, attr);

	if (ret)
		return ret;
	*v = strtoul(text, &end, 16);
	return *text && !*end ? 0 : -EIO;
}

/* The host bridge is a part of the real path: ".../pci0000:00/0000:00:1c.0/0000:01:00.0". */
static void root_of(const char *sysfs, const char *bdf, char root[GW_ROOT_SIZE])
{
	char path[PATH_MAX], real[PATH_MAX], *at;

	root[0] = '\0';
	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s", sysfs, bdf);
	if (!realpath(path, real))
		return;
	at = strstr(real, "/pci");
	if (at)
		snprintf(root, 32, "%.*s", (int)strcspn(at + 1, "/"), at + 1);
}

int gw_sysfs_info(const char *sysfs, const char *bdf, struct gw_function_info *info)
{
	unsigned long vendor, device, class;
	struct gw_pci_addr addr;
	int ret;

	*info = (struct gw_function_info){ 0 };
	if (gw_pci_addr_parse(bdf, &addr))
		return -ENOENT;
	ret = attr_number(sysfs, bdf, "vendor", &vendor);
	if (!ret)
		ret = attr_number(sysfs, bdf, "device", &device);
	if (!ret)
		ret = attr_number(sysfs, bdf, "class", &class);
	if (ret)
		return ret == -ENOENT ? ret : -EIO;
	snprintf(info->name, sizeof(info->name), "%s", bdf);
	root_of(sysfs, bdf, info->root);
	info->bus = addr.bus;
	info->dev = addr.dev;
	info->fn = addr.fn;
	info->vendor = (uint16_t)vendor;
	info->device = (uint16_t)device;
	info->class_code = (uint32_t)class & 0xffffff;
	return 0;
}

int gw_sysfs_vfio_node(const char *sysfs, const char *bdf, char *name, size_t size)
{
	char path[PATH_MAX];
	struct dirent *e;
	int ret = -ENOENT;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/vfio-dev", sysfs, bdf);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (ret && (e = readdir(dir))) {
		if (strncmp(e->d_name, "vfio", 4))
			continue;
		snprintf(name, size, "%s", e->d_name);
		ret = 0;
	}
	closedir(dir);
	return ret;
}
