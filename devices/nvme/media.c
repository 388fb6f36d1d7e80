/* SPDX-License-Identifier: BSD-3-Clause */
#include "media.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "ring.h"

/* What holds for whatever reads or writes the file: durability, and what its errors mean. */

bool gw_nvme_write_through(struct nvme *nv, struct nvme_cmd *cmd)
{
	return !nv->feat.write_cache || (cmd->sqe.cdw12 & NVME_RW_FUA);
}

int gw_nvme_media_error(struct nvme *nv, struct nvme_cmd *cmd, bool write, int err)
{
	if (err == EFAULT)	/* the guest's memory shrank while pinned */
		return NVME_DATA_TRANSFER;
	if (err == EINTR || err == EAGAIN || err == ECANCELED)
		return NVME_RETRY;
	if (!nv->health.media_errors || nv->health.said != err)
		gw_err_guest(nv->log, "nvme: backing file: %s at byte %" PRIu64 ": %s; more of that kind is "
			     "counted in the report", write ? "write" : "read",
			     cmd->file_off + cmd->moved, err ? strerror(err) : "it ends there");
	nv->health.said = err;
	nv->health.media_errors++;
	gw_endpoint_io_failed(&nv->ep);
	gw_nvme_warn(nv, NVME_WARN_RELIABILITY, true);
	return write ? NVME_WRITE_FAULT : NVME_READ_ERROR;
}

int gw_nvme_flush_step(struct nvme *nv, struct nvme_cmd *cmd, int res)
{
	if (res >= 0)
		return NVME_OK;
	nv->back.dirty = true;
	return gw_nvme_media_error(nv, cmd, true, -res);
}

int gw_nvme_flush(struct nvme *nv, struct nvme_cmd *cmd)
{
	struct io_uring_sqe *sqe = gw_nvme_ring_get(nv);

	nv->back.dirty = false;
	cmd->step = gw_nvme_flush_step;
	cmd->harmless = true;	/* it touches no guest memory and changes no block */
	io_uring_prep_fsync(sqe, nv->back.fd, IORING_FSYNC_DATASYNC);
	gw_nvme_ring_own(nv, cmd, sqe);
	return NVME_PENDING;
}
