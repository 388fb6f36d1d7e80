/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a mapping costs when there are many, and what they all take: one map with its unmap
 * through the daemon while 1k, 16k and 64k others are live, and the daemon's memory beside the
 * guest's at 64k.
 *
 * Usage: bench-growth GANGWAY [ROUNDS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/util.h"
#include "bench.h"
#include "vfio_user/wire.h"

#define PAGE		4096ull
#define PAIRS		100u		/* in one round */
#define MOST		65536u
#define RSS_LIMIT_MIB	24.0

/* Every other page, so that neighbours never merge. */
static uint64_t iova_of(uint64_t n)
{
	return (1 + 2 * n) * PAGE;
}

static void map(struct bench_client *c, int mem, uint64_t n)
{
	struct { uint32_t argsz, flags; uint64_t off, iova, size; } m = { 32, 3, n * PAGE,
									  iova_of(n), PAGE };
	uint8_t none;

	bench_request(c, GW_VU_DMA_MAP, &m, sizeof(m), mem, &none, 0);
}

static void unmap(struct bench_client *c, uint64_t n)
{
	struct { uint32_t argsz, flags; uint64_t iova, size; } m = { 24, 0, iova_of(n), PAGE };
	uint8_t reply[sizeof(m)];

	bench_request(c, GW_VU_DMA_UNMAP, &m, sizeof(m), -1, reply, sizeof(reply));
}

/* Median of an unmap and a map anew of mappings spread over all that are live. */
static uint64_t round_of(struct bench_client *c, int mem, unsigned int live, unsigned int *seed)
{
	uint64_t v[PAIRS], begun, n;

	for (unsigned int i = 0; i < PAIRS; i++) {
		n = (uint64_t)rand_r(seed) % live;
		begun = gw_now_ns();
		unmap(c, n);
		map(c, mem, n);
		v[i] = gw_now_ns() - begun;
	}
	return bench_median(v, PAIRS);
}

/* Anonymous and file pages, without what is shared with the guest. */
static double own_mib(pid_t pid)
{
	char path[64], line[128];
	unsigned long kib, sum = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "r");
	if (!f)
		bench_die(path);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "RssAnon: %lu", &kib) == 1 || sscanf(line, "RssFile: %lu", &kib) == 1)
			sum += kib;
	}
	fclose(f);
	return (double)sum / 1024;
}

int main(int argc, char **argv)
{
	static const char *const args[] = { "sim:probe", "--host-option", "caller-iova=on",
					    "--host-option", "max-maps=65536", NULL };
	static const unsigned int live[] = { 1024, 16384, MOST };
	static const char *const name[] = { "map-growth-1k", "map-growth-16k", "map-growth-64k" };
	unsigned int rounds = bench_rounds(argc, argv, 1, "bench-growth GANGWAY [ROUNDS]"), seed = 1;
	uint64_t times[BENCH_MAX_ROUNDS], base = 0, at, n = 0;
	struct bench_daemon d;
	double mib;
	int mem;

	bench_pin(BENCH_CALLER);
	d = bench_daemon_start(argv[1], args, false);
	mem = memfd_create("bench", MFD_CLOEXEC);
	if (mem < 0 || ftruncate(mem, MOST * PAGE))
		bench_die("memfd");
	for (size_t i = 0; i < ARRAY_SIZE(live); i++) {
		while (n < live[i])
			map(&d.client, mem, n++);
		for (unsigned int r = 0; r < rounds; r++)
			times[r] = round_of(&d.client, mem, live[i], &seed);
		at = bench_median(times, rounds);
		if (!i)
			base = at;
		bench_row_print(&(struct bench_row){ name[i], "us", "the same at 1k", (double)at / 1e3,
						     (double)base / 1e3, (double)base / (double)at, 0 });
	}
	mib = own_mib(d.pid);
	bench_row_print(&(struct bench_row){ "rss-64k", "MiB", "limit", mib, RSS_LIMIT_MIB,
					     RSS_LIMIT_MIB / mib, 0 });
	bench_daemon_stop(&d);
	return 0;
}
