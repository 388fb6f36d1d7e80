/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sharing of device memory, within one process: what an attachment costs once, what a frame costs,
 * and how soon the exporter has its memory back.
 *
 * Usage: bench-share [ROUNDS]
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <gangway/provisioning.h>

#include "base/util.h"
#include "bench.h"

#define FRAME_1080P	(1920u * 1080 * 4)
#define FRAME_4K	(3840u * 2160 * 4)
#define VRAM		(1ull << 30)
#define SHARE		(256ull << 20)
#define EXTENTS		64u		/* the share is scattered */
#define FRAMES		60u		/* a second of them */
#define STEPS		4096u

static const struct gw_share_id pf = { .fn = { 0, 1, 0, 0 }, .pf = { 0, 1, 0, 0 }, .vf = -1 };
static const struct gw_share_id vf = { .fn = { 0, 1, 0, 1 }, .pf = { 0, 1, 0, 0 }, .vf = 0 };

static struct gw_provisioning *table;
static struct gw_exporter *exporter;
static struct gw_export *small, *large;
static struct gw_attachment *idle, *shown;
static struct gw_vram_import *shown_import;
static uint64_t shown_generation;
static struct gw_ranges runs;
static uint8_t *from, *to;
static int bare = -1;

static void let_go(struct gw_importer *imp, struct gw_attachment *a, enum gw_share_why why)
{
	gw_attachment_unmap(a);
}

static void stop(struct gw_importer *imp, struct gw_attachment *a)
{
}

static const struct gw_importer_ops ops = { .invalidate = let_go, .quiesce = stop };
static const struct gw_share_accept vram[] = { { .kind = &gw_share_iov_vram } };
static struct gw_importer importer = { .ops = &ops, .accept = vram, .nr_accept = 1 };

static struct gw_vram_import *map(struct gw_attachment *a)
{
	char reason[GW_SHARE_REASON];
	struct gw_vram_import *im;

	if (gw_provisioning_map(table, a, &im, reason) || !im)
		bench_die("map");
	return im;
}

static struct gw_attachment *attach(struct gw_export *e)
{
	struct gw_attachment *a;

	if (gw_attach(e, &importer, &a, NULL))
		bench_die("attach");
	return a;
}

static void attach_and_map(void)
{
	struct gw_attachment *a = attach(small);

	gw_vram_import_put(map(a));
	gw_attachment_detach(a);
}

static void copy_1080p(void)
{
	memcpy(to, from, FRAME_1080P);
}

/* The importer has it mapped, and lets go when it is told; mapping again is not counted. */
static uint64_t revoke_idle(void)
{
	uint64_t begun, took = 0;

	for (unsigned int i = 0; i < BENCH_ONCES; i++) {
		if (gw_attachment_map(idle))
			bench_die("map");
		begun = gw_now_ns();
		if (gw_exporter_revoke(exporter))
			bench_die("revoke");
		took += gw_now_ns() - begun;
		if (gw_exporter_rearm(exporter))
			bench_die("rearm");
	}
	return took / BENCH_ONCES;
}

/* What telling anybody costs at least: one eventfd written, and read. */
static void bare_eventfd(void)
{
	uint64_t v = 1;

	if (write(bare, &v, sizeof(v)) != sizeof(v) || read(bare, &v, sizeof(v)) != sizeof(v))
		bench_die("eventfd");
}

static uint64_t cursor_next(void)
{
	struct gw_cursor c;
	struct gw_run run;
	uint64_t sum = 0, begun;

	gw_cursor_init(&c, &runs);
	begun = gw_now_ns();
	while (gw_cursor_next(&c, UINT64_MAX, &run))
		sum += run.size;
	begun = gw_now_ns() - begun;
	if (sum != STEPS * 4096ull)
		bench_die("cursor");
	return begun;
}

/* The same list as an array of addresses and lengths, walked in a loop. */
static uint64_t array_walk(void)
{
	static struct gw_run array[STEPS];
	volatile uint64_t sum = 0;
	uint64_t begun;

	for (unsigned int i = 0; i < STEPS; i++)
		array[i] = (struct gw_run){ i * 8192ull, 4096 };
	begun = gw_now_ns();
	for (unsigned int i = 0; i < STEPS; i++)
		sum = sum + array[i].size;
	return gw_now_ns() - begun;
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

/*
 * A second of frames, both sides: the exporter says that there is one, the importer sees it, looks
 * whether what it has is still valid, finds its first piece, and says that it is done.
 */
static uint64_t frames(void)
{
	struct gw_fence *there, *done;
	struct gw_vram_cursor c;
	struct gw_vram_run run;
	uint64_t begun, v;

	if (!shown_import) {
		shown_import = map(shown);
		shown_generation = gw_attachment_generation(shown);
	}
	there = gw_attachment_fence(shown, GW_FENCE_FRAME);
	done = gw_attachment_fence(shown, GW_FENCE_DONE);
	begun = cpu_ns();
	for (unsigned int i = 0; i < FRAMES; i++) {
		gw_export_frame(large);
		if (read(gw_fence_fd(there), &v, sizeof(v)) != sizeof(v) ||
		    !gw_attachment_valid(shown, shown_generation) ||
		    !gw_vram_import_valid(shown_import))
			bench_die("frame");
		gw_vram_cursor_init(&c, gw_vram_import_ranges(shown_import));
		gw_vram_cursor_next(&c, UINT64_MAX, &run);
		gw_fence_signal(done);
	}
	begun = cpu_ns() - begun;
	gw_vram_import_put(shown_import);
	shown_import = NULL;
	gw_attachment_unmap(shown);
	return begun;
}

static uint64_t copy_frames(void)
{
	uint64_t begun = cpu_ns();

	for (unsigned int i = 0; i < FRAMES; i++)
		memcpy(to, from, FRAME_4K);
	return cpu_ns() - begun;
}

static void build(void)
{
	const struct gw_exporter_options opt = { .id = vf, .vm = "bench", .bar_size = { SHARE } };
	struct gw_bar_range one = { { 0 }, FRAME_1080P }, all = { { 0 }, FRAME_4K };
	struct gw_vram_extent extent[EXTENTS];

	one.size = (one.size + 4095) & ~4095ull;
	all.size = (all.size + 4095) & ~4095ull;
	for (unsigned int i = 0; i < EXTENTS; i++)
		extent[i] = (struct gw_vram_extent){ { (EXTENTS - i) * (SHARE / EXTENTS) * 2 },
						     SHARE / EXTENTS };
	importer.id = pf;
	if (gw_provisioning_new(&pf, 0, 1, VRAM, NULL, &table) ||
	    gw_provisioning_set(table, 0, SHARE, extent, EXTENTS) ||
	    gw_exporter_new(&opt, &exporter) || gw_export_new(exporter, 0, &one, 1, &small) ||
	    gw_export_new(exporter, 0, &all, 1, &large))
		bench_die("export");
	idle = attach(small);
	shown = attach(large);
	gw_ranges_init(&runs, GW_RANGES_EXTENTS, STEPS);
	for (unsigned int i = 0; i < STEPS; i++)
		if (gw_ranges_add(&runs, i * 8192ull, 4096, 0))
			bench_die("ranges");
	from = malloc(FRAME_4K);
	to = malloc(FRAME_4K);
	bare = eventfd(0, 0);
	if (!from || !to || bare < 0)
		bench_die("memory");
	memset(from, 1, FRAME_4K);
	memset(to, 2, FRAME_4K);
}

static void finish(void)
{
	gw_attachment_detach(idle);
	gw_attachment_detach(shown);
	gw_export_free(small);
	gw_export_free(large);
	gw_exporter_free(exporter);
	gw_provisioning_free(table);
	gw_ranges_fini(&runs);
	free(from);
	free(to);
	close(bare);
}

int main(int argc, char **argv)
{
	unsigned int rounds = bench_rounds(argc, argv, 0, "bench-share [ROUNDS]");

	bench_pin(BENCH_CALLER);
	build();
	bench_pair_run(&(struct bench_pair){ .name = "share/attach-map-1080p", .unit = "us",
		.peer = "copying that frame in RAM", .ours.once = attach_and_map,
		.theirs.once = copy_1080p, .per = 1e3 }, rounds);
	bench_pair_run(&(struct bench_pair){ .name = "share/revoke-idle", .unit = "us",
		.peer = "an eventfd written and read", .ours.round = revoke_idle,
		.theirs.once = bare_eventfd, .per = 1e3 }, rounds);
	bench_pair_run(&(struct bench_pair){ .name = "share/cursor-next", .unit = "ns",
		.peer = "a loop over an array", .ours.round = cursor_next,
		.theirs.round = array_walk, .per = STEPS }, rounds);
	bench_pair_run(&(struct bench_pair){ .name = "share/frame-4k", .unit = "% core",
		.peer = "copying 60 frames a second", .ours.round = frames,
		.theirs.round = copy_frames, .per = 1e7 }, rounds);
	finish();
	return 0;
}
