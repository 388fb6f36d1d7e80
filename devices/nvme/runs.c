/* SPDX-License-Identifier: BSD-3-Clause */
#include "runs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Where a command's data is: runs of IOVA space, and the memory for lists and buffers. */
#define MAX_BUFFERS	(32u << 20)	/* limit: memory for what cannot be done in place */

int gw_nvme_dma_status(int ret)
{
	if (!ret)
		return NVME_OK;
	return ret == -EPERM || ret == -ECANCELED ? NVME_RETRY : NVME_DATA_TRANSFER;
}

void *gw_nvme_buffer_get(struct nvme *nv, size_t len)
{
	void *p;

	if (nv->buffer_bytes && nv->buffer_bytes + len > MAX_BUFFERS)
		return NULL;
	p = malloc(len);
	if (p)
		nv->buffer_bytes += len;
	return p;
}

void gw_nvme_buffer_put(struct nvme *nv, void *p, size_t len)
{
	if (p)
		nv->buffer_bytes -= len;
	free(p);
}

static int runs_grow(struct nvme *nv, struct nvme_data *d)
{
	unsigned int max = d->max_runs * 8;
	struct nvme_run *run = gw_nvme_buffer_get(nv, max * sizeof(*run));

	if (!run)
		return NVME_RETRY;
	memcpy(run, d->run, d->nr_runs * sizeof(*run));
	if (d->run != d->small_run)
		gw_nvme_buffer_put(nv, d->run, d->max_runs * sizeof(*run));
	d->run = run;
	d->max_runs = max;
	return NVME_OK;
}

int gw_nvme_data_add(struct nvme *nv, struct nvme_data *d, gw_iova iova, uint32_t len,
		     bool discard)
{
	struct nvme_run *last = d->nr_runs ? &d->run[d->nr_runs - 1] : NULL;
	uint64_t end;
	int ret;

	if (!len)
		return NVME_OK;
	if (__builtin_add_overflow(iova.v, len - 1, &end))
		return NVME_DATA_TRANSFER;
	if (last && last->discard == discard && (discard || last->iova.v + last->len == iova.v)) {
		last->len += len;
		return NVME_OK;
	}
	if (d->nr_runs == d->max_runs) {
		ret = runs_grow(nv, d);
		if (ret)
			return ret;
	}
	d->discards |= discard;
	d->run[d->nr_runs++] = (struct nvme_run){ iova, len, discard };
	return NVME_OK;
}
