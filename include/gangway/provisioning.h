/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_PROVISIONING_H
#define GANGWAY_PROVISIONING_H

#include <gangway/share.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Which part of a device's memory belongs to which of its virtual functions. The driver of the
 * physical function has this table, and nobody else. With it, and only with it, offsets into the
 * BAR of a virtual function become places in the device's memory.
 *
 * What is imported holds a reference to the share as it was. A share is laid out anew only when
 * nothing of it is imported; a generation tells the layouts apart.
 */

#define GW_PROVISIONING_MAX_VFS		256u
#define GW_PROVISIONING_MAX_EXTENTS	4096u	/* of one share */

/** struct gw_vram_extent - a piece of a share; the pieces follow each other from offset 0 */
struct gw_vram_extent {
	gw_vram at;
	uint64_t size;
};

struct gw_provisioning;

/**
 * gw_provisioning_new() - nobody has anything
 * @pf:    the physical function
 * @bar:   of a virtual function: the one that shows its share
 * @nr_vfs: up to GW_PROVISIONING_MAX_VFS
 * @bytes: of device memory
 *
 * Return: 0; -EINVAL @pf is a virtual function, or a number is out of its range; -ENOMEM.
 */
int gw_provisioning_new(const struct gw_share_id *pf, unsigned int bar, unsigned int nr_vfs,
			uint64_t bytes, struct gw_log *log, struct gw_provisioning **p);

/** gw_provisioning_free() - nothing is imported any longer */
void gw_provisioning_free(struct gw_provisioning *p);

/**
 * gw_provisioning_set() - lay out the share of a virtual function; @nr 0: it has none
 * @window: bytes of its BAR
 *
 * Return: 0; -EINVAL no such function, an extent is empty or not of whole pages; -EOVERFLOW or
 * -ERANGE it is not in the device's memory; -EEXIST it overlaps another one's share, or itself;
 * -E2BIG too many extents; -EBUSY something of it is imported: revoke first; -ENOMEM.
 */
int gw_provisioning_set(struct gw_provisioning *p, unsigned int vf, uint64_t window,
			const struct gw_vram_extent *extent, unsigned int nr);

/**
 * gw_provisioning_revoke() - what is imported of the share is not valid any longer
 *
 * Imports have to be put before the share can be laid out anew.
 *
 * Return: how many imports there still are; -EINVAL.
 */
int gw_provisioning_revoke(struct gw_provisioning *p, unsigned int vf);

/** gw_provisioning_size() - bytes of a share; 0 for none. *@window, if not NULL, of its BAR */
uint64_t gw_provisioning_size(struct gw_provisioning *p, unsigned int vf, uint64_t *window);

/**
 * gw_provisioning_at() - where a byte of a share is, as the function itself addresses it
 * @left: bytes that follow it in the device's memory, and belong to the share
 *
 * Return: 0; -EINVAL no such function; -ERANGE not in its share.
 */
int gw_provisioning_at(struct gw_provisioning *p, unsigned int vf, uint64_t off, gw_vram *at,
		       uint64_t *left);

/** struct gw_vram_import - a buffer of a virtual function, as places in the device's memory */
struct gw_vram_import;

/**
 * gw_provisioning_import() - check a buffer and say where it is
 * @in:     what the exporter gave
 * @bytes:  what it says the buffer has
 * @reason: says why not
 *
 * Return: 0; -EOPNOTSUPP the share is larger than its window, so offsets do not name all of it;
 * -EXDEV not a virtual function of this device, or not this BAR; -ENOENT it has no share; -EINVAL
 * an entry is empty or unaligned; -EOVERFLOW, -ERANGE it reaches beyond the share, -EMSGSIZE the
 * lengths are not what was said, -E2BIG too many entries; -EAGAIN the share was laid out anew
 * meanwhile; -ENOMEM.
 */
int gw_provisioning_import(struct gw_provisioning *p, const struct gw_iov_vram_payload *in,
			   uint64_t bytes, struct gw_vram_import **im,
			   char reason[GW_SHARE_REASON]);

/**
 * gw_provisioning_map() - map an attachment, and import what it gives if it is of this device
 * @im: NULL afterwards if another kind was mapped
 *
 * Return: as gw_attachment_map(), and gw_provisioning_import(); then it is not mapped.
 */
int gw_provisioning_map(struct gw_provisioning *p, struct gw_attachment *a,
			struct gw_vram_import **im, char reason[GW_SHARE_REASON]);

/** gw_vram_import_ranges() - in the order of the buffer; valid until put */
const struct gw_vram_ranges *gw_vram_import_ranges(const struct gw_vram_import *im);

/** gw_vram_import_valid() - has the share been revoked since? Takes no lock: for each access */
bool gw_vram_import_valid(const struct gw_vram_import *im);

/** gw_vram_import_put() - let go. NULL is fine */
void gw_vram_import_put(struct gw_vram_import *im);

#ifdef __cplusplus
}
#endif

#endif
