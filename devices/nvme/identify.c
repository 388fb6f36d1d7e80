/* SPDX-License-Identifier: BSD-3-Clause */
#include "identify.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "admin_data.h"

/* Identify (5.15). */

#define PAGE		4096u
#define CONTROLLER_ID	0u
/*
 * A host waits so long for a shutdown, which flushes the backing file. Without it Linux gives up
 * after 5 s, and a busy disk takes longer; it believes in a minute at most.
 */
#define RTD3E_US	60000000u

static void put(uint8_t *page, size_t off, uint64_t val, size_t len)
{
	memcpy(page + off, &val, len);
}

/* ASCII fields are padded with spaces (1.5). */
static void put_text(uint8_t *page, size_t off, const char *text, size_t len)
{
	size_t n = strlen(text);

	memset(page + off, ' ', len);
	memcpy(page + off, text, n < len ? n : len);
}

static void fill_controller_head(struct nvme *nv, uint8_t *page)
{
	char serial[21];

	snprintf(serial, sizeof(serial), "GW%016" PRIX64, nv->serial);
	put(page, 0, nv->ep.desc.vendor, 2);
	put(page, 2, nv->ep.desc.subvendor, 2);
	put_text(page, 4, serial, 20);
	put_text(page, 24, "gangway NVMe disk", 40);
	put_text(page, 64, NVME_FIRMWARE, 8);
	page[72] = 4;				/* RAB: 16 commands a burst */
	page[77] = NVME_MDTS;
	put(page, 78, CONTROLLER_ID, 2);
	put(page, 80, NVME_VERSION, 4);
	put(page, 88, RTD3E_US, 4);
	page[111] = 1;				/* CNTRLTYPE: I/O controller */
}

static void fill_controller(struct nvme *nv, uint8_t *page)
{
	fill_controller_head(nv, page);
	put(page, 256, 1u << 8, 2);		/* OACS: Doorbell Buffer Config */
	page[258] = NVME_NR_ABORTS - 1;
	page[259] = NVME_NR_EVENT_REQUESTS - 1;
	page[260] = 1 | 1 << 1;			/* FRMW: one slot, read-only */
	page[261] = 1 << 1 | 1 << 2;		/* LPA: effects log, offsets and long lengths */
	page[262] = NVME_NR_ERRORS - 1;
	put(page, 266, NVME_TEMPERATURE_OVER, 2);			/* WCTEMP, CCTEMP */
	put(page, 268, 373, 2);
	page[512] = 0x66;			/* SQES, CQES: the required sizes only */
	page[513] = 0x44;
	put(page, 516, 1, 4);			/* NN */
	/* ONCS: Compare, Dataset Management, Write Zeroes, Save and Select, Timestamp */
	put(page, 520, 1 << 0 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 6, 2);
	page[525] = 1 | 3 << 1;			/* VWC: present, flushes all namespaces */
	/* SGLS: any alignment, bit bucket, may be longer than the data */
	put(page, 536, 1 | 1 << 16 | 1 << 18, 4);
	snprintf((char *)page + 768, 256,
		 "nqn.2014-08.org.nvmexpress:uuid:67616e67-7761-4479-%04x-%012" PRIx64,
		 (unsigned int)(nv->serial >> 48), nv->serial & (UINT64_MAX >> 16));
	put(page, 2048, 2500, 2);		/* PSD0: 25 W */
}

static void put_guid(struct nvme *nv, uint8_t *at)
{
	memcpy(at, "gangway", 8);
	put(at, 8, __builtin_bswap64(nv->serial), 8);
}

static void fill_namespace(struct nvme *nv, uint8_t *page)
{
	uint64_t blocks = nv->back.size >> nv->block_bits;

	put(page, 0, blocks, 8);		/* NSZE, NCAP, NUSE */
	put(page, 8, blocks, 8);
	put(page, 16, blocks, 8);
	/* DLFEAT: deallocated blocks read as zeroes, Write Zeroes can deallocate */
	page[33] = nv->back.no_punch ? 0 : 1 | 1 << 3;
	put_guid(nv, page + 104);
	page[130] = (uint8_t)nv->block_bits;	/* LBAF0: no metadata */
}

static int cns_namespace(struct nvme *nv, struct nvme_cmd *cmd, uint8_t *page)
{
	/* all namespaces: only with namespace management, which is not offered */
	if (cmd->sqe.nsid != 1)
		return NVME_INVALID_NAMESPACE;
	fill_namespace(nv, page);
	return NVME_OK;
}

static int cns_controller(struct nvme *nv, struct nvme_cmd *cmd, uint8_t *page)
{
	fill_controller(nv, page);
	return NVME_OK;
}

/* Those above NSID; its two highest values are not possible here. */
static int cns_list(struct nvme *nv, struct nvme_cmd *cmd, uint8_t *page)
{
	if (cmd->sqe.nsid >= NVME_ALL_NAMESPACES - 1)
		return NVME_INVALID_NAMESPACE;
	if (!cmd->sqe.nsid)
		put(page, 0, 1, 4);
	return NVME_OK;
}

static int cns_descriptors(struct nvme *nv, struct nvme_cmd *cmd, uint8_t *page)
{
	if (cmd->sqe.nsid != 1)
		return NVME_INVALID_NAMESPACE;
	page[0] = 2;				/* NGUID */
	page[1] = 16;
	put_guid(nv, page + 4);
	return NVME_OK;
}

static int cns_controllers(struct nvme *nv, struct nvme_cmd *cmd, uint8_t *page)
{
	uint16_t from = (uint16_t)(cmd->sqe.cdw10 >> 16);

	if ((uint8_t)cmd->sqe.cdw10 == 0x12 && cmd->sqe.nsid != 1)
		return NVME_INVALID_NAMESPACE;
	if (from <= CONTROLLER_ID) {
		put(page, 0, 1, 2);
		put(page, 2, CONTROLLER_ID, 2);
	}
	return NVME_OK;
}

static int (*const pages[])(struct nvme *nv, struct nvme_cmd *cmd, uint8_t *page) = {
	[0x00] = cns_namespace,
	[0x01] = cns_controller,
	[0x02] = cns_list,
	[0x03] = cns_descriptors,
	[0x10] = cns_list,			/* allocated is attached here */
	[0x11] = cns_namespace,
	[0x12] = cns_controllers,
	[0x13] = cns_controllers,
};

int gw_nvme_identify(struct nvme *nv, struct nvme_cmd *cmd)
{
	uint8_t page[PAGE] = { 0 };
	uint8_t cns = (uint8_t)cmd->sqe.cdw10;
	int ret;

	if (cns >= ARRAY_SIZE(pages) || !pages[cns])
		return NVME_INVALID_FIELD;
	ret = pages[cns](nv, cmd, page);
	return ret ? ret : gw_nvme_admin_send(nv, cmd, page, sizeof(page));
}
