/* SPDX-License-Identifier: BSD-3-Clause */
#include "log_page.h"

#include <string.h>

#include "base/util.h"
#include "admin_data.h"
#include "io.h"

/* Get Log Page (5.14). */

#define LOG_MAX		4096u
#define LOG_RETAIN	(1u << 15)

static void put(uint8_t *page, size_t off, uint64_t val, size_t len)
{
	memcpy(page + off, &val, len);
}

static uint32_t log_errors(struct nvme *nv, nvme_effects admin_effects, uint8_t *page)
{
	uint64_t total = nv->health.nr_errors;
	uint64_t n = total < NVME_NR_ERRORS ? total : NVME_NR_ERRORS, i;

	for (i = 0; i < n; i++) {	/* the newest first */
		const struct nvme_error *e = &nv->error[(total - 1 - i) % NVME_NR_ERRORS];
		uint8_t *at = page + 64 * i;

		put(at, 0, e->count, 8);
		put(at, 8, e->sqid, 2);
		put(at, 10, e->cid, 2);
		put(at, 12, e->status, 2);
		put(at, 14, e->location, 2);
		put(at, 16, e->lba, 8);
		put(at, 24, e->nsid, 4);
	}
	return 64 * NVME_NR_ERRORS;
}

/* Units of 1000 blocks of 512 bytes, rounded up. */
static uint64_t thousands(uint64_t blocks)
{
	return (blocks + 999) / 1000;
}

static uint32_t log_health(struct nvme *nv, nvme_effects admin_effects, uint8_t *page)
{
	const struct nvme_health *h = &nv->health;

	page[0] = h->warning;
	put(page, 1, NVME_TEMPERATURE, 2);
	page[3] = 100;		/* available spare, percent */
	page[4] = 10;		/* its threshold */
	put(page, 32, thousands(h->read_blocks), 8);
	put(page, 48, thousands(h->written_blocks), 8);
	put(page, 64, h->reads, 8);
	put(page, 80, h->writes, 8);
	put(page, 112, h->power_cycles, 8);
	put(page, 128, (gw_now_ns() - h->started) / 3600000000000ull, 8);
	put(page, 160, h->media_errors, 8);
	put(page, 176, h->nr_errors, 8);
	return 512;
}

static uint32_t log_firmware(struct nvme *nv, nvme_effects admin_effects, uint8_t *page)
{
	page[0] = 1;		/* slot 1 is active */
	memcpy(page + 8, NVME_FIRMWARE, 8);
	return 512;
}

static uint32_t log_effects(struct nvme *nv, nvme_effects admin_effects, uint8_t *page)
{
	unsigned int i;

	for (i = 0; i < 256; i++) {
		put(page, 4 * i, admin_effects(i), 4);
		put(page, 1024 + 4 * i, gw_nvme_io_effects(i), 4);
	}
	return 4096;
}

static const struct {
	/* Return: its length */
	uint32_t (*fill)(struct nvme *nv, nvme_effects admin_effects, uint8_t *page);
	bool clears;						/* reading unmasks @event */
	enum nvme_event_type event;
} pages[] = {
	[NVME_LOG_ERROR] = { log_errors, true, NVME_EVENT_ERROR },
	[NVME_LOG_HEALTH] = { log_health, true, NVME_EVENT_HEALTH },
	[NVME_LOG_FIRMWARE] = { log_firmware },
	[NVME_LOG_EFFECTS] = { log_effects },
};

static int check(const struct nvme_sqe *e, uint64_t len, uint64_t off)
{
	uint8_t id = (uint8_t)e->cdw10;

	if (id >= ARRAY_SIZE(pages) || !pages[id].fill)
		return NVME_LOG_INVALID;
	if (off & 3 || len > NVME_MAX_TRANSFER)
		return NVME_INVALID_FIELD;
	/* LPA bit 0 is clear: health information is the controller's, not a namespace's */
	if (e->nsid && e->nsid != NVME_ALL_NAMESPACES)
		return e->nsid == 1 ? NVME_INVALID_FIELD : NVME_INVALID_NAMESPACE;
	return NVME_OK;
}

int gw_nvme_get_log(struct nvme *nv, struct nvme_cmd *cmd, nvme_effects admin_effects)
{
	const struct nvme_sqe *e = &cmd->sqe;
	uint64_t len = ((e->cdw10 >> 16 | (uint64_t)(e->cdw11 & 0xffff) << 16) + 1) * 4;
	uint64_t off = e->cdw12 | (uint64_t)e->cdw13 << 32;
	uint8_t page[LOG_MAX] = { 0 };
	uint8_t id = (uint8_t)e->cdw10;
	uint32_t have;
	int ret = check(e, len, off);

	if (ret)
		return ret;
	have = pages[id].fill(nv, admin_effects, page);
	if (off > have)		/* 5.14: an offset past the end */
		return NVME_INVALID_FIELD;
	if (len > have - off)
		len = have - off;
	if (len)
		ret = gw_nvme_admin_send(nv, cmd, page + off, (uint32_t)len);
	if (!ret && pages[id].clears && !(e->cdw10 & LOG_RETAIN))
		gw_nvme_event_unmask(nv, pages[id].event);
	return ret;
}
