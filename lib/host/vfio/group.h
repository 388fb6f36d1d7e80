/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_HOST_VFIO_GROUP_H
#define GW_HOST_VFIO_GROUP_H

#include <gangway/log.h>

/*
 * Can a function be handed out, and if not, why? Every refusal is logged with the command that
 * mends it.
 */

/** struct gw_vfio_folders - where the machine's files are: below @tree, sysfs and the devices */
struct gw_vfio_folders {
	const char *tree, *sysfs, *dev;
};

/**
 * gw_vfio_group_check() - what can be seen without opening anything
 * @group: takes the number of its IOMMU group
 *
 * Return: 0; -ENOENT no such function; -EOPNOTSUPP a bridge, no IOMMU, or driven by something else.
 */
int gw_vfio_group_check(const struct gw_vfio_folders *at, const char *bdf, struct gw_log *log,
			unsigned int *group);

/** gw_vfio_group_explain() - the group is not viable: name the functions that stand in the way */
void gw_vfio_group_explain(const char *tree, unsigned int group, struct gw_log *log);

/** gw_vfio_open_failed() - opening @path failed with @err. Return: -errno for the caller */
int gw_vfio_open_failed(const char *path, const char *bdf, int err, struct gw_log *log);

#endif
