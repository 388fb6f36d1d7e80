/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <inttypes.h>
#include <string.h>

#include "base/util.h"
#include "host/sim/host.h"

/*
 * How it works: a table says what an option is called, which values it takes, and whether it is
 * fixed once a function is open. A value is kept as a number in the host, 0 if it was not set, and
 * read where it matters, by any thread. gw_sim_limits() makes the DART's limits of those that are
 * limits.
 */

#define KIB	1024ull
#define MIB	(1024 * KIB)
#define GIB	(1024 * MIB)
#define TIB	(1024 * GIB)

struct option {
	const char *key;
	enum gw_sim_option id;
	bool limit;			/* fixed once a function is open */
	bool on_off, pow2;
	uint64_t min, max;
};

static const struct option options[] = {
	{ "granule", GW_SIM_GRANULE, .limit = true, .pow2 = true, .min = 4 * KIB, .max = 2 * MIB },
	{ "max-bytes", GW_SIM_MAX_BYTES, .limit = true, .min = 4 * KIB, .max = 256 * TIB },
	{ "max-maps", GW_SIM_MAX_MAPS, .limit = true, .min = 1, .max = UINT32_MAX },
	{ "max-map-bytes", GW_SIM_MAX_MAP_BYTES, .limit = true, .min = 4 * KIB, .max = 256 * TIB },
	{ "segments", GW_SIM_SEGMENTS, .limit = true, .min = 1, .max = 64 },
	{ "seed", GW_SIM_SEED, .limit = true, .max = INT64_MAX },
	{ "caller-iova", GW_SIM_CALLER_IOVA, .limit = true, .on_off = true },
	{ "base", GW_SIM_BASE, .limit = true, .min = GIB, .max = 128 * TIB },
	{ "call-delay-us", GW_SIM_CALL_DELAY, .max = 10000000 },
	{ "fail-map", GW_SIM_FAIL_MAP, .max = INT64_MAX },
	{ "fail-map-one-in", GW_SIM_FAIL_MAP_ONE_IN, .max = INT64_MAX },
	{ "vanish-after", GW_SIM_VANISH_AFTER, .max = INT64_MAX },
	{ "fail-reset", GW_SIM_FAIL_RESET, .on_off = true },
	{ "fail-reset-after", GW_SIM_FAIL_RESET_AFTER, .max = INT64_MAX },
	{ "lose-irq", GW_SIM_LOSE_IRQ, .max = INT64_MAX },
	{ "irq-storm", GW_SIM_IRQ_STORM, .max = 1000000 },
	{ "old-dext", GW_SIM_OLD_DEXT, .limit = true, .on_off = true },
	{ "no-peers", GW_SIM_NO_PEERS, .limit = true, .on_off = true },
	{ "registry", GW_SIM_REGISTRY, .limit = true, .on_off = true },
	{ "multimedia", GW_SIM_MULTIMEDIA, .limit = true, .on_off = true },
};

bool gw_sim_peers(struct gw_sim *sim)
{
	return !atomic_load(&sim->opt[GW_SIM_NO_PEERS]);
}

const char *gw_sim_options_help(void)
{
	return "granule=SIZE          unit of mapping, a power of two from 4K to 2M (16K)\n"
	       "max-bytes=SIZE        what one function may have mapped (1536M)\n"
	       "max-maps=N            mappings that one function may have (65536)\n"
	       "max-map-bytes=SIZE    largest mapping (1536M)\n"
	       "segments=N            ranges that a mapping is split into, 1 to 64; more than 32\n"
	       "                      cannot be told, and are refused (1)\n"
	       "seed=N                of the addresses handed out (0)\n"
	       "caller-iova=on|off    the caller chooses addresses, as on Linux; then the granule\n"
	       "                      is 4K and bytes are without limit unless set (off)\n"
	       "base=ADDRESS          addresses are handed out from there upwards, alike for each function\n"
	       "                      (at random, from 0x8000000000 on)\n"
	       "no-peers=on|off       the fabric does not let functions reach each other's memory (off)\n"
	       "call-delay-us=N       each call to the host takes this much longer (0)\n"
	       "fail-map=N            the N-th mapping from now on fails (0: none)\n"
	       "fail-map-one-in=N     every N-th mapping fails (0: none)\n"
	       "vanish-after=N        a function is gone after N more calls (0: stays)\n"
	       "fail-reset=on|off     resets fail (off)\n"
	       "fail-reset-after=N    resets fail after N more, of which opening takes one (0: never)\n"
	       "lose-irq=N            every N-th interrupt is told of at the next wait only (0)\n"
	       "irq-storm=N           each interrupt is raised N times (0: once)\n"
	       "old-dext=on|off       its driver extensions know calls 0 to 17 only (off)\n"
	       "registry=on|off       the system says which devices there are, as the IORegistry of\n"
	       "                      macOS does (off)\n"
	       "multimedia=on|off     functions of class 04 can be opened (off)\n";
}

/* A host on which nothing can be mapped is of no use to anyone. */
static void raise_to(struct gw_log *log, const char *key, uint64_t *v, uint64_t granule)
{
	if (*v >= granule)
		return;
	gw_warn(log, "sim: %s=%" PRIu64 " is less than one granule; %" PRIu64 " is used", key, *v,
		granule);
	*v = granule;
}

void gw_sim_limits(struct gw_sim *sim, struct gw_dart_limits *l)
{
	bool caller = atomic_load(&sim->opt[GW_SIM_CALLER_IOVA]);
	static const struct gw_dart_limits apple = {
		.granule = 16 * KIB, .max_bytes = 1536 * MIB, .max_maps = 65536,
		.max_map_bytes = 1536 * MIB,
	};
	/* VFIO type 1: no limit of bytes but the locked memory of the process */
	static const struct gw_dart_limits type1 = {
		.granule = 4 * KIB, .max_bytes = 256 * TIB, .max_maps = 65535,
		.max_map_bytes = 256 * TIB,
	};
	uint64_t v;

	*l = caller ? type1 : apple;
	l->caller_iova = caller;
	if ((v = atomic_load(&sim->opt[GW_SIM_GRANULE])))
		l->granule = v;
	if ((v = atomic_load(&sim->opt[GW_SIM_MAX_BYTES])))
		l->max_bytes = v;
	if ((v = atomic_load(&sim->opt[GW_SIM_MAX_MAPS])))
		l->max_maps = v;
	if ((v = atomic_load(&sim->opt[GW_SIM_MAX_MAP_BYTES])))
		l->max_map_bytes = v;
	v = atomic_load(&sim->opt[GW_SIM_SEGMENTS]);
	l->segments = v ? (uint32_t)v : 1;
	l->seed = atomic_load(&sim->opt[GW_SIM_SEED]);
	l->base = atomic_load(&sim->opt[GW_SIM_BASE]) / l->granule * l->granule;
	raise_to(sim->log, "max-bytes", &l->max_bytes, l->granule);
	raise_to(sim->log, "max-map-bytes", &l->max_map_bytes, l->granule);
}

static int parse_on_off(struct gw_log *log, const char *key, const char *value, uint64_t *v)
{
	*v = !strcmp(value, "on");
	if (*v || !strcmp(value, "off"))
		return 0;
	gw_err(log, "sim: %s=%s: neither on nor off", key, value);
	return -EINVAL;
}

static int parse(struct gw_log *log, const struct option *o, const char *value, uint64_t *v)
{
	if (o->on_off)
		return parse_on_off(log, o->key, value, v);
	if (gw_size_parse(value, v) || *v < o->min || *v > o->max) {
		gw_err(log, "sim: %s=%s: not a number from %" PRIu64 " to %" PRIu64, o->key, value,
		       o->min, o->max);
		return -EINVAL;
	}
	if (o->pow2 && !gw_is_pow2(*v)) {
		gw_err(log, "sim: %s=%s: not a power of two", o->key, value);
		return -EINVAL;
	}
	return 0;
}

/* A count begins when its option is set. */
static void restart_count(struct gw_sim *sim, enum gw_sim_option id) GW_HOLDS(sim->lock)
{
	if (id == GW_SIM_FAIL_MAP)
		atomic_store(&sim->map_calls, 0);
	if (id == GW_SIM_FAIL_MAP_ONE_IN)
		atomic_store(&sim->map_calls_in, 0);
	if (id == GW_SIM_FAIL_RESET_AFTER)
		atomic_store(&sim->resets, 0);
	if (id == GW_SIM_LOSE_IRQ)
		atomic_store(&sim->irq_count, 0);
	for (size_t i = 0; i < sim->nr && id == GW_SIM_VANISH_AFTER; i++)
		atomic_store(&sim->fn[i]->calls, 0);
}

static int set(struct gw_sim *sim, const struct option *o, uint64_t v)
{
	int ret = 0;

	pthread_mutex_lock(&sim->lock);
	if (o->limit && sim->opened) {
		ret = -EBUSY;
	} else {
		restart_count(sim, o->id);
		atomic_store(&sim->opt[o->id], v);
	}
	pthread_mutex_unlock(&sim->lock);
	if (ret)
		gw_err(sim->log, "sim: %s cannot change: a function has been opened", o->key);
	return ret;
}

static void hint_keys(struct gw_log *log)
{
	char keys[512] = "";
	size_t at = 0;

	for (size_t i = 0; i < ARRAY_SIZE(options) && at < sizeof(keys); i++)
		at += (size_t)snprintf(keys + at, sizeof(keys) - at, "%s%s", i ? ", " : "",
				       options[i].key);
	gw_hint(log, "possible are %s", keys);
}

int gw_sim_set_option(struct gw_sim *sim, const char *key, const char *value)
{
	uint64_t v;
	int ret;

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (strcmp(options[i].key, key) != 0)
			continue;
		ret = parse(sim->log, &options[i], value, &v);
		return ret ? ret : set(sim, &options[i], v);
	}
	gw_err(sim->log, "sim: no option \"%s\"", key);
	hint_keys(sim->log);
	return -ENOENT;
}
