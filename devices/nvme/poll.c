/* SPDX-License-Identifier: BSD-3-Clause */
#include "poll.h"

/*
 * Polls: a host that sends one command after another is back soon after each, so the worker looks
 * for the next one for a while before it sleeps. The host need not ring then, and nothing has to
 * wake the worker.
 *
 * How it works: a look is worth its time as long as sleeping would cost the host more than a tenth
 * of its own: what a wake-up takes on this machine is measured at each, and a look lasts no longer
 * than WORTH of them, nor than a few times what hosts took lately. Looks in vain turn it off for
 * some sleeps, more each time. A host that rings soon after each sleep, so that a look would have
 * spared it that, turns it on again. All looks together take no more than a share of a processor:
 * they spend what time earns.
 */
#define WORTH		9u	/* wake-ups */
#define GAPS		4u	/* what hosts took lately, that many times */
#define WAKE_NS		25000u	/* until one has been seen */
#define WAKE_MAX_NS	500000u	/* longer was not a wake-up's fault */
#define LOOK_MIN_NS	50000u
#define CREDIT_MAX_NS	10000000u
#define MISSES		4u	/* looks in vain before a pause, once one has paid */
#define QUICK		3u	/* sleeps in a row that turn it on */
#define MIN_PAUSE	8u	/* sleeps */
#define MAX_PAUSE	1024u
#define SMOOTH		8u	/* a new value counts one in so many */

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void smooth(uint64_t *mean, uint64_t val)
{
	*mean = *mean ? *mean - *mean / SMOOTH + val / SMOOTH : val;
}

void gw_nvme_poll_init(struct nvme_poll *p, uint64_t max_ns, bool fixed, unsigned int share)
{
	*p = (struct nvme_poll){
		.max_ns = max_ns, .fixed = fixed, .share = share, .wake_ns = WAKE_NS,
		.misses = max_ns ? 1 : 0, .backoff = MIN_PAUSE, .credit_ns = CREDIT_MAX_NS,
	};
}

/* The longest wait for which a look is worth it. */
static uint64_t worth(const struct nvme_poll *p, unsigned int wakeups)
{
	return p->fixed ? p->max_ns : min(p->max_ns, WORTH * wakeups * p->wake_ns);
}

static void earn(struct nvme_poll *p, uint64_t now)
{
	if (p->credited)
		p->credit_ns = min(p->credit_ns + (now - p->credited) / 100 * p->share, CREDIT_MAX_NS);
	p->credited = now;
}

static void spend(struct nvme_poll *p, uint64_t now)
{
	earn(p, now);
	p->credit_ns -= min(p->credit_ns, now - p->begun);
}

uint64_t gw_nvme_poll_begin(struct nvme_poll *p, uint64_t now, unsigned int wakeups)
{
	uint64_t look = worth(p, wakeups);

	p->begun = now;
	if (!p->misses)
		return 0;
	if (!p->fixed && p->gap_ns && GAPS * p->gap_ns < look)
		look = GAPS * p->gap_ns < LOOK_MIN_NS ? min(LOOK_MIN_NS, look) : GAPS * p->gap_ns;
	earn(p, now);
	return p->share < 100 && p->credit_ns < look ? 0 : look;
}

void gw_nvme_poll_paid(struct nvme_poll *p, uint64_t now)
{
	spend(p, now);
	smooth(&p->gap_ns, now - p->begun);
	p->backoff = MIN_PAUSE;
	p->misses = MISSES;
}

static void take_pause(struct nvme_poll *p, bool loaded)
{
	p->misses = 0;
	p->loaded = loaded;
	p->quick = 0;
	p->pause = p->backoff;
	if (p->backoff < MAX_PAUSE)
		p->backoff *= 2;
}

void gw_nvme_poll_failed(struct nvme_poll *p, uint64_t now)
{
	spend(p, now);
	if (!--p->misses)
		take_pause(p, false);
}

void gw_nvme_poll_loaded(struct nvme_poll *p, uint64_t now)
{
	spend(p, now);
	take_pause(p, true);
}

void gw_nvme_poll_slept(struct nvme_poll *p)
{
	if (p->misses || !p->max_ns)
		return;
	if (p->pause) {
		p->pause--;
		return;
	}
	p->misses = 1;
}

void gw_nvme_poll_woken(struct nvme_poll *p, uint64_t now, uint64_t rung, unsigned int wakeups)
{
	uint64_t gap = rung > p->begun ? rung - p->begun : 0;

	smooth(&p->wake_ns, min(now - rung, WAKE_MAX_NS));
	if (p->misses || p->loaded)
		return;
	/* it would have been there sooner by what its own wake-up took */
	gap -= min(gap, (wakeups - 1) * p->wake_ns);
	p->quick = gap < worth(p, wakeups) ? p->quick + 1 : 0;
	if (p->quick < QUICK)
		return;
	p->gap_ns = gap;
	p->misses = MISSES;
}
