/* SPDX-License-Identifier: BSD-3-Clause */
#include "sgl.h"

#include "runs.h"

/* Scatter gather lists (4.4). */

#define SEGMENT_CHUNK	32u
#define MAX_SEGMENTS	4096u		/* so that a ring of segments comes to an end */
#define MAX_DESCRIPTORS	(NVME_MAX_TRANSFER / 4 + MAX_SEGMENTS)

struct sgl_desc {
	uint64_t addr;
	uint32_t len;
	uint8_t reserved[3];
	uint8_t id;			/* type, subtype */
};
_Static_assert(sizeof(struct sgl_desc) == 16, "NVMe 1.4, 4.4");

struct sgl {
	struct nvme *nv;
	struct nvme_data *d;
	uint32_t left;			/* bytes of data still to be placed */
	uint32_t nr_segments, nr_descriptors;
};

static bool is_segment(const struct sgl_desc *s)
{
	return s->id >> 4 == NVME_SGL_NEXT || s->id >> 4 == NVME_SGL_LAST;
}

static int add_block(struct sgl *g, const struct sgl_desc *s)
{
	bool discard = s->id >> 4 == NVME_SGL_BIT_BUCKET;
	uint32_t len = s->len < g->left ? s->len : g->left;
	int ret;

	/* for a source of data a bit bucket has no length (4.4.1) */
	if (discard && g->d->dir == GW_DMA_READ)
		return NVME_OK;
	ret = gw_nvme_data_add(g->nv, g->d, (gw_iova){ discard ? 0 : s->addr }, len, discard);
	g->left -= len;
	return ret;
}

/* One descriptor; @next takes a segment that it leads to. */
static int take_desc(struct sgl *g, const struct sgl_desc *s, bool last, bool in_last,
		     struct sgl_desc *next)
{
	if (s->id & 15 || s->id >> 4 > NVME_SGL_LAST)
		return NVME_SGL_TYPE;
	if (!is_segment(s))
		return add_block(g, s);
	if (in_last)
		return NVME_SGL_SEGMENT;
	if (!last)
		return NVME_SGL_COUNT;
	*next = *s;
	return NVME_OK;
}

/* The descriptors of one segment, until the data is placed. */
static int walk_segment(struct sgl *g, const struct sgl_desc *seg, struct sgl_desc *next)
{
	struct sgl_desc s[SEGMENT_CHUNK];
	uint32_t n = seg->len / sizeof(*s), i, k;
	gw_iova at = { seg->addr };
	int ret;

	next->len = 0;
	for (; n && g->left; n -= k, at.v += k * sizeof(*s)) {
		k = n < SEGMENT_CHUNK ? n : SEGMENT_CHUNK;
		g->nr_descriptors += k;
		if (g->nr_descriptors > MAX_DESCRIPTORS)
			return NVME_SGL_COUNT;
		ret = gw_nvme_dma_status(gw_endpoint_dma_read(&g->nv->ep, at, s, k * sizeof(*s)));
		for (i = 0; i < k && !ret && g->left; i++)
			ret = take_desc(g, &s[i], n == k && i == k - 1,
					seg->id >> 4 == NVME_SGL_LAST, next);
		if (ret)
			return ret;
	}
	/* what is not the last segment has to lead on while data is missing */
	return g->left && seg->id >> 4 == NVME_SGL_NEXT && !next->len ? NVME_SGL_SEGMENT : NVME_OK;
}

static int check_segment(struct sgl *g, const struct sgl_desc *s)
{
	if (s->addr & 7 || !s->len || s->len % sizeof(*s))
		return NVME_SGL_SEGMENT;
	return ++g->nr_segments > MAX_SEGMENTS ? NVME_SGL_COUNT : NVME_OK;
}

int gw_nvme_sgl_map(struct nvme *nv, struct nvme_cmd *cmd)
{
	struct sgl g = { .nv = nv, .d = &cmd->data, .left = cmd->data.len };
	struct sgl_desc s = {
		.addr = cmd->sqe.prp1, .len = (uint32_t)cmd->sqe.prp2,
		.id = (uint8_t)(cmd->sqe.prp2 >> 56),
	}, next = { 0 };
	int ret = take_desc(&g, &s, true, false, &next);

	while (!ret && g.left && is_segment(&s)) {
		next.len = 0;
		ret = check_segment(&g, &s);
		if (!ret)
			ret = walk_segment(&g, &s, &next);
		s = next;
		if (!next.len)
			break;
	}
	if (ret)
		return ret;
	return g.left ? NVME_SGL_LENGTH : NVME_OK;
}
