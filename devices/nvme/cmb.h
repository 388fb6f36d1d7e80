/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_NVME_CMB_H
#define DEVICES_NVME_CMB_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <gangway/endpoint.h>

struct nvme;

/** struct nvme_cmb - the controller memory buffer (NVMe 1.4, 3.1.11 and 4.8) */
struct nvme_cmb {
	uint64_t size;			/* 0: there is none; fixed */
	_Atomic uint64_t base;		/* where commands address it; bit 0: they may */
};

/** gw_nvme_cmb_reg() - CMBLOC, CMBSZ, CMBMSC; 0 where there is none. Under the registers' lock */
uint32_t gw_nvme_cmb_reg(struct nvme *nv, uint32_t off);

/** gw_nvme_cmb_control() - half of CMBMSC was written. Likewise */
void gw_nvme_cmb_control(struct nvme *nv, uint32_t off, uint32_t val);

/** gw_nvme_cmb_off() - as after power-on: nobody reaches it, and nothing is in it. Likewise */
void gw_nvme_cmb_off(struct nvme *nv);

/**
 * gw_nvme_cmb_at() - where a piece of a command's data is, if all of it is in the buffer; else NULL
 */
void *gw_nvme_cmb_at(struct nvme *nv, gw_iova at, size_t len);

/** gw_nvme_mem_read() - as gw_endpoint_dma_read(), for what commands address: the buffer, too */
int gw_nvme_mem_read(struct nvme *nv, gw_iova at, void *buf, size_t len);

/** gw_nvme_mem_write() - likewise */
int gw_nvme_mem_write(struct nvme *nv, gw_iova at, const void *buf, size_t len);

#endif
