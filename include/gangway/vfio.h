/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_VFIO_H
#define GANGWAY_VFIO_H

#include <stdbool.h>
#include <stdint.h>

#include <gangway/host.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The Linux host: functions that are bound to vfio-pci, each behind the IOMMU, with an address
 * space of its own (functions of one IOMMU group share theirs).
 */

enum gw_vfio_choice { GW_VFIO_AUTO, GW_VFIO_ON, GW_VFIO_OFF };

/**
 * struct gw_vfio_options - how the host behaves; zeroed is fine
 * @tree:             folder that holds sys/, dev/, proc/ and etc/; NULL is the machine itself.
 *                    Copied
 * @hide_caller_iova: choose the DMA addresses here, far from guest memory, as platforms do that
 *                    do not let the caller choose
 * @iommufd:          use iommufd and the function's own node instead of its group's
 * @bar_resource:     hand a VMM BARs by sysfs' resource files. Such a file gives no more than its
 *                    BAR, but the kernel leaves it mapped while the function resets, and for good:
 *                    also once the function is another guest's, or the machine's own driver's. Many
 *                    kernels refuse it (CONFIG_IO_STRICT_DEVMEM). The function goes with the first
 *                    VMM that had it
 * @max_bytes:        that one function may have mapped, and so locked; 0: as much as this process
 *                    may lock, or seven eighths of the machine's memory where that is without limit
 * @max_maps:         mappings that one function may have; 0: as many as the kernel lets it
 */
struct gw_vfio_options {
	const char *tree;
	bool hide_caller_iova;
	enum gw_vfio_choice iommufd;
	bool bar_resource;
	uint64_t max_bytes, max_maps;
};

/**
 * gw_vfio_set_option() - by name, as from a command line
 * @key, @value: see gw_vfio_options_help()
 *
 * Return: 0; -ENOENT unknown key, -EINVAL bad value; both logged with what is possible.
 */
int gw_vfio_set_option(struct gw_vfio_options *opt, const char *key, const char *value,
		       struct gw_log *log);

/** gw_vfio_options_help() - the options and their meaning, a line each, for --help */
const char *gw_vfio_options_help(void);

/**
 * gw_vfio_host_new() - the functions of this machine
 * @opt: NULL for defaults; copied
 * @log: stays the caller's
 *
 * Functions are named by address: "0000:01:00.0", or "01:00.0" in domain 0. Why a function cannot
 * be opened is logged with the command that mends it.
 *
 * Return: 0; -ENAMETOOLONG, -ENOMEM.
 */
int gw_vfio_host_new(const struct gw_vfio_options *opt, struct gw_log *log, struct gw_host **host);

#ifdef __cplusplus
}
#endif

#endif
