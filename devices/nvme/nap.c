/* SPDX-License-Identifier: BSD-3-Clause */
#include "nap.h"

/*
 * Naps: while a host keeps many commands coming, the worker sleeps a moment without asking to be
 * woken, and takes what has gathered. The host need not ring, and one interrupt tells of all.
 *
 * Only a host that has more to do meanwhile gains: one that waits for what it has sent loses the
 * rest of the nap. It waits when as many commands are under way as it ever sends, and that is the
 * most that a long nap brings. So one nap of a round is a long one, to learn that number, and the
 * others aim at no more than half of it.
 */
#define NAP_MIN_NS	20000u
#define NAP_MAX_NS	2000000u
#define TRY_NS		500000u
#define LONG		3u		/* times the others */
#define ROUND		32u		/* naps; what is known is of this one and the last */
#define DEPTH_MIN	6u		/* commands under way that make naps worth their wake-ups */
#define POOR		3u		/* commands that do not pay for one */
#define POOR_NAPS	8u		/* in a row: stop at once */
#define AIM_MAX		12u		/* the first of more would wait long */
#define IDLE_NS		10000000u	/* nothing at all in so long: sleep */
#define MIN_PAUSE_NS	16000000u	/* between tries */
#define MAX_PAUSE_NS	512000000u

void gw_nvme_nap_init(struct nvme_nap *n)
{
	*n = (struct nvme_nap){ .ns = TRY_NS, .pause_ns = MIN_PAUSE_NS };
}

/* @shallow: the host would wait; else it has nothing to do, and may come back with much */
static void nap_stop(struct nvme_nap *n, uint64_t now, bool shallow)
{
	*n = (struct nvme_nap){
		.ns = TRY_NS,
		.not_before = now + n->pause_ns,
		.pause_ns = shallow && n->pause_ns < MAX_PAUSE_NS ? 2 * n->pause_ns : n->pause_ns,
	};
}

static uint64_t clamp(uint64_t val, uint64_t min, uint64_t max)
{
	return val < min ? min : val > max ? max : val;
}

/* As long as it would have taken to bring what is aimed at, in steps of at most two. */
static void nap_resize(struct nvme_nap *n, uint64_t got, uint64_t depth)
{
	uint64_t aim = clamp(depth / 2, 1, AIM_MAX);

	n->ns = clamp(n->slept_ns * aim / got, n->ns / 2, 2 * n->ns);
	n->ns = clamp(n->ns, NAP_MIN_NS, NAP_MAX_NS);
}

static void judge(struct nvme_nap *n, uint64_t got, uint64_t now)
{
	uint64_t depth;

	if (!got) {
		n->idle_ns += n->slept_ns;
		if (n->idle_ns >= IDLE_NS)
			nap_stop(n, now, false);
		return;
	}
	n->idle_ns = 0;
	n->most = got > n->most ? got : n->most;
	depth = n->most > n->most_before ? n->most : n->most_before;
	n->poor = got < POOR ? n->poor + 1 : 0;
	if (n->poor == POOR_NAPS || (depth < DEPTH_MIN && (!n->on || n->nr == ROUND - 1))) {
		nap_stop(n, now, true);
		return;
	}
	n->on = true;
	nap_resize(n, got, depth);
	if (++n->nr == ROUND) {
		n->pause_ns = MIN_PAUSE_NS;
		n->most_before = n->most;
		n->nr = n->most = 0;
	}
}

bool gw_nvme_nap_wanted(struct nvme_nap *n, uint64_t commands, uint64_t now)
{
	if (n->judging) {
		n->judging = false;
		judge(n, commands - n->before, now);
	}
	return now >= n->not_before;
}

uint64_t gw_nvme_nap_begin(struct nvme_nap *n, uint64_t commands)
{
	n->judging = true;
	n->before = commands;
	n->slept_ns = n->nr ? n->ns : clamp(LONG * n->ns, 0, NAP_MAX_NS);
	return n->slept_ns;
}

void gw_nvme_nap_cut(struct nvme_nap *n)
{
	n->judging = false;
}
