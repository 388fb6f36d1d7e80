/* SPDX-License-Identifier: BSD-3-Clause */
#include "prp.h"

#include "runs.h"

/* Physical region pages (4.3). */

#define LIST_CHUNK	64u

/* Where the next entries are; a list's last slot in a page points on if more than one is left. */
struct prp_list {
	gw_iova at;
	uint32_t left;			/* slots to the end of the page */
};

static int list_open(const struct nvme *nv, struct prp_list *l, uint64_t at)
{
	if (at & 7)
		return NVME_PRP_OFFSET;
	l->at.v = at;
	l->left = (nv->page_size - (uint32_t)(at & (nv->page_size - 1))) / 8;
	return NVME_OK;
}

static int list_take(struct nvme *nv, struct prp_list *l, uint64_t *entry, uint32_t n)
{
	int ret = gw_endpoint_dma_read(&nv->ep, l->at, entry, n * sizeof(*entry));

	l->at.v += n * sizeof(*entry);
	l->left -= n;
	return gw_nvme_dma_status(ret);
}

/* The last slot of a page: follow it. All lists but the first begin at a page's start. */
static int list_follow(struct nvme *nv, struct prp_list *l)
{
	uint64_t next;
	int ret = list_take(nv, l, &next, 1);

	if (ret)
		return ret;
	if (next & (nv->page_size - 1))
		return NVME_PRP_OFFSET;
	return list_open(nv, l, next);
}

static int add_pages(struct nvme *nv, struct nvme_data *d, const uint64_t *entry, uint32_t n,
		     uint32_t *len)
{
	uint32_t i, part;
	int ret;

	for (i = 0; i < n; i++) {
		if (entry[i] & (nv->page_size - 1))
			return NVME_PRP_OFFSET;
		part = *len < nv->page_size ? *len : nv->page_size;
		ret = gw_nvme_data_add(nv, d, (gw_iova){ entry[i] }, part, false);
		if (ret)
			return ret;
		*len -= part;
	}
	return NVME_OK;
}

static int add_list(struct nvme *nv, struct nvme_cmd *cmd, uint32_t len)
{
	uint64_t entry[LIST_CHUNK];
	struct prp_list l;
	int ret = list_open(nv, &l, cmd->sqe.prp2);

	while (!ret && len) {
		uint32_t n = (len + nv->page_size - 1) >> nv->page_bits;

		if (l.left == 1 && n > 1) {
			ret = list_follow(nv, &l);
			continue;
		}
		if (n > l.left)
			n = l.left - 1;
		if (n > LIST_CHUNK)
			n = LIST_CHUNK;
		ret = list_take(nv, &l, entry, n);
		if (!ret)
			ret = add_pages(nv, &cmd->data, entry, n, &len);
	}
	return ret;
}

int gw_nvme_prp_map(struct nvme *nv, struct nvme_cmd *cmd)
{
	uint64_t prp1 = cmd->sqe.prp1;
	uint32_t len = cmd->data.len;
	uint32_t first = nv->page_size - (uint32_t)(prp1 & (nv->page_size - 1));
	int ret;

	if (prp1 & 3)
		return NVME_PRP_OFFSET;
	if (first > len)
		first = len;
	ret = gw_nvme_data_add(nv, &cmd->data, (gw_iova){ prp1 }, first, false);
	len -= first;
	if (ret || !len)
		return ret;
	if (len <= nv->page_size)
		return add_pages(nv, &cmd->data, &cmd->sqe.prp2, 1, &len);
	return add_list(nv, cmd, len);
}
