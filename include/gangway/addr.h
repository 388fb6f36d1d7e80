/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_ADDR_H
#define GANGWAY_ADDR_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The kinds of address that meet in PCI passthrough. Each is a type of its own so that the
 * compiler refuses to mix them; only the table that owns a translation may turn one into
 * another. Host addresses are plain pointers.
 */

/** Guest physical address. */
typedef struct { uint64_t v; } gw_gpa;

/**
 * Address at which a VMM maps memory for a device, and at which it is asked for what it keeps to
 * itself: the guest physical address, or what a virtual IOMMU translates.
 */
typedef struct { uint64_t v; } gw_vmm_addr;

/** Address that a device puts on the bus; valid for one function only. */
typedef struct { uint64_t v; } gw_iova;

/** Address on the PCI bus as a peer device would use it. */
typedef struct { uint64_t v; } gw_bus;

/** Offset into a BAR, bytes. */
typedef struct { uint64_t v; } gw_bar_off;

/** Offset into a device's own memory, bytes. */
typedef struct { uint64_t v; } gw_vram;

/** Offset into a file that holds memory, bytes. */
typedef struct { uint64_t v; } gw_file_off;

#ifdef __cplusplus
}
#endif

#endif
