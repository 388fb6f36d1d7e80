// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest RAM: where it is, and having all of it mapped, so that a map is an addition.
 */

#include <linux/ioport.h>
#include <linux/slab.h>

#include "gangway-dma.h"

#define MAX_RUNS	256
#define MAX_SEGMENTS	32	/* of one mapping that the host splits */

/* Add RAM to the runs. The edges go outwards to the granule: RAM ends at greater multiples. */
static int ram_add(struct resource *res, void *data)
{
	struct gw_space *s = data;
	u64 granule = gw_granule(s->companion);
	phys_addr_t start = ALIGN_DOWN(res->start, granule);
	phys_addr_t last = res->end | (granule - 1);
	struct gw_run *prev = s->nr_runs ? &s->runs[s->nr_runs - 1] : NULL;

	if (prev && start <= prev->last + 1) {
		prev->last = max(prev->last, last);
		return 0;
	}
	if (s->nr_runs == MAX_RUNS)
		return -ENOSPC;
	s->runs[s->nr_runs++] = (struct gw_run) { start, last };
	return 0;
}

/**
 * gw_ram_runs() - find guest RAM
 * @s: the space; its runs are set
 *
 * Return: 0, -ENOMEM, -ENOSPC if RAM is in too many places.
 */
int gw_ram_runs(struct gw_space *s)
{
	s->nr_runs = 0;
	s->runs = kcalloc(MAX_RUNS, sizeof(*s->runs), GFP_KERNEL);
	if (!s->runs)
		return -ENOMEM;
	return walk_iomem_res_desc(IORES_DESC_NONE, IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY,
				   0, -1, s, ram_add);
}

/* The most that is mapped at a time. */
static u64 cover_piece(const struct gw_companion *c)
{
	return ALIGN_DOWN(min_t(u64, c->max_map, 1ull << 40), gw_granule(c));
}

/* How many mappings RAM takes, or 0 if it does not fit the budget. */
static unsigned int cover_count(const struct gw_space *s)
{
	const struct gw_companion *c = s->companion;
	u64 piece = cover_piece(c), bytes = 0, maps = 0;
	unsigned int i;

	for (i = 0; i < s->nr_runs; i++) {
		u64 len = s->runs[i].last - s->runs[i].start + 1;

		bytes += len;
		maps += DIV64_U64_ROUND_UP(len, piece);	/* of 64 bits both */
	}
	return bytes <= c->budget_bytes && maps <= c->budget_maps ? maps : 0;
}

/* Have one piece mapped, and note where its parts are. */
static int cover_map(struct gw_space *s, struct gw_cover *cover, phys_addr_t start, u64 len)
{
	struct gw_segment *segs = kcalloc(MAX_SEGMENTS, sizeof(*segs), GFP_ATOMIC);
	struct gw_request req = {
		.op = GW_RING_MAP, .addr = start, .len = len, .segs = segs, .room = MAX_SEGMENTS,
	};
	LIST_HEAD(list);
	unsigned int i;
	int ret;

	if (!segs)
		return -ENOMEM;
	list_add(&req.node, &list);
	ret = gw_companion_submit(s->companion, &list);
	if (!ret && req.status != GW_STATUS_OK)
		ret = req.status == GW_STATUS_NOSPC ? -ENOSPC : -EIO;
	if (ret)
		goto free;
	cover->handles[cover->nr_handles++] = req.handle;
	cover->bytes += len;
	for (i = 0; i < min(req.nr, req.room) && start <= req.addr + req.len - 1; i++) {
		u64 part = min_t(u64, segs[i].len, req.addr + req.len - start);

		if (!part || segs[i].iova + part - 1 < segs[i].iova)
			break;
		cover->extents[cover->nr++] =
			(struct gw_extent) { start, start + part - 1, segs[i].iova };
		start += part;
	}
free:
	kfree(segs);
	return ret;
}

/* One piece; once more without its edges, in case those are not RAM. */
static int cover_map_run(struct gw_space *s, struct gw_cover *cover, const struct gw_run *run)
{
	u64 piece = cover_piece(s->companion), granule = gw_granule(s->companion);
	phys_addr_t start = run->start;
	u64 left = run->last - run->start + 1;
	int ret = 0;

	while (left && !ret) {
		u64 len = min(left, piece);

		ret = cover_map(s, cover, start, len);
		if (ret == -EIO && len > 2 * granule)
			ret = cover_map(s, cover, start + granule, len - 2 * granule);
		start += len;
		left -= len;
	}
	return ret;
}

/**
 * gw_cover_new() - have all of RAM mapped, if the budget allows
 * @s: the space, of which nothing is mapped
 *
 * Return: the cover, or NULL.
 * Context: any; does not sleep.
 */
struct gw_cover *gw_cover_new(struct gw_space *s)
{
	unsigned int maps = cover_count(s), i;
	struct gw_cover *cover;

	if (!maps || s->strict)
		return NULL;
	cover = kzalloc(struct_size(cover, extents, maps * MAX_SEGMENTS), GFP_ATOMIC);
	if (!cover)
		return NULL;
	cover->handles = kcalloc(maps, sizeof(*cover->handles), GFP_ATOMIC);
	if (!cover->handles)
		goto free;
	for (i = 0; i < s->nr_runs; i++)
		if (cover_map_run(s, cover, &s->runs[i]))
			goto unmap;
	return cover;
unmap:
	gw_cover_unmap(s, cover);
free:
	gw_cover_free(cover);
	return NULL;
}

/**
 * gw_cover_unmap() - have the host undo a cover
 * @s:     the space
 * @cover: of its generation
 */
void gw_cover_unmap(struct gw_space *s, struct gw_cover *cover)
{
	unsigned int i;

	for (i = 0; i < cover->nr_handles; i++) {
		struct gw_request req = { .op = GW_RING_UNMAP, .handle = cover->handles[i] };
		LIST_HEAD(list);

		list_add(&req.node, &list);
		gw_companion_submit(s->companion, &list);
	}
}

/* gw_cover_free() - free a cover and those before it */
void gw_cover_free(struct gw_cover *cover)
{
	while (cover) {
		struct gw_cover *next = cover->next;

		kfree(cover->handles);
		kfree(cover);
		cover = next;
	}
}

/* gw_cover_find() - the extent that @phys is in, or the one after it, or NULL */
const struct gw_extent *gw_cover_find(const struct gw_cover *cover, phys_addr_t phys)
{
	unsigned int lo = 0, hi = cover->nr;

	while (lo < hi) {
		unsigned int mid = lo + (hi - lo) / 2;

		if (cover->extents[mid].last < phys)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < cover->nr ? &cover->extents[lo] : NULL;
}
