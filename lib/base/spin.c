/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/spin.h"

#include <sched.h>

#include "base/util.h"

/*
 * How it works: a stream of quick messages is served without a look at the clock. A wait that is
 * not over after some tries yields the processor: if that takes long, others want it, and then
 * sleeping is both kinder and quicker, as the scheduler prefers a thread that wakes to one that
 * yields. Being preempted counts as a wait in vain and no more, because the client waits for us all
 * the same.
 */

#define SPIN_MAX_US	1000u		/* longer than this, sleeping is always cheaper */
#define SPIN_TRIES	64u		/* between two looks at the clock: about 10 us */
#define SPIN_MISSES	4u		/* waits in vain in a row before we stop for a while */
#define SPIN_GAP_NS	50000u		/* without the processor: others want it */
#define SPIN_OFF_MIN_NS	1000000u
#define SPIN_OFF_MAX_NS	128000000u

void gw_spin_init(struct gw_spin *s, unsigned int limit_us)
{
	if (limit_us > SPIN_MAX_US)
		limit_us = SPIN_MAX_US;
	*s = (struct gw_spin){ .limit_ns = limit_us * 1000ull, .off_ns = SPIN_OFF_MIN_NS };
}

static bool spin_off(struct gw_spin *s, uint64_t now)
{
	s->misses = 0;
	s->off_until = now + s->off_ns;
	if (s->off_ns < SPIN_OFF_MAX_NS)
		s->off_ns *= 2;
	return false;
}

bool gw_spin_begin(struct gw_spin *s)
{
	uint64_t now;

	if (!s->limit_ns)
		return false;
	now = gw_now_ns();
	if (now < s->off_until)
		return false;
	s->begun = s->seen = now;
	s->tries = 0;
	return true;
}

static bool spin_miss(struct gw_spin *s, uint64_t now)
{
	return ++s->misses < SPIN_MISSES ? false : spin_off(s, now);
}

bool gw_spin_again(struct gw_spin *s)
{
	uint64_t now;

	if (++s->tries % SPIN_TRIES)
		return true;
	now = gw_now_ns();
	if (now - s->seen > SPIN_GAP_NS || now - s->begun > s->limit_ns)
		return spin_miss(s, now);
	sched_yield();
	s->seen = gw_now_ns();
	return s->seen - now > SPIN_GAP_NS ? spin_off(s, s->seen) : true;
}

void gw_spin_hit(struct gw_spin *s)
{
	s->misses = 0;
	s->off_ns = SPIN_OFF_MIN_NS;
}
