/* SPDX-License-Identifier: BSD-3-Clause */
#include "io.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/uio.h>

#include "base/util.h"
#include "media.h"
#include "range.h"
#include "resident.h"
#include "ring.h"
#include "runs.h"

/*
 * How it works: a command of the NVM set (6) is looked up in the table and checked; then its data
 * is brought in reach, and the I/O to the backing file begins. What does not end at once goes on in
 * a step(), which the worker calls with the ring's result.
 *
 * Writes are made by a plain pwritev(2): the page cache takes them at the price of a copy, while
 * most file systems would have the ring hand a buffered write to another thread. When one took long
 * (the kernel throttles writers), the ring gets them for a while, so that the worker stays free for
 * other queues. Long means longer than being preempted on a busy machine, which says nothing about
 * the file.
 */
#define SLOW_WRITE_NS	30000000u
#define SLOW_TIME_NS	50000000u

/* The part of the data that is still to be moved. */
static unsigned int iov_left(struct nvme_cmd *cmd, struct iovec *first, struct iovec **rest)
{
	struct nvme_data *d = &cmd->data;
	size_t skip = cmd->moved;
	unsigned int i = 0;

	while (i < d->nr_iov && skip >= d->iov[i].iov_len)
		skip -= d->iov[i++].iov_len;
	*first = d->iov[i];
	first->iov_base = (char *)first->iov_base + skip;
	first->iov_len -= skip;
	*rest = d->iov + i;
	return d->nr_iov - i;
}

/*
 * Find where to go on. After a short transfer that is what is left of one iovec, then the others: a
 * pin's array must stay as the bus filled it.
 */
static unsigned int iov_next(struct nvme_cmd *cmd, struct iovec **iov)
{
	struct nvme_data *d = &cmd->data;
	unsigned int n;

	if (d->bounce) {
		cmd->one.iov_base = d->bounce + cmd->moved;
		cmd->one.iov_len = d->len - cmd->moved;
		*iov = &cmd->one;
		return 1;
	}
	if (!cmd->moved) {
		*iov = d->iov;
		return d->nr_iov;
	}
	n = iov_left(cmd, &cmd->one, iov);
	if ((*iov)->iov_len == cmd->one.iov_len)
		return n;
	*iov = &cmd->one;
	return 1;
}

static int submit(struct nvme *nv, struct nvme_cmd *cmd, bool write, bool durable,
		  int (*step)(struct nvme *nv, struct nvme_cmd *cmd, int res))
{
	struct io_uring_sqe *sqe;
	struct iovec *iov;
	unsigned int n;
	uint64_t off = cmd->file_off + cmd->moved;

	if (nv->quiet)
		return NVME_RETRY;
	n = iov_next(cmd, &iov);
	sqe = gw_nvme_ring_get(nv);
	if (write)
		io_uring_prep_writev2(sqe, nv->back.fd, iov, n, off, durable ? RWF_DSYNC : 0);
	else if (n == 1)
		io_uring_prep_read(sqe, nv->back.fd, iov->iov_base, (unsigned int)iov->iov_len, off);
	else
		io_uring_prep_readv2(sqe, nv->back.fd, iov, n, off, 0);
	cmd->step = step;
	gw_nvme_ring_own(nv, cmd, sqe);
	return NVME_PENDING;
}

static void count_read(struct nvme *nv, const struct nvme_cmd *cmd)
{
	nv->health.reads++;
	nv->health.read_blocks += cmd->data.len / 512;
}

static int read_step(struct nvme *nv, struct nvme_cmd *cmd, int res)
{
	if (res <= 0)
		return gw_nvme_media_error(nv, cmd, false, -res);
	cmd->moved += (uint32_t)res;
	if (cmd->moved < cmd->data.len)
		return submit(nv, cmd, false, false, read_step);
	count_read(nv, cmd);
	return cmd->data.bounce ? gw_nvme_data_copy(nv, cmd, cmd->data.bounce) : NVME_OK;
}

static int do_read(struct nvme *nv, struct nvme_cmd *cmd)
{
	struct nvme_data *d = &cmd->data;

	if (!d->bounce && gw_nvme_resident_read(&nv->back, cmd->file_off, d->iov, d->len)) {
		count_read(nv, cmd);
		return NVME_OK;
	}
	return submit(nv, cmd, false, false, read_step);
}

static int write_step(struct nvme *nv, struct nvme_cmd *cmd, int res)
{
	bool durable = gw_nvme_write_through(nv, cmd);

	if (!durable)
		nv->back.dirty = true;
	if (res <= 0)
		return gw_nvme_media_error(nv, cmd, true, -res);
	cmd->moved += (uint32_t)res;
	if (cmd->moved < cmd->data.len)
		return submit(nv, cmd, true, durable, write_step);
	nv->health.writes++;
	nv->health.written_blocks += cmd->data.len / 512;
	gw_nvme_warn(nv, NVME_WARN_RELIABILITY, false);
	return NVME_OK;
}

static int do_write(struct nvme *nv, struct nvme_cmd *cmd)
{
	struct iovec *iov;
	unsigned int n;
	uint64_t before = gw_now_ns(), after;
	ssize_t res;

	if (gw_nvme_write_through(nv, cmd))
		return submit(nv, cmd, true, true, write_step);
	if (before < nv->back.slow_until)
		return submit(nv, cmd, true, false, write_step);
	n = iov_next(cmd, &iov);
	res = pwritev(nv->back.fd, iov, (int)n, (off_t)cmd->file_off);
	if (res < 0)
		res = -errno;
	after = gw_now_ns();
	if (after - before > SLOW_WRITE_NS)
		nv->back.slow_until = after + SLOW_TIME_NS;
	return write_step(nv, cmd, (int)res);
}

/* 6.6: the file's blocks are in the bounce buffer, the guest's are fetched to compare */
static int compare_step(struct nvme *nv, struct nvme_cmd *cmd, int res)
{
	struct nvme_data *d = &cmd->data;
	uint8_t part[4096];
	uint32_t at = 0, off, n;
	unsigned int i;
	int ret;

	if (res <= 0)
		return gw_nvme_media_error(nv, cmd, false, -res);
	cmd->moved += (uint32_t)res;
	if (cmd->moved < d->len)
		return submit(nv, cmd, false, false, compare_step);
	if (nv->quiet)
		return NVME_RETRY;
	for (i = 0; i < d->nr_runs; i++)
		for (off = 0; off < d->run[i].len; off += n, at += n) {
			gw_iova from = { d->run[i].iova.v + off };

			n = d->run[i].len - off;
			n = n < sizeof(part) ? n : sizeof(part);
			ret = gw_nvme_dma_status(gw_nvme_mem_read(nv, from, part, n));
			if (ret)
				return ret;
			if (memcmp(part, d->bounce + at, n))
				return NVME_COMPARE_FAILURE;
		}
	nv->health.reads++;
	return NVME_OK;
}

static int do_compare(struct nvme *nv, struct nvme_cmd *cmd)
{
	return submit(nv, cmd, false, false, compare_step);
}

/* Check a transfer and bring its data in reach, before one of the functions above does it. */
static int transfer(struct nvme *nv, struct nvme_cmd *cmd, enum gw_dma_dir dir, bool bounce,
		    int (*run)(struct nvme *nv, struct nvme_cmd *cmd))
{
	uint64_t slba = cmd->sqe.cdw10 | (uint64_t)cmd->sqe.cdw11 << 32;
	uint32_t blocks = (cmd->sqe.cdw12 & 0xffff) + 1;
	uint64_t total = nv->back.size >> nv->block_bits;
	uint32_t len = blocks << nv->block_bits;
	int ret;

	if (len > NVME_MAX_TRANSFER)
		return NVME_INVALID_FIELD;
	if (slba >= total || blocks > total - slba)
		return NVME_LBA_RANGE;
	cmd->file_off = slba << nv->block_bits;
	ret = gw_nvme_data_map(nv, cmd, len, dir);
	if (ret)
		return ret;
	if (!bounce) {
		ret = gw_nvme_data_attach(nv, cmd);
	} else {
		cmd->data.dir = GW_DMA_WRITE;	/* an empty buffer, to be compared with */
		ret = gw_nvme_data_bounce(nv, cmd);
	}
	return ret ? ret : run(nv, cmd);
}

/* FUA: what is read must not be younger than what is durable (6.9). */
static int read_synced(struct nvme *nv, struct nvme_cmd *cmd, int res)
{
	int ret = gw_nvme_flush_step(nv, cmd, res);

	cmd->harmless = false;
	return ret ? ret : transfer(nv, cmd, GW_DMA_WRITE, false, do_read);
}

static int io_read(struct nvme *nv, struct nvme_cmd *cmd)
{
	int ret;

	if (!(cmd->sqe.cdw12 & NVME_RW_FUA) || !nv->back.dirty)
		return transfer(nv, cmd, GW_DMA_WRITE, false, do_read);
	ret = gw_nvme_flush(nv, cmd);
	cmd->step = read_synced;
	return ret;
}

static int io_write(struct nvme *nv, struct nvme_cmd *cmd)
{
	return transfer(nv, cmd, GW_DMA_READ, false, do_write);
}

static int io_compare(struct nvme *nv, struct nvme_cmd *cmd)
{
	return transfer(nv, cmd, GW_DMA_READ, true, do_compare);
}

#define ALL_NAMESPACES_OK	1u
#define WRITES			2u	/* for the effects log: changes data */

static const struct {
	int (*run)(struct nvme *nv, struct nvme_cmd *cmd);
	unsigned int flags;
} commands[] = {
	[NVME_IO_FLUSH] = { gw_nvme_flush, ALL_NAMESPACES_OK },
	[NVME_IO_WRITE] = { io_write, WRITES },
	[NVME_IO_READ] = { io_read, 0 },
	[NVME_IO_COMPARE] = { io_compare, 0 },
	[NVME_IO_WRITE_ZEROES] = { gw_nvme_write_zeroes, WRITES },
	[NVME_IO_DSM] = { gw_nvme_dsm, WRITES },
};

uint32_t gw_nvme_io_effects(unsigned int opcode)
{
	if (opcode >= ARRAY_SIZE(commands) || !commands[opcode].run)
		return 0;
	return commands[opcode].flags & WRITES ? 3 : 1;
}

int gw_nvme_io(struct nvme *nv, struct nvme_cmd *cmd)
{
	const struct nvme_sqe *e = &cmd->sqe;

	if (e->opcode >= ARRAY_SIZE(commands) || !commands[e->opcode].run)
		return NVME_INVALID_OPCODE;
	if (e->flags & 3 || e->flags >> 6 == 3)	/* fused operations are not offered */
		return NVME_INVALID_FIELD;
	if (e->nsid != 1 && !(e->nsid == NVME_ALL_NAMESPACES &&
			      commands[e->opcode].flags & ALL_NAMESPACES_OK))
		return NVME_INVALID_NAMESPACE;
	return commands[e->opcode].run(nv, cmd);
}
