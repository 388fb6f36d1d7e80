/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_ZONE_H
#define GANGWAY_ZONE_H

#include <stdint.h>

#include <gangway/addr.h>
#include <gangway/log.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct gw_zone - plan paravirt: memory where a guest's kernel is to allocate what devices must
 * reach
 * @gpa:  where guest RAM begins
 * @size: bytes; 0: the kernel need not be told
 */
struct gw_zone {
	gw_gpa gpa;
	uint64_t size;
};

/**
 * gw_zone_fit() - make a zone so small that a function can have all of it mapped
 * @z:      zeroed, or fit to other functions of the guest
 * @ram:    bytes from @gpa on
 * @budget: bytes that the function may have mapped
 */
void gw_zone_fit(struct gw_zone *z, gw_gpa gpa, uint64_t ram, uint64_t budget);

/**
 * gw_fdt_add_zone() - tell a guest's device tree of a zone
 * @in:  device tree made by the VMM, file name
 * @out: written; may be @in
 *
 * A node of no device, whose dma-ranges (Devicetree Specification 2.3.9) end where the zone does: a
 * kernel for arm64 has its lowest zone end there.
 *
 * Return: 0; -EEXIST it has one, -EINVAL not a device tree, -ENOSPC, or -errno of the files;
 * logged.
 */
int gw_fdt_add_zone(const char *in, const char *out, const struct gw_zone *z, struct gw_log *log);

/** gw_fdt_put_zone() - likewise a tree in memory, with 1 KiB of room in it; errors too */
int gw_fdt_put_zone(void *fdt, const struct gw_zone *z, struct gw_log *log);

#ifdef __cplusplus
}
#endif

#endif
