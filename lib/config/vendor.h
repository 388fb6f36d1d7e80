/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_CONFIG_VENDOR_H
#define GW_CONFIG_VENDOR_H

#include <gangway/abi.h>

/* What the guest's module shares with us, and what of it we make in more than one place. */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "fields are used as they are");
_Static_assert(sizeof(struct gw_cmd_page) == 32, "command page");
_Static_assert(sizeof(struct gw_cmd_map) == 20 && sizeof(struct gw_cmd_mapped) == 28, "map");
_Static_assert(sizeof(struct gw_cmd_unmap) == 16 && sizeof(struct gw_cmd_unmapped) == 16, "unmap");
_Static_assert(sizeof(struct gw_ring_sqe) == 32 && sizeof(struct gw_ring_cqe) == 32, "ring");
_Static_assert(sizeof(struct gw_vendor_cap) == GW_VENDOR_CAP_LEN, "capability");

static inline struct gw_vendor_cap gw_abi_vendor_cap(uint8_t role, uint64_t cookie)
{
	return (struct gw_vendor_cap){ .id = 0x09, .len = GW_VENDOR_CAP_LEN, .role = role,
				       .magic = GW_VENDOR_CAP_MAGIC, .cookie = cookie };
}

#endif
