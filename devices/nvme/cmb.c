/* SPDX-License-Identifier: BSD-3-Clause */
#include "cmb.h"

#include <errno.h>
#include <string.h>

#include "base/guard.h"
#include "nvme.h"

/*
 * How it works: the buffer is all of BAR 2, which VMMs map. For data only, as queues in memory that
 * the guest writes without a trap would have to be looked at all the time. The host says at which
 * address it sees the BAR; a command's data there is the buffer itself and never goes over the bus.
 * Other functions of the guest's reach it as they do any BAR.
 */
#define UNIT		4096u

static void *memory(struct nvme *nv)
{
	return gw_endpoint_bar_mem(&nv->ep, NVME_BAR_CMB);
}

uint32_t gw_nvme_cmb_reg(struct nvme *nv, uint32_t off) GW_HOLDS(nv->regs.lock)
{
	if (!nv->cmb.size)
		return 0;
	switch (off) {
	case NVME_REG_CMBMSC:
		return (uint32_t)nv->regs.cmbmsc;
	case NVME_REG_CMBMSC + 4:
		return (uint32_t)(nv->regs.cmbmsc >> 32);
	case NVME_REG_CMBLOC:
		return nv->regs.cmbmsc & NVME_CMBMSC_CRE ? NVME_BAR_CMB : 0;
	case NVME_REG_CMBSZ:
		return nv->regs.cmbmsc & NVME_CMBMSC_CRE ?
		       NVME_CMBSZ_RDS | NVME_CMBSZ_WDS | NVME_CMBSZ_SZ(nv->cmb.size / UNIT) : 0;
	}
	return 0;
}

void gw_nvme_cmb_control(struct nvme *nv, uint32_t off, uint32_t val) GW_HOLDS(nv->regs.lock)
{
	const uint64_t on = NVME_CMBMSC_CRE | NVME_CMBMSC_CMSE;

	if (!nv->cmb.size)
		return;
	if (off == NVME_REG_CMBMSC)
		nv->regs.cmbmsc = (nv->regs.cmbmsc & ~0xffffffffull) | (val & (0xfffff000u | on));
	else
		nv->regs.cmbmsc = (nv->regs.cmbmsc & 0xffffffffu) | (uint64_t)val << 32;
	atomic_store(&nv->cmb.base, (nv->regs.cmbmsc & on) == on ? (nv->regs.cmbmsc & ~0xfffull) | 1 : 0);
}

void gw_nvme_cmb_off(struct nvme *nv) GW_HOLDS(nv->regs.lock)
{
	if (!nv->cmb.size)
		return;
	nv->regs.cmbmsc = 0;
	atomic_store(&nv->cmb.base, 0);
	memset(memory(nv), 0, nv->cmb.size);
}

void *gw_nvme_cmb_at(struct nvme *nv, gw_iova at, size_t len)
{
	uint64_t base = atomic_load_explicit(&nv->cmb.base, memory_order_relaxed), off;

	if (!base)
		return NULL;
	off = at.v - (base & ~1ull);
	return off < nv->cmb.size && len <= nv->cmb.size - off ? (uint8_t *)memory(nv) + off : NULL;
}

int gw_nvme_mem_read(struct nvme *nv, gw_iova at, void *buf, size_t len)
{
	const void *mem = gw_nvme_cmb_at(nv, at, len);

	if (!mem)
		return gw_endpoint_dma_read(&nv->ep, at, buf, len);
	return gw_guard_copy(buf, mem, len) ? -EIO : 0;
}

int gw_nvme_mem_write(struct nvme *nv, gw_iova at, const void *buf, size_t len)
{
	void *mem = gw_nvme_cmb_at(nv, at, len);

	if (!mem)
		return gw_endpoint_dma_write(&nv->ep, at, buf, len);
	return gw_guard_copy(mem, buf, len) ? -EIO : 0;
}
