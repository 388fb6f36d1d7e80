/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfio_user/dispatch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/reader.h"
#include "base/util.h"

#define SLOW_NS		100000000ull	/* a client may give up after a few seconds */
#define MAX_BOOLS	2048u		/* MSI-X has no more vectors */

struct op {
	const char *name;
	uint32_t min, max;		/* bytes of payload */
	uint16_t max_fds;		/* 0: it takes none, and clients send some all the same */
	bool early;			/* comes first, and only then */
	gw_vu_handler *run;		/* NULL: known, not offered */
};

static const struct op ops[GW_VU_NR_CMDS] = {
	[GW_VU_VERSION] = { "VERSION", 4, 4 + GW_VU_MAX_VERSION, .early = true,
			    .run = gw_do_version },
	[GW_VU_DMA_MAP] = { "DMA_MAP", 32, 32, .max_fds = 1, .run = gw_do_dma_map },
	[GW_VU_DMA_UNMAP] = { "DMA_UNMAP", 24, 40, .run = gw_do_dma_unmap },
	[GW_VU_GET_INFO] = { "DEVICE_GET_INFO", 16, 24, .run = gw_do_get_info },
	[GW_VU_GET_REGION_INFO] = { "DEVICE_GET_REGION_INFO", 32, 4096, .run = gw_do_region_info },
	[GW_VU_GET_REGION_IO_FDS] = { "DEVICE_GET_REGION_IO_FDS" },
	[GW_VU_GET_IRQ_INFO] = { "DEVICE_GET_IRQ_INFO", 16, 16, .run = gw_do_irq_info },
	[GW_VU_SET_IRQS] = { "DEVICE_SET_IRQS", 20, 20 + MAX_BOOLS, .max_fds = GW_VU_MAX_FDS,
			     .run = gw_do_set_irqs },
	[GW_VU_REGION_READ] = { "REGION_READ", 16, 16, .run = gw_do_region_read },
	[GW_VU_REGION_WRITE] = { "REGION_WRITE", 16, 16 + GW_VU_MAX_XFER,
				 .run = gw_do_region_write },
	[GW_VU_DMA_READ] = { "DMA_READ" },
	[GW_VU_DMA_WRITE] = { "DMA_WRITE" },
	[GW_VU_RESET] = { "DEVICE_RESET", 0, 0, .run = gw_do_reset },
	[GW_VU_REGION_WRITE_MULTI] = { "REGION_WRITE_MULTI", 8,
				       8 + GW_VU_MULTI_MAX * GW_VU_MULTI_WRITE,
				       .run = gw_do_write_multi },
	[GW_VU_DEVICE_FEATURE] = { "DEVICE_FEATURE", 8, 8 + GW_VU_MAX_FEATURE,
				   .run = gw_do_feature },
	[GW_VU_MIG_DATA_READ] = { "MIG_DATA_READ" },
	[GW_VU_MIG_DATA_WRITE] = { "MIG_DATA_WRITE" },
};

static int check(const struct gw_client *c, const struct gw_msg *m, const struct op *op)
{
	if (!op->run)
		return -EOPNOTSUPP;
	if (m->flags & ~(GW_VU_TYPE | GW_VU_NO_REPLY))
		return -EINVAL;
	if (op->early == c->greeted)
		return -EPROTO;
	if (m->len < op->min || m->len > op->max)
		return -EMSGSIZE;
	/* what comes with a command that takes none is closed when the command is done */
	if (!m->fds || !op->max_fds)
		return 0;
	if (m->fds->lost)
		return -EMFILE;
	return m->fds->nr > op->max_fds ? -EMSGSIZE : 0;
}

/* Cheap and coarse: a look at the clock that costs a few ns. */
static uint64_t coarse_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

/* Name what was slow; of a region access also where, as that tells what the device did. */
static void warn_slow(struct gw_client *c, const struct gw_msg *m, const struct op *op, uint64_t ns)
{
	struct gw_reader in = gw_reader_init(m->body, m->len);
	char where[48] = "";
	uint32_t region;
	uint64_t off;

	if ((m->cmd == GW_VU_REGION_READ || m->cmd == GW_VU_REGION_WRITE) &&
	    gw_reader_u64(&in, &off) && gw_reader_u32(&in, &region))
		snprintf(where, sizeof(where), " of region %u at %#" PRIx64, region, off);
	gw_log_guest(c->log, "vfio-user: %s%s took %" PRIu64 " ms; a VMM gives up after a few seconds",
		     op->name, where, ns / 1000000);
}

static int run(struct gw_client *c, struct gw_msg *m, const struct op *op, struct gw_reply *r)
{
	uint64_t begun = coarse_ns(), took;
	int ret = op->run(c, m, r);

	took = coarse_ns() - begun;
	if (took > SLOW_NS)
		warn_slow(c, m, op, took);
	return ret;
}

static int answer(struct gw_client *c, const struct gw_msg *m, const struct gw_reply *r, int err)
{
	uint32_t size = GW_VU_HDR + (err ? 0 : (uint32_t)r->len);
	uint32_t flags = GW_VU_REPLY | (err ? GW_VU_ERROR : 0);
	uint32_t wire_err = (uint32_t)-err;
	struct iovec iov = { .iov_base = c->reply, .iov_len = size };
	int ret;

	memcpy(c->reply, &m->id, 2);
	memcpy(c->reply + 2, &m->cmd, 2);
	memcpy(c->reply + 4, &size, 4);
	memcpy(c->reply + 8, &flags, 4);
	memcpy(c->reply + 12, &wire_err, 4);
	pthread_mutex_lock(&c->lock);
	ret = gw_outbox_send(&c->out, c->fd, &iov, 1, err ? -1 : r->fd);
	pthread_mutex_unlock(&c->lock);
	return ret;
}

int gw_client_dispatch(struct gw_client *c, struct gw_msg *m)
{
	static const struct op unknown = { "unknown command" };
	const struct op *op = m->cmd < ARRAY_SIZE(ops) ? &ops[m->cmd] : &unknown;
	struct gw_reply r = { .data = c->reply + GW_VU_HDR, .fd = -1 };
	int ret;

	if ((m->flags & GW_VU_TYPE) != GW_VU_COMMAND)
		return -EBADE;
	if (!op->name)
		op = &unknown;
	ret = check(c, m, op);
	if (!ret)
		ret = run(c, m, op, &r);
	if (ret) {
		c->errors++;
		gw_log_guest(c->log, "vfio-user: %s (%u, %zu bytes of payload) refused: %s",
			     op->name, m->cmd, m->len, strerror(-ret));
	}
	ret = m->flags & GW_VU_NO_REPLY ? 0 : answer(c, m, &r, ret);
	if (r.owned)
		close(r.fd);
	return ret;
}

int gw_do_get_info(struct gw_client *c, struct gw_msg *m, struct gw_reply *r)
{
	uint32_t info[4] = { sizeof(info), GW_VU_DEVICE_RESET | GW_VU_DEVICE_PCI, GW_NR_REGIONS,
			     GW_NR_IRQS };
	struct gw_reader in = gw_reader_init(m->body, m->len);
	uint32_t argsz;

	if (!gw_reader_u32(&in, &argsz) || argsz < sizeof(info))
		return -EINVAL;
	memcpy(r->data, info, sizeof(info));
	r->len = sizeof(info);
	return 0;
}

int gw_do_reset(struct gw_client *c, struct gw_msg *m, struct gw_reply *r)
{
	return c->dev->ops->reset(c->dev);
}
