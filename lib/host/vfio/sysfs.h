/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_HOST_VFIO_SYSFS_H
#define GW_HOST_VFIO_SYSFS_H

#include <stddef.h>
#include <stdint.h>

#include <gangway/host.h>

/* What sysfs says of PCI functions. @sysfs is the folder, "/sys"; @bdf a full address. */

/** gw_sysfs_info() - identity, and @info->root. Return: 0; -ENOENT; -EIO unreadable */
int gw_sysfs_info(const char *sysfs, const char *bdf, struct gw_function_info *info);

/** gw_sysfs_vfio_node() - the name of the function's own node, "vfio0". Return: 0; -ENOENT */
int gw_sysfs_vfio_node(const char *sysfs, const char *bdf, char *name, size_t size);

/** gw_sysfs_text() - a file's first line, without its end; a path like printf(3)'s */
int gw_sysfs_text(char *text, size_t size, const char *path, ...)
	__attribute__((format(printf, 3, 4)));

#endif
