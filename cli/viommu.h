/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_VIOMMU_H
#define CLI_VIOMMU_H

#include <gangway/plan.h>

#include "cli/options.h"
#include "cli/qemu.h"

/* A virtual IOMMU: the guest's kernel maps for the device, and QEMU tells us what. */

/** viommu_parse() - Return: 0; -EINVAL there is none of that name */
int viommu_parse(const char *name, enum viommu *viommu);

/**
 * viommu_check() - can the guest have the one that was asked for, or that QEMU's own options name?
 *
 * Return: 0; -EOPNOTSUPP under this plan, -EINVAL as it is meant to be; logged.
 */
int viommu_check(const struct options *o, enum gw_plan plan, struct gw_log *log);

/** viommu_add() - QEMU's options for it; they must come before those of all PCI devices */
void viommu_add(const struct options *o, struct qemu_args *a);

/** viommu_append() - words for the guest's kernel, each after a space; static */
const char *viommu_append(const struct options *o);

#endif
