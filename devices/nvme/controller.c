/* SPDX-License-Identifier: BSD-3-Clause */
#include "controller.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "end.h"
#include "ring.h"
#include "state.h"

/*
 * How it works: the states of the controller (3.1.5, 3.1.6, 7.3, 7.6). The threads that answer the
 * VMM keep CC and what rose or fell in it (regs.c); the worker takes that in gw_nvme_control_cc()
 * and enables, disables or shuts down. A disable cancels all commands, and ends when the ring has
 * none: then the host may use its memory again. A shutdown is a flush, a command of the
 * controller's own; @shutdowns tells one that is still wanted from one that a reset has overtaken.
 */

void gw_nvme_defaults(struct nvme *nv)
{
	unsigned int i;

	gw_nvme_drop_all(nv);
	for (i = 0; i < NVME_NR_QUEUES; i++) {
		gw_nvme_sq_close(nv, &nv->sq[i]);
		gw_nvme_cq_close(nv, &nv->cq[i]);
		nv->sq[i] = (struct nvme_sq){ .id = (uint16_t)i };
		nv->cq[i] = (struct nvme_cq){ .id = (uint16_t)i };
		TAILQ_INIT(&nv->cq[i].done);
	}
	nv->shadow = (struct nvme_shadow){ 0 };
	nv->feat = (struct nvme_features){
		.arbitration = 7,	/* no limit of a burst */
		.write_cache = 1,
		.temp_over = NVME_TEMPERATURE_OVER,
		.nr_sqs = NVME_NR_IO_QUEUES, .nr_cqs = NVME_NR_IO_QUEUES,
		.time_set = gw_now_ns(),
	};
	nv->health.warning &= (uint8_t)~NVME_WARN_TEMPERATURE;
	nv->ready = nv->dead = nv->disabling = nv->again = nv->shutdown_waits = false;
	nv->shutdowns++;
	atomic_store(&nv->regs.bad_doorbells, 0);
}

void gw_nvme_power_on(struct nvme *nv)
{
	struct nvme_regs *r = &nv->regs;

	gw_nvme_defaults(nv);
	pthread_mutex_lock(&r->lock);
	r->cc = r->aqa = r->intm = 0;
	r->asq = r->acq = 0;
	gw_nvme_cmb_off(nv);
	r->en_fell = r->shn_rose = false;
	r->disable_late = false;
	r->disable_by = 0;
	memset(r->msix, 0, sizeof(r->msix));
	atomic_store(&r->csts, 0);
	pthread_mutex_unlock(&r->lock);
}

struct cc_view {
	uint32_t cc, aqa;
	uint64_t asq, acq;
	bool en_fell, shn_rose;
};

static struct cc_view take_cc(struct nvme_regs *r)
{
	struct cc_view v;

	pthread_mutex_lock(&r->lock);
	v = (struct cc_view){ r->cc, r->aqa, r->asq, r->acq, r->en_fell, r->shn_rose };
	r->en_fell = r->shn_rose = false;
	pthread_mutex_unlock(&r->lock);
	return v;
}

static const char *enable_error(const struct cc_view *v)
{
	uint64_t page = 4096ull << NVME_CC_MPS(v->cc);

	if (NVME_CC_CSS(v->cc))
		return "CC.CSS is not the NVM command set";
	if (NVME_CC_AMS(v->cc))
		return "CC.AMS is not round robin";
	if (NVME_CC_MPS(v->cc) > NVME_MPSMAX)
		return "CC.MPS is above CAP.MPSMAX";
	if (!(v->aqa & 0xfff) || !(v->aqa >> 16))
		return "an admin queue has less than two entries";
	if ((v->asq | v->acq) & (page - 1))
		return "an admin queue is not page aligned";
	return NULL;
}

/* A shutdown from before a reset is not wanted any more, and must not end what follows. */
static void shutdown_forget(struct nvme *nv)
{
	nv->shutdowns++;
	nv->shutdown_waits = false;
	atomic_fetch_and(&nv->regs.csts, ~NVME_CSTS_SHST_MASK);
}

static void enable(struct nvme *nv, const struct cc_view *v)
{
	const char *why = enable_error(v);

	if (why) {
		gw_nvme_fatal(nv, why);
		return;
	}
	nv->page_bits = 12 + NVME_CC_MPS(v->cc);
	nv->page_size = 1u << nv->page_bits;
	gw_nvme_cq_open(nv, 0, (gw_iova){ v->acq }, (v->aqa >> 16) + 1, 0, true);
	gw_nvme_sq_open(nv, 0, (gw_iova){ v->asq }, (v->aqa & 0xfff) + 1, 0);
	nv->ready = true;
	if (!NVME_CC_SHN(v->cc))
		shutdown_forget(nv);
	gw_nvme_check_temperature(nv);
	atomic_fetch_or(&nv->regs.csts, NVME_CSTS_RDY);
}

static void disable(struct nvme *nv)
{
	nv->ready = false;
	nv->disabling = true;
	gw_nvme_cancel_all(nv);
}

/* From here on the host may use its memory again. */
static void disabled(struct nvme *nv)
{
	struct nvme_regs *r = &nv->regs;
	bool late;

	pthread_mutex_lock(&r->lock);
	late = r->disable_late && r->late_said;
	r->disable_late = false;
	r->disable_by = 0;
	atomic_store(&r->csts, 0);
	pthread_mutex_unlock(&r->lock);
	if (late)
		gw_warn(nv->log, "nvme: backing file answers again; the controller is disabled");
}

static int shutdown_step(struct nvme *nv, struct nvme_cmd *cmd, int res)
{
	uint32_t csts = atomic_load(&nv->regs.csts) & ~NVME_CSTS_SHST_MASK;

	if (res < 0)
		gw_err_guest(nv->log, "nvme: flush on shutdown failed: %s", strerror(-res));
	if (cmd->result == nv->shutdowns) {
		/* from the moment it can be seen, the host may take its memory back */
		nv->dead |= nv->ready;
		atomic_store(&nv->regs.csts, csts | NVME_CSTS_SHST_DONE);
	}
	gw_nvme_cmd_put(nv, cmd);
	return NVME_PENDING;
}

/*
 * Writes are durable before CSTS.SHST says that it is safe to cut the power. Then nothing starts
 * again but by a reset (7.6.2).
 */
static void shutdown_begin(struct nvme *nv)
{
	uint32_t csts = atomic_load(&nv->regs.csts) & ~NVME_CSTS_SHST_MASK;
	struct nvme_cmd *cmd = nv->disabling ? NULL : gw_nvme_cmd_get(nv);
	struct io_uring_sqe *sqe;

	nv->shutdown_waits = !cmd;
	atomic_store(&nv->regs.csts, csts | NVME_CSTS_SHST_BUSY);
	if (!cmd) {
		nv->again = true;
		return;
	}
	TAILQ_REMOVE(&nv->fetched, cmd, all);
	cmd->result = ++nv->shutdowns;
	cmd->harmless = cmd->loose = true;
	cmd->step = shutdown_step;
	sqe = gw_nvme_ring_get(nv);
	io_uring_prep_fsync(sqe, nv->back.fd, IORING_FSYNC_DATASYNC);
	gw_nvme_ring_own(nv, cmd, sqe);
}

void gw_nvme_control_cc(struct nvme *nv)
{
	struct cc_view v = take_cc(&nv->regs);

	if (v.en_fell && !NVME_CC_SHN(v.cc)) {
		shutdown_forget(nv);
		v.shn_rose = false;
	}
	if (v.en_fell && !nv->disabling)
		disable(nv);
	if (nv->disabling && !nv->nr_ring) {
		bool waits = nv->shutdown_waits;

		gw_nvme_defaults(nv);
		nv->shutdown_waits = waits;
		disabled(nv);
	}
	if (!nv->disabling && !nv->ready && !nv->dead && (v.cc & NVME_CC_EN)) {
		enable(nv, &v);
		/* one from before it was enabled, and taken back, is forgotten likewise */
		v.shn_rose &= NVME_CC_SHN(v.cc) != 0;
	}
	if (v.shn_rose || nv->shutdown_waits)
		shutdown_begin(nv);
}
