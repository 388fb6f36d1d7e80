/* SPDX-License-Identifier: BSD-3-Clause */
#include "data.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nvme.h"
#include "prp.h"
#include "runs.h"
#include "sgl.h"

/*
 * A command's data: runs of IOVA space from its PRPs or SGLs, pinned for I/O straight to and
 * from them, or a bounce buffer where that cannot be.
 */
#define MAX_IOV		1024u		/* of readv(2) */

int gw_nvme_data_map(struct nvme *nv, struct nvme_cmd *cmd, uint32_t len, enum gw_dma_dir dir)
{
	struct nvme_data *d = &cmd->data;

	gw_nvme_data_release(nv, cmd);
	d->len = len;
	d->dir = dir;
	d->run = d->small_run;
	d->max_runs = NVME_DATA_SMALL;
	return cmd->sqe.flags >> 6 ? gw_nvme_sgl_map(nv, cmd) : gw_nvme_prp_map(nv, cmd);
}

static unsigned int iov_room(const struct nvme_data *d)
{
	return d->nr_runs <= NVME_DATA_SMALL ? 2 * NVME_DATA_SMALL : 2 * d->nr_runs;
}

static int pins_alloc(struct nvme *nv, struct nvme_data *d)
{
	if (d->nr_runs <= NVME_DATA_SMALL) {
		d->pin = d->small_pin;
		d->iov = d->small_iov;
		return 0;
	}
	d->pin = gw_nvme_buffer_get(nv, d->nr_runs * sizeof(*d->pin));
	d->iov = gw_nvme_buffer_get(nv, iov_room(d) * sizeof(*d->iov));
	return d->pin && d->iov ? 0 : -ENOMEM;
}

static void pins_drop(struct nvme *nv, struct nvme_data *d)
{
	while (d->nr_pins)
		gw_endpoint_unpin(&nv->ep, &d->pin[--d->nr_pins]);
	if (d->pin != d->small_pin)
		gw_nvme_buffer_put(nv, d->pin, d->nr_runs * sizeof(*d->pin));
	if (d->iov != d->small_iov)
		gw_nvme_buffer_put(nv, d->iov, iov_room(d) * sizeof(*d->iov));
	d->pin = NULL;
	d->iov = NULL;
	d->nr_iov = 0;
}

static int pin_runs(struct nvme *nv, struct nvme_data *d)
{
	unsigned int i, room = iov_room(d);
	void *mem;
	int ret;

	for (i = 0; i < d->nr_runs; i++) {
		struct gw_endpoint_pin *pin = &d->pin[d->nr_pins];

		mem = gw_nvme_cmb_at(nv, d->run[i].iova, d->run[i].len);
		if (mem) {	/* our own, so nobody takes it away */
			d->iov[d->nr_iov++] = (struct iovec){ mem, d->run[i].len };
			continue;
		}

		*pin = (struct gw_endpoint_pin){
			.iov = d->iov + d->nr_iov, .max_iov = room - d->nr_iov,
		};
		ret = gw_endpoint_pin(&nv->ep, d->run[i].iova, d->run[i].len, d->dir, pin);
		if (ret)
			return ret;
		d->nr_pins++;
		d->nr_iov += pin->nr_iov;
	}
	return d->nr_iov > MAX_IOV ? -E2BIG : 0;
}

int gw_nvme_data_attach(struct nvme *nv, struct nvme_cmd *cmd)
{
	struct nvme_data *d = &cmd->data;
	int ret;

	if (nv->quiet)
		return NVME_RETRY;
	if (d->discards || d->nr_runs > MAX_IOV)
		return gw_nvme_data_bounce(nv, cmd);
	ret = pins_alloc(nv, d);
	if (ret) {
		pins_drop(nv, d);
		return NVME_RETRY;
	}
	ret = pin_runs(nv, d);
	if (!ret)
		return NVME_OK;
	pins_drop(nv, d);
	if (ret == -EOPNOTSUPP || ret == -E2BIG)
		return gw_nvme_data_bounce(nv, cmd);
	return gw_nvme_dma_status(ret);
}

int gw_nvme_data_bounce(struct nvme *nv, struct nvme_cmd *cmd)
{
	struct nvme_data *d = &cmd->data;

	d->bounce = gw_nvme_buffer_get(nv, d->len);
	if (!d->bounce)
		return NVME_RETRY;
	return d->dir == GW_DMA_READ ? gw_nvme_data_copy(nv, cmd, d->bounce) : NVME_OK;
}

int gw_nvme_data_copy(struct nvme *nv, struct nvme_cmd *cmd, void *buf)
{
	struct nvme_data *d = &cmd->data;
	uint8_t *at = buf;
	unsigned int i;
	int ret = 0;

	if (nv->quiet)
		return NVME_RETRY;
	for (i = 0; i < d->nr_runs && !ret; at += d->run[i++].len) {
		if (d->run[i].discard)
			continue;
		if (d->dir == GW_DMA_READ)
			ret = gw_nvme_mem_read(nv, d->run[i].iova, at, d->run[i].len);
		else
			ret = gw_nvme_mem_write(nv, d->run[i].iova, at, d->run[i].len);
	}
	return gw_nvme_dma_status(ret);
}

void gw_nvme_data_release(struct nvme *nv, struct nvme_cmd *cmd)
{
	struct nvme_data *d = &cmd->data;

	if (d->pin || d->iov)
		pins_drop(nv, d);
	gw_nvme_buffer_put(nv, d->bounce, d->len);
	if (d->run != d->small_run)
		gw_nvme_buffer_put(nv, d->run, d->max_runs * sizeof(*d->run));
	memset(d, 0, offsetof(struct nvme_data, small_run));
}
