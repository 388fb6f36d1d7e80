/* SPDX-License-Identifier: BSD-3-Clause */
#include "features.h"

#include <string.h>

#include "base/util.h"
#include "admin_data.h"
#include "media.h"
#include "nvme.h"

/*
 * How it works: a table of features, for Set Features and Get Features (5.9, 5.21); the functions
 * of each stand alone. Nothing is saved over power cycles.
 */

#define SET_SAVE	(1u << 31)
#define CHANGEABLE	(1u << 2)

enum select { CURRENT, DEFAULT, SAVED, SUPPORTED };

static int set_plain(uint32_t *field, uint32_t val, uint32_t mask)
{
	*field = val & mask;
	return NVME_OK;
}

static int set_arbitration(struct nvme *nv, struct nvme_cmd *cmd)
{
	return set_plain(&nv->feat.arbitration, cmd->sqe.cdw11, 0xffffff07u);
}

static int get_arbitration(struct nvme *nv, struct nvme_cmd *cmd, bool now)
{
	cmd->result = now ? nv->feat.arbitration : 7;
	return NVME_OK;
}

/* There is one power state (NPSS 0). */
static int set_power(struct nvme *nv, struct nvme_cmd *cmd)
{
	if (cmd->sqe.cdw11 & 0x1f)
		return NVME_INVALID_FIELD;
	return set_plain(&nv->feat.power, cmd->sqe.cdw11, 0xe0);
}

static int get_power(struct nvme *nv, struct nvme_cmd *cmd, bool now)
{
	cmd->result = now ? nv->feat.power : 0;
	return NVME_OK;
}

/* 5.21.1.4: only the composite temperature is there; 15 means all sensors. */
static int set_temperature(struct nvme *nv, struct nvme_cmd *cmd)
{
	uint32_t sensor = cmd->sqe.cdw11 >> 16 & 15, kind = cmd->sqe.cdw11 >> 20 & 3;

	if ((sensor && sensor != 15) || kind > 1)
		return NVME_INVALID_FIELD;
	if (kind)
		nv->feat.temp_under = (uint16_t)cmd->sqe.cdw11;
	else
		nv->feat.temp_over = (uint16_t)cmd->sqe.cdw11;
	gw_nvme_check_temperature(nv);
	return NVME_OK;
}

static int get_temperature(struct nvme *nv, struct nvme_cmd *cmd, bool now)
{
	uint32_t sensor = cmd->sqe.cdw11 >> 16 & 15, kind = cmd->sqe.cdw11 >> 20 & 3;

	if (sensor || kind > 1)
		return NVME_INVALID_FIELD;
	if (kind)
		cmd->result = now ? nv->feat.temp_under : 0;
	else
		cmd->result = now ? nv->feat.temp_over : NVME_TEMPERATURE_OVER;
	return NVME_OK;
}

/* Time limited recovery; reading deallocated blocks is no error here (NSFEAT bit 2 is clear). */
static int set_recovery(struct nvme *nv, struct nvme_cmd *cmd)
{
	if (cmd->sqe.cdw11 & 1u << 16)
		return NVME_INVALID_FIELD;
	return set_plain(&nv->feat.error_recovery, cmd->sqe.cdw11, 0xffff);
}

static int get_recovery(struct nvme *nv, struct nvme_cmd *cmd, bool now)
{
	cmd->result = now ? nv->feat.error_recovery : 0;
	return NVME_OK;
}

/* If the cache is turned off, what it holds is written before this completes. */
static int set_write_cache(struct nvme *nv, struct nvme_cmd *cmd)
{
	uint32_t was = nv->feat.write_cache;

	nv->feat.write_cache = cmd->sqe.cdw11 & 1;
	return was && !nv->feat.write_cache ? gw_nvme_flush(nv, cmd) : NVME_OK;
}

static int get_write_cache(struct nvme *nv, struct nvme_cmd *cmd, bool now)
{
	cmd->result = now ? nv->feat.write_cache : 1;
	return NVME_OK;
}

static uint16_t grant(uint32_t zero_based)
{
	return (uint16_t)(zero_based < NVME_NR_IO_QUEUES ? zero_based + 1 : NVME_NR_IO_QUEUES);
}

static int get_queues(struct nvme *nv, struct nvme_cmd *cmd, bool now)
{
	uint32_t sqs = now ? nv->feat.nr_sqs : NVME_NR_IO_QUEUES;
	uint32_t cqs = now ? nv->feat.nr_cqs : NVME_NR_IO_QUEUES;

	cmd->result = (sqs - 1) | (cqs - 1) << 16;
	return NVME_OK;
}

/* 5.21.1.7 */
static int set_queues(struct nvme *nv, struct nvme_cmd *cmd)
{
	uint32_t sqs = cmd->sqe.cdw11 & 0xffff, cqs = cmd->sqe.cdw11 >> 16;

	if (sqs == 0xffff || cqs == 0xffff)
		return NVME_INVALID_FIELD;
	if (nv->top_sq || nv->top_cq)
		return NVME_SEQUENCE;
	nv->feat.nr_sqs = grant(sqs);
	nv->feat.nr_cqs = grant(cqs);
	return get_queues(nv, cmd, true);
}

static int set_coalescing(struct nvme *nv, struct nvme_cmd *cmd)
{
	return set_plain(&nv->feat.coalescing, cmd->sqe.cdw11, 0xffff);
}

static int get_coalescing(struct nvme *nv, struct nvme_cmd *cmd, bool now)
{
	cmd->result = now ? nv->feat.coalescing : 0;
	return NVME_OK;
}

static int set_vector(struct nvme *nv, struct nvme_cmd *cmd)
{
	uint32_t v = cmd->sqe.cdw11 & 0xffff;

	if (v >= NVME_NR_VECTORS)
		return NVME_INVALID_FIELD;
	nv->feat.no_coalescing[v] = cmd->sqe.cdw11 >> 16 & 1;
	return NVME_OK;
}

static int get_vector(struct nvme *nv, struct nvme_cmd *cmd, bool now)
{
	uint32_t v = cmd->sqe.cdw11 & 0xffff;

	if (v >= NVME_NR_VECTORS)
		return NVME_INVALID_FIELD;
	cmd->result = v | (uint32_t)(now && nv->feat.no_coalescing[v]) << 16;
	return NVME_OK;
}

static int set_atomicity(struct nvme *nv, struct nvme_cmd *cmd)
{
	return set_plain(&nv->feat.atomicity, cmd->sqe.cdw11, 1);
}

static int get_atomicity(struct nvme *nv, struct nvme_cmd *cmd, bool now)
{
	cmd->result = now ? nv->feat.atomicity : 0;
	return NVME_OK;
}

/*
 * Bits of warnings count; the others, which OAES 0 does not announce, only read as they were
 * written.
 */
static int set_events(struct nvme *nv, struct nvme_cmd *cmd)
{
	return set_plain(&nv->feat.events, cmd->sqe.cdw11, 0xff);
}

static int get_events(struct nvme *nv, struct nvme_cmd *cmd, bool now)
{
	cmd->result = now ? nv->feat.events : 0;
	return NVME_OK;
}

#define TIME_MASK	0xffffffffffffull

/* 5.21.1.14: milliseconds, kept running here */
static int set_timestamp(struct nvme *nv, struct nvme_cmd *cmd)
{
	uint64_t val;
	int ret = gw_nvme_admin_recv(nv, cmd, &val, sizeof(val));

	if (ret)
		return ret;
	nv->feat.time_base = val & TIME_MASK;
	nv->feat.time_set = gw_now_ns();
	nv->feat.time_by_host = true;
	return NVME_OK;
}

static int get_timestamp(struct nvme *nv, struct nvme_cmd *cmd, bool now)
{
	uint64_t val = 0;

	if (now) {
		val = nv->feat.time_base + (gw_now_ns() - nv->feat.time_set) / 1000000;
		val &= TIME_MASK;
		val |= (uint64_t)nv->feat.time_by_host << 49;	/* origin */
	}
	return gw_nvme_admin_send(nv, cmd, &val, sizeof(val));
}

static const struct {
	int (*set)(struct nvme *nv, struct nvme_cmd *cmd);
	int (*get)(struct nvme *nv, struct nvme_cmd *cmd, bool now);
} features[] = {
	[NVME_FEAT_ARBITRATION] = { set_arbitration, get_arbitration },
	[NVME_FEAT_POWER] = { set_power, get_power },
	[NVME_FEAT_TEMPERATURE] = { set_temperature, get_temperature },
	[NVME_FEAT_ERROR_RECOVERY] = { set_recovery, get_recovery },
	[NVME_FEAT_WRITE_CACHE] = { set_write_cache, get_write_cache },
	[NVME_FEAT_QUEUES] = { set_queues, get_queues },
	[NVME_FEAT_COALESCING] = { set_coalescing, get_coalescing },
	[NVME_FEAT_VECTOR] = { set_vector, get_vector },
	[NVME_FEAT_ATOMICITY] = { set_atomicity, get_atomicity },
	[NVME_FEAT_EVENTS] = { set_events, get_events },
	[NVME_FEAT_TIMESTAMP] = { set_timestamp, get_timestamp },
};

static bool feature_known(uint32_t fid)
{
	return fid < ARRAY_SIZE(features) && features[fid].set;
}

int gw_nvme_set_features(struct nvme *nv, struct nvme_cmd *cmd)
{
	uint32_t fid = cmd->sqe.cdw10 & 0xff;

	if (!feature_known(fid))
		return NVME_INVALID_FIELD;
	if (cmd->sqe.cdw10 & SET_SAVE)
		return NVME_NOT_SAVEABLE;
	/* all of them are the controller's */
	if (cmd->sqe.nsid && cmd->sqe.nsid != NVME_ALL_NAMESPACES)
		return cmd->sqe.nsid == 1 ? NVME_NOT_NAMESPACE : NVME_INVALID_NAMESPACE;
	return features[fid].set(nv, cmd);
}

int gw_nvme_get_features(struct nvme *nv, struct nvme_cmd *cmd)
{
	uint32_t fid = cmd->sqe.cdw10 & 0xff, select = cmd->sqe.cdw10 >> 8 & 7;

	if (!feature_known(fid) || select > SUPPORTED)
		return NVME_INVALID_FIELD;
	if (cmd->sqe.nsid > 1 && cmd->sqe.nsid != NVME_ALL_NAMESPACES)
		return NVME_INVALID_NAMESPACE;
	if (select == SUPPORTED) {
		cmd->result = CHANGEABLE;
		return NVME_OK;
	}
	/* what was never saved is the default (5.9) */
	return features[fid].get(nv, cmd, select == CURRENT);
}
