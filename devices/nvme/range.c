/* SPDX-License-Identifier: BSD-3-Clause */
#include "range.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>

#include "media.h"
#include "ring.h"

/* Write Zeroes (6.17) and Dataset Management (6.7): whole ranges, by fallocate(2). */

#define WZ_DEAC		(1u << 25)
#define DSM_DEALLOCATE	(1u << 2)
#define DSM_RANGES	256u

static const uint8_t zeroes[65536];

static int range_done(struct nvme *nv, struct nvme_cmd *cmd);
static int zero_step(struct nvme *nv, struct nvme_cmd *cmd, int res);

/* The file system cannot: write zeroes, a piece at a time. */
static int zero_by_writing(struct nvme *nv, struct nvme_cmd *cmd)
{
	struct io_uring_sqe *sqe;
	uint64_t n = cmd->file_len < sizeof(zeroes) ? cmd->file_len : sizeof(zeroes);

	if (!n)
		return range_done(nv, cmd);
	if (nv->quiet)
		return NVME_RETRY;
	sqe = gw_nvme_ring_get(nv);
	io_uring_prep_write(sqe, nv->back.fd, zeroes, (unsigned int)n, cmd->file_off);
	cmd->step = zero_step;
	gw_nvme_ring_own(nv, cmd, sqe);
	return NVME_PENDING;
}

static int zero_step(struct nvme *nv, struct nvme_cmd *cmd, int res)
{
	nv->back.dirty = true;
	if (res <= 0)
		return gw_nvme_media_error(nv, cmd, true, -res);
	cmd->file_off += (unsigned int)res;
	cmd->file_len -= (unsigned int)res;
	return zero_by_writing(nv, cmd);
}

static int punch(struct nvme *nv, struct nvme_cmd *cmd, int mode,
		 int (*step)(struct nvme *nv, struct nvme_cmd *cmd, int res))
{
	struct io_uring_sqe *sqe;

	sqe = gw_nvme_ring_get(nv);
	io_uring_prep_fallocate(sqe, nv->back.fd, mode | FALLOC_FL_KEEP_SIZE,
				(off_t)cmd->file_off, (off_t)cmd->file_len);
	cmd->step = step;
	gw_nvme_ring_own(nv, cmd, sqe);
	return NVME_PENDING;
}

static int sync_step(struct nvme *nv, struct nvme_cmd *cmd, int res)
{
	return gw_nvme_flush_step(nv, cmd, res);
}

static int range_done(struct nvme *nv, struct nvme_cmd *cmd)
{
	int ret;

	nv->back.dirty = true;
	gw_nvme_warn(nv, NVME_WARN_RELIABILITY, false);
	if (!gw_nvme_write_through(nv, cmd))
		return NVME_OK;
	ret = gw_nvme_flush(nv, cmd);
	cmd->step = sync_step;
	return ret;
}

static int zeroes_begin(struct nvme *nv, struct nvme_cmd *cmd);

static int zeroes_step(struct nvme *nv, struct nvme_cmd *cmd, int res)
{
	if (res == -EOPNOTSUPP) {
		/* the mode that was tried, in the order of zeroes_begin() */
		if (!nv->back.no_zero_range && !(cmd->sqe.cdw12 & WZ_DEAC))
			nv->back.no_zero_range = true;
		else
			nv->back.no_punch = true;
		return zeroes_begin(nv, cmd);
	}
	return res < 0 ? gw_nvme_media_error(nv, cmd, true, -res) : range_done(nv, cmd);
}

static int zeroes_begin(struct nvme *nv, struct nvme_cmd *cmd)
{
	if (!nv->back.no_zero_range && !(cmd->sqe.cdw12 & WZ_DEAC))
		return punch(nv, cmd, FALLOC_FL_ZERO_RANGE, zeroes_step);
	if (!nv->back.no_punch)
		return punch(nv, cmd, FALLOC_FL_PUNCH_HOLE, zeroes_step);
	return zero_by_writing(nv, cmd);
}

static int range_set(struct nvme *nv, struct nvme_cmd *cmd, uint64_t slba, uint64_t blocks)
{
	uint64_t total = nv->back.size >> nv->block_bits;

	if (slba > total || blocks > total - slba)
		return NVME_LBA_RANGE;
	cmd->file_off = slba << nv->block_bits;
	cmd->file_len = blocks << nv->block_bits;
	return NVME_OK;
}

int gw_nvme_write_zeroes(struct nvme *nv, struct nvme_cmd *cmd)
{
	uint64_t slba = cmd->sqe.cdw10 | (uint64_t)cmd->sqe.cdw11 << 32;
	int ret = range_set(nv, cmd, slba, (cmd->sqe.cdw12 & 0xffff) + 1ull);

	return ret ? ret : zeroes_begin(nv, cmd);
}

struct dsm_range {
	uint32_t attributes, blocks;
	uint64_t slba;
};

static int dsm_next(struct nvme *nv, struct nvme_cmd *cmd);

/* A deallocation is advice: where the file system cannot, the blocks stay as they are. */
static int dsm_step(struct nvme *nv, struct nvme_cmd *cmd, int res)
{
	if (res == -EOPNOTSUPP)
		nv->back.no_punch = true;
	else if (res < 0)
		return gw_nvme_media_error(nv, cmd, true, -res);
	cmd->range++;
	return dsm_next(nv, cmd);
}

static struct dsm_range dsm_range(const struct nvme_cmd *cmd, unsigned int i)
{
	struct dsm_range r;

	memcpy(&r, cmd->data.bounce + i * sizeof(r), sizeof(r));
	return r;
}

static int dsm_next(struct nvme *nv, struct nvme_cmd *cmd)
{
	unsigned int n = (cmd->sqe.cdw10 & 0xff) + 1;

	for (; cmd->range < n && !nv->back.no_punch; cmd->range++) {
		struct dsm_range r = dsm_range(cmd, cmd->range);

		if (!r.blocks)
			continue;
		if (nv->quiet)
			return NVME_RETRY;
		range_set(nv, cmd, r.slba, r.blocks);
		return punch(nv, cmd, FALLOC_FL_PUNCH_HOLE, dsm_step);
	}
	return range_done(nv, cmd);
}

/* All ranges are checked before any is deallocated. */
int gw_nvme_dsm(struct nvme *nv, struct nvme_cmd *cmd)
{
	unsigned int n = (cmd->sqe.cdw10 & 0xff) + 1, i;
	int ret = gw_nvme_data_map(nv, cmd, n * sizeof(struct dsm_range), GW_DMA_READ);

	if (!ret)
		ret = gw_nvme_data_bounce(nv, cmd);
	for (i = 0; i < n && !ret; i++) {
		struct dsm_range r = dsm_range(cmd, i);

		ret = range_set(nv, cmd, r.slba, r.blocks);
	}
	if (ret || !(cmd->sqe.cdw11 & DSM_DEALLOCATE))
		return ret;
	cmd->range = 0;
	return dsm_next(nv, cmd);
}
