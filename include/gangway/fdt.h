/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_FDT_H
#define GANGWAY_FDT_H

#include <gangway/pool.h>
#include <gangway/window.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a guest's device tree says of windows and pools. */

/**
 * gw_fdt_add_window() - tell a guest's device tree where a window is
 * @in:  device tree made by the VMM, file name
 * @out: written; may be @in
 *
 * Sets dma-ranges of the generic PCIe host bridge (Devicetree Specification 2.3.9).
 *
 * Return: 0; -ENOENT no such bridge, -EINVAL not a device tree, -ENOSPC, or -errno of the files;
 * logged.
 */
int gw_fdt_add_window(const char *in, const char *out, const struct gw_window *w,
		      struct gw_log *log);

/** gw_fdt_put_window() - likewise a tree in memory, with 4 KiB of room in it; errors too */
int gw_fdt_put_window(void *fdt, const struct gw_window *w, struct gw_log *log);

/**
 * gw_fdt_add_pools() - tell a guest's device tree of its pools
 * @in:  device tree made by the VMM, file name
 * @out: written; may be @in
 *
 * A node restricted-dma-pool in /reserved-memory for each pool (Devicetree Specification 3.5), a
 * node for each function below the generic PCIe host bridge, with a memory-region, and a
 * dma-ranges entry of the bridge from the pool to its IOVA.
 *
 * Return: as gw_fdt_add_window(); -EEXIST the tree has a node at that place.
 */
int gw_fdt_add_pools(const char *in, const char *out, const struct gw_pools *p,
		     struct gw_log *log);

/** gw_fdt_put_pools() - likewise a tree in memory, with room in it: 1 KiB a pool; errors too */
int gw_fdt_put_pools(void *fdt, const struct gw_pools *p, struct gw_log *log);

#ifdef __cplusplus
}
#endif

#endif
