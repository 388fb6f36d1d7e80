/* SPDX-License-Identifier: BSD-3-Clause */
#include "regs.h"

#include <errno.h>

#include "base/util.h"
#include "nvme.h"

/*
 * How it works: the threads that answer the VMM read and write registers and doorbells here. A
 * write is stored, and the worker woken where it has something to do. Nothing here waits.
 */

uint64_t gw_nvme_cap(const struct nvme *nv)
{
	return NVME_CAP_MQES(NVME_MAX_ENTRIES - 1) | NVME_CAP_CQR | NVME_CAP_TO(NVME_TIMEOUT) |
	       NVME_CAP_CSS_NVM | NVME_CAP_MPSMIN(0) | NVME_CAP_MPSMAX(NVME_MPSMAX) |
	       (nv->cmb.size ? NVME_CAP_CMBS : 0);
}

/*
 * A controller that cannot be disabled within CAP.TO is in a fatal state (3.1.5), until it is
 * disabled after all.
 */
static uint32_t status(struct nvme *nv) GW_HOLDS(nv->regs.lock)
{
	if (nv->regs.disable_by && !nv->regs.disable_late && gw_now_ns() >= nv->regs.disable_by) {
		nv->regs.disable_late = true;
		atomic_fetch_or(&nv->regs.csts, NVME_CSTS_CFS);
		nv->regs.late_said = gw_log_may(nv->log);
		if (nv->regs.late_said)
			gw_err(nv->log, "nvme: backing file does not answer; the controller cannot be disabled "
			       "until it does");
	}
	return atomic_load(&nv->regs.csts);
}

static uint32_t reg_load(struct nvme *nv, uint32_t off) GW_HOLDS(nv->regs.lock)
{
	switch (off) {
	case NVME_REG_CAP:
		return (uint32_t)gw_nvme_cap(nv);
	case NVME_REG_CAP + 4:
		return (uint32_t)(gw_nvme_cap(nv) >> 32);
	case NVME_REG_VS:
		return NVME_VERSION;
	case NVME_REG_INTMS:
	case NVME_REG_INTMC:
		return nv->regs.intm;
	case NVME_REG_CC:
		return nv->regs.cc;
	case NVME_REG_CSTS:
		return status(nv);
	case NVME_REG_AQA:
		return nv->regs.aqa;
	case NVME_REG_ASQ:
		return (uint32_t)nv->regs.asq;
	case NVME_REG_ASQ + 4:
		return (uint32_t)(nv->regs.asq >> 32);
	case NVME_REG_ACQ:
		return (uint32_t)nv->regs.acq;
	case NVME_REG_ACQ + 4:
		return (uint32_t)(nv->regs.acq >> 32);
	}
	if (off >= NVME_BAR_MSIX && off < NVME_BAR_MSIX + sizeof(nv->regs.msix))
		return nv->regs.msix[(off - NVME_BAR_MSIX) / 4];
	return gw_nvme_cmb_reg(nv, off);	/* or reserved; doorbells read as 0 (3.1.24) */
}

static void store_half(uint64_t *reg, bool high, uint32_t val)
{
	if (high)
		*reg = (*reg & 0xffffffffu) | (uint64_t)val << 32;
	else
		*reg = (*reg & ~0xffffffffull) | (val & 0xfffff000u);
}

static void en_falls(struct nvme *nv) GW_HOLDS(nv->regs.lock)
{
	nv->regs.en_fell = true;
	if (!nv->regs.disable_by && atomic_load(&nv->regs.csts) & NVME_CSTS_RDY)
		nv->regs.disable_by = gw_now_ns() + nv->regs.disable_ns;
}

/* Edges are kept: the worker may look only after several writes. */
static bool store_cc(struct nvme *nv, uint32_t val) GW_HOLDS(nv->regs.lock)
{
	uint32_t was = nv->regs.cc;

	nv->regs.cc = val & NVME_CC_WRITABLE;
	if ((was & ~nv->regs.cc) & NVME_CC_EN)
		en_falls(nv);
	if (!NVME_CC_SHN(was) && NVME_CC_SHN(nv->regs.cc))
		nv->regs.shn_rose = true;
	return was != nv->regs.cc;
}

/* Return: the worker must look */
static bool reg_store(struct nvme *nv, uint32_t off, uint32_t val) GW_HOLDS(nv->regs.lock)
{
	switch (off) {
	case NVME_REG_INTMS:
		nv->regs.intm |= val;
		return false;
	case NVME_REG_INTMC:
		nv->regs.intm &= ~val;
		return false;
	case NVME_REG_CC:
		return store_cc(nv, val);
	case NVME_REG_AQA:
		nv->regs.aqa = val & 0x0fff0fffu;
		return false;
	case NVME_REG_ASQ:
	case NVME_REG_ASQ + 4:
		store_half(&nv->regs.asq, off != NVME_REG_ASQ, val);
		return false;
	case NVME_REG_ACQ:
	case NVME_REG_ACQ + 4:
		store_half(&nv->regs.acq, off != NVME_REG_ACQ, val);
		return false;
	case NVME_REG_CMBMSC:
	case NVME_REG_CMBMSC + 4:
		gw_nvme_cmb_control(nv, off, val);
		return false;
	}
	if (off >= NVME_BAR_MSIX && off < NVME_BAR_MSIX + sizeof(nv->regs.msix))
		nv->regs.msix[(off - NVME_BAR_MSIX) / 4] = val;
	return false;
}

static void doorbell_bad(struct nvme *nv, enum nvme_event_error why)
{
	atomic_fetch_or(&nv->regs.bad_doorbells, 1u << why);
	gw_nvme_wake(nv);
}

/* 3.1.24, 3.1.25; what is wrong is told by an event (5.2.1) and changes nothing */
static void doorbell_store(struct nvme *nv, uint32_t off, uint32_t val)
{
	uint32_t index = (off - NVME_REG_DOORBELLS) / 4;
	struct nvme_doorbell *db;
	uint32_t size;

	if (!(atomic_load(&nv->regs.csts) & NVME_CSTS_RDY))
		return;
	val &= 0xffff;
	if (index / 2 >= NVME_NR_QUEUES)
		return doorbell_bad(nv, NVME_EVENT_BAD_DOORBELL);
	db = &nv->db[index / 2];
	size = atomic_load(index % 2 ? &db->cq_size : &db->sq_size);
	if (!size)
		return doorbell_bad(nv, NVME_EVENT_BAD_DOORBELL);
	if (val >= size)
		return doorbell_bad(nv, NVME_EVENT_BAD_VALUE);
	if (index % 2 == 0) {
		atomic_store(&db->tail, val);
		gw_nvme_wake(nv);
	} else {
		atomic_store(&db->head, val);
		if (atomic_load(&db->head_wanted))
			gw_nvme_wake(nv);
	}
}

int gw_nvme_bar_read(struct gw_endpoint *ep, unsigned int bar, gw_bar_off off, unsigned int width,
		     uint64_t *val)
{
	struct nvme *nv = to_nvme(ep);
	uint32_t at = (uint32_t)off.v;
	uint64_t v;

	*val = 0;
	if (bar || off.v + width > NVME_BAR_SIZE)
		return -EINVAL;
	pthread_mutex_lock(&nv->regs.lock);
	v = reg_load(nv, at & ~3u);
	if (width == 8)
		v |= (uint64_t)reg_load(nv, at + 4) << 32;
	pthread_mutex_unlock(&nv->regs.lock);
	v >>= 8 * (at & 3);
	*val = width == 8 ? v : v & ((1ull << 8 * width) - 1);
	return 0;
}

static void store_dword(struct nvme *nv, uint32_t off, uint32_t val)
{
	bool look;

	if (off >= NVME_REG_DOORBELLS && off < NVME_BAR_MSIX) {
		doorbell_store(nv, off, val);
		return;
	}
	pthread_mutex_lock(&nv->regs.lock);
	look = reg_store(nv, off, val);
	pthread_mutex_unlock(&nv->regs.lock);
	if (look) {
		atomic_store(&nv->ctl.attention, true);
		gw_nvme_wake(nv);
	}
}

int gw_nvme_bar_write(struct gw_endpoint *ep, unsigned int bar, gw_bar_off off,
		      unsigned int width, uint64_t val)
{
	struct nvme *nv = to_nvme(ep);
	uint32_t at = (uint32_t)off.v;

	if (bar || off.v + width > NVME_BAR_SIZE)
		return -EINVAL;
	if (width < 4) {
		gw_log_guest(nv->log, "nvme: %u-byte write to register %#x ignored", width, at);
		return 0;
	}
	store_dword(nv, at, (uint32_t)val);
	if (width == 8)
		store_dword(nv, at + 4, (uint32_t)(val >> 32));
	return 0;
}
