/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "share/share.h"

/*
 * How it works: a table. Each kind of address has a struct at the end of the file, and above that
 * its functions, which call nothing of another kind's. match() is called without a lock, map() and
 * unmap() under the exporter's.
 */

static bool same_addr(const struct gw_pci_addr *a, const struct gw_pci_addr *b)
{
	return a->domain == b->domain && a->bus == b->bus && a->dev == b->dev && a->fn == b->fn;
}

bool gw_share_id_same(const struct gw_share_id *a, const struct gw_share_id *b)
{
	return a->cookie == b->cookie && a->vf == b->vf && same_addr(&a->fn, &b->fn) &&
	       same_addr(&a->pf, &b->pf);
}

bool gw_share_id_of_pf(const struct gw_share_id *vf, const struct gw_share_id *pf)
{
	return vf->vf >= 0 && pf->vf == -1 && vf->cookie == pf->cookie &&
	       same_addr(&vf->pf, &pf->fn);
}

static int vram_match(const struct gw_share_entry *exp, const struct gw_share_entry *imp,
		      const char **why)
{
	if (!gw_share_id_of_pf(exp->id, imp->id))
		*why = "the importer is not the physical function of the exporter";
	else if (exp->data[0] != imp->data[0])
		*why = "this BAR does not show the function's memory";
	else
		return 0;
	return -EOPNOTSUPP;
}

static int vram_map(struct gw_export *e, const struct gw_share_entry *imp, void *payload,
		    char reason[GW_SHARE_REASON])
{
	struct gw_iov_vram_payload *p = payload;

	*p = (struct gw_iov_vram_payload){ gw_export_id(e), gw_export_bar(e), gw_export_ranges(e) };
	return 0;
}

static void nothing_to_unmap(struct gw_export *e, void *payload)
{
}

static int bar_range_match(const struct gw_share_entry *exp, const struct gw_share_entry *imp,
			   const char **why)
{
	if (gw_share_id_same(exp->id, imp->id))
		return 0;
	*why = "the importer does not drive this function";
	return -EOPNOTSUPP;
}

static int bar_range_map(struct gw_export *e, const struct gw_share_entry *imp, void *payload,
			 char reason[GW_SHARE_REASON])
{
	struct gw_bar_range_payload *p = payload;

	*p = (struct gw_bar_range_payload){ gw_export_id(e), gw_export_bar(e),
					    gw_export_ranges(e) };
	return 0;
}

static int iova_match(const struct gw_share_entry *exp, const struct gw_share_entry *imp,
		      const char **why)
{
	if (!(exp->data[1] & GW_SHARE_CAN_IOVA))
		*why = "the exporter cannot map its memory for another function";
	else if (!imp->proof)
		*why = "nothing proves that the importer's function reaches this memory; gangway "
		       "p2p says why";
	else if (!gw_p2p_proof_holds(imp->proof, &exp->id->fn, &imp->id->fn))
		*why = "the importer's proof is about other functions";
	else
		return 0;
	return -EOPNOTSUPP;
}

static int iova_map(struct gw_export *e, const struct gw_share_entry *imp, void *payload,
		    char reason[GW_SHARE_REASON])
{
	struct gw_backing *b = gw_export_backing(e);
	struct gw_iova_payload *p = payload;
	int ret;

	p->fn = *imp->id;
	gw_iova_ranges_init(&p->ranges, GW_RANGES_EXTENTS, GW_RANGES_MAX);
	ret = b->ops->iova_map(b, imp->id, gw_export_bar(e), gw_export_ranges(e), &p->ranges,
			       &p->token, reason);
	if (!ret && gw_iova_ranges_bytes(&p->ranges) != gw_export_size(e)) {
		snprintf(reason, GW_SHARE_REASON, "the mapping is not as long as the export");
		b->ops->iova_unmap(b, p->token);
		ret = -EMSGSIZE;
	}
	if (ret)
		gw_iova_ranges_fini(&p->ranges);
	return ret;
}

static void iova_unmap(struct gw_export *e, void *payload)
{
	struct gw_iova_payload *p = payload;

	gw_export_backing(e)->ops->iova_unmap(gw_export_backing(e), p->token);
	gw_iova_ranges_fini(&p->ranges);
}

static int file_match(const struct gw_share_entry *exp, const struct gw_share_entry *imp,
		      const char **why)
{
	if (exp->data[1] & GW_SHARE_CAN_FILE)
		return 0;
	*why = "the exporter has no file of this memory";
	return -EOPNOTSUPP;
}

static int file_map(struct gw_export *e, const struct gw_share_entry *imp, void *payload,
		    char reason[GW_SHARE_REASON])
{
	struct gw_backing *b = gw_export_backing(e);
	struct gw_file_payload *p = payload;
	int ret;

	gw_file_ranges_init(&p->ranges, GW_RANGES_EXTENTS, GW_RANGES_MAX);
	ret = b->ops->file(b, gw_export_bar(e), gw_export_ranges(e), &p->fd, &p->what, &p->ranges,
			   reason);
	if (ret)
		goto fini;
	if (!(p->what & imp->data[0])) {
		snprintf(reason, GW_SHARE_REASON, "the exporter has %s, and the importer does not "
			 "take that",
			 p->what & GW_SHARE_FILE_DMA_BUF ? "a dma-buf" : "plain memory");
		ret = -EOPNOTSUPP;
		goto close;
	}
	if (gw_file_ranges_bytes(&p->ranges) == gw_export_size(e))
		return 0;
	snprintf(reason, GW_SHARE_REASON, "the file is not as long as the export");
	ret = -EMSGSIZE;
close:
	close(p->fd);
fini:
	gw_file_ranges_fini(&p->ranges);
	return ret;
}

static void file_unmap(struct gw_export *e, void *payload)
{
	struct gw_file_payload *p = payload;

	close(p->fd);
	gw_file_ranges_fini(&p->ranges);
}

static int copy_match(const struct gw_share_entry *exp, const struct gw_share_entry *imp,
		      const char **why)
{
	if (exp->data[1] & GW_SHARE_CAN_READ)
		return 0;
	*why = "the exporter cannot read its memory";
	return -EOPNOTSUPP;
}

static int copy_map(struct gw_export *e, const struct gw_share_entry *imp, void *payload,
		    char reason[GW_SHARE_REASON])
{
	struct gw_copy_payload *p = payload;

	p->size = gw_export_size(e);
	return 0;
}

const struct gw_share_kind gw_share_iov_vram = {
	.name = "iov-vram",
	.uuid = { 0x0c, 0x5d, 0x7e, 0x31, 0x5a, 0x24, 0x4b, 0x0e,
		  0x9c, 0x71, 0x2f, 0x63, 0xd8, 0x1a, 0x40, 0x91 },
	.payload_size = sizeof(struct gw_iov_vram_payload),
	.match = vram_match, .map = vram_map, .unmap = nothing_to_unmap,
};

const struct gw_share_kind gw_share_bar_range = {
	.name = "bar-range",
	.uuid = { 0x63, 0x1f, 0x02, 0xa9, 0x8e, 0x57, 0x4d, 0x2c,
		  0xb4, 0x0a, 0xe6, 0x95, 0x3c, 0x77, 0x1b, 0x52 },
	.payload_size = sizeof(struct gw_bar_range_payload),
	.match = bar_range_match, .map = bar_range_map, .unmap = nothing_to_unmap,
};

const struct gw_share_kind gw_share_iova = {
	.name = "iova",
	.uuid = { 0xa2, 0x46, 0xd1, 0x7b, 0x30, 0xc8, 0x4f, 0x65,
		  0x87, 0x1e, 0x5b, 0x0d, 0x94, 0xf2, 0x6c, 0x13 },
	.payload_size = sizeof(struct gw_iova_payload),
	.match = iova_match, .map = iova_map, .unmap = iova_unmap,
};

const struct gw_share_kind gw_share_memfd = {
	.name = "memfd",
	.uuid = { 0x17, 0x8b, 0x64, 0xee, 0xc5, 0x09, 0x42, 0xd3,
		  0xa6, 0x3f, 0x70, 0x21, 0xfb, 0x58, 0x9d, 0x04 },
	.payload_size = sizeof(struct gw_file_payload),
	.match = file_match, .map = file_map, .unmap = file_unmap,
};

const struct gw_share_kind gw_share_copy = {
	.name = "copy",
	.uuid = { 0xd9, 0x30, 0x5c, 0x12, 0x6f, 0xab, 0x48, 0x87,
		  0x92, 0x64, 0x0e, 0xc3, 0x7a, 0x85, 0xf1, 0x2d },
	.payload_size = sizeof(struct gw_copy_payload),
	.match = copy_match, .map = copy_map, .unmap = nothing_to_unmap,
};
