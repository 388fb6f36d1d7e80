/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_ACPI_H
#define GANGWAY_ACPI_H

#include <gangway/window.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a guest that boots by ACPI is told of a window. */

#define GW_ACPI_TABLE	256		/* bytes that an ACPI table of ours has at most */

/**
 * gw_acpi_ssdt() - tell a guest that boots by ACPI where a window is
 *
 * A table with an object _DMA of \_SB.PCI0, which is where QEMU's machine virt has its host bridge.
 *
 * Return: its bytes.
 */
size_t gw_acpi_ssdt(const struct gw_window *w, uint8_t table[GW_ACPI_TABLE]);

/**
 * gw_acpi_iort() - tell a guest with more RAM that its bounce buffers are to be in the window
 *
 * The table replaces the VMM's of that name, which has no SMMU in it.
 *
 * Return: its bytes; 0: it cannot be told, because no number of address bits ends in the window.
 */
size_t gw_acpi_iort(const struct gw_window *w, uint8_t table[GW_ACPI_TABLE]);

/**
 * gw_acpi_srat() - tell it that what lies above the window is a node of its own, as in @w->ram.near
 *
 * The table replaces the VMM's of that name. A kernel believes no table that leaves out memory, and
 * firmware may count flash below RAM as memory; so the window's node has that, too, and all
 * processors.
 *
 * Return: its bytes.
 */
size_t gw_acpi_srat(const struct gw_window *w, uint8_t table[GW_ACPI_TABLE]);

/**
 * gw_acpi_write() - write what Linux needs of these
 * @nodes:  what lies above the window is to be a node of its own
 * @out:    made or replaced: an archive to be put before an initramfs if it ends in .cpio or
 *          @initrd is given, else the SSDT alone
 * @initrd: file that follows in @out; "": nothing does; NULL: @out is not for booting with
 *
 * Return: 0; -EOPNOTSUPP the bounce buffers cannot be kept in the window, -EINVAL RAM is larger
 * than the window and @out is no archive, or -errno of the files; logged.
 */
int gw_acpi_write(const struct gw_window *w, bool nodes, const char *out, const char *initrd,
		  struct gw_log *log);

#ifdef __cplusplus
}
#endif

#endif
