/* SPDX-License-Identifier: BSD-3-Clause */
#include "ring.h"

#include <errno.h>
#include <string.h>

/*
 * The io_uring of the worker. user_data is the command, NVME_RING_WAKE for the read of the wake-up
 * eventfd, or 0 for what nobody waits for.
 */
#define RING_ENTRIES	256u
#define GATHER_MIN	8u		/* so many under way make it worth to wait for several */
#define GATHER_NS	100000u

int gw_nvme_ring_init(struct nvme *nv)
{
	struct io_uring_params p = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_TASKRUN_FLAG,
	};
	int ret = io_uring_queue_init_params(RING_ENTRIES, &nv->ring, &p);

	if (ret == -EINVAL) {	/* before Linux 6.1 */
		memset(&p, 0, sizeof(p));
		ret = io_uring_queue_init_params(RING_ENTRIES, &nv->ring, &p);
	}
	return ret;
}

struct io_uring_sqe *gw_nvme_ring_get(struct nvme *nv)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(&nv->ring)))
		io_uring_submit(&nv->ring);
	nv->ring_dirty = true;
	return sqe;
}

void gw_nvme_ring_own(struct nvme *nv, struct nvme_cmd *cmd, struct io_uring_sqe *sqe)
{
	io_uring_sqe_set_data(sqe, cmd);
	cmd->in_ring = true;
	if (!cmd->harmless)
		nv->nr_ring++;
}

void gw_nvme_ring_submit(struct nvme *nv)
{
	if (!nv->ring_dirty)
		return;
	nv->ring_dirty = false;
	if (io_uring_submit(&nv->ring) < 0)
		nv->ring_dirty = true;	/* the kernel is short of memory: next round */
}

bool gw_nvme_ring_waits(const struct nvme *nv)
{
	return io_uring_cq_ready(&nv->ring) ||
	       IO_URING_READ_ONCE(*nv->ring.sq.kflags) & IORING_SQ_TASKRUN;
}

/*
 * With many commands under way, one wake-up for several that finish is worth a moment of the
 * first one's time; an idle moment is what a wake-up for each would cost anyway.
 */
static unsigned int sleep_for(const struct nvme *nv, uint64_t *ns)
{
	if (nv->nr_ring < GATHER_MIN)
		return 1;
	if (!*ns || *ns > GATHER_NS)
		*ns = GATHER_NS;
	return nv->nr_ring / 2;
}

uint64_t gw_nvme_ring_sleep(struct nvme *nv, uint64_t ns)
{
	unsigned int nr = sleep_for(nv, &ns);
	struct __kernel_timespec ts = {
		.tv_sec = (long long)(ns / 1000000000), .tv_nsec = (long long)(ns % 1000000000),
	};
	struct io_uring_cqe *cqe;

	if (!nv->ctl.wake_armed) {
		struct io_uring_sqe *sqe = gw_nvme_ring_get(nv);

		io_uring_prep_read(sqe, nv->ctl.wake_fd, &nv->ctl.wake_value,
				   sizeof(nv->ctl.wake_value), 0);
		sqe->user_data = NVME_RING_WAKE;
		nv->ctl.wake_armed = true;
	}
	nv->ring_dirty = false;
	io_uring_submit_and_wait_timeout(&nv->ring, &cqe, nr, ns ? &ts : NULL, NULL);
	return ns;
}
