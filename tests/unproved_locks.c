/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What tests/locks must refuse: a line with an error says so, and clang has to find one there and nowhere else. It is
 * compiled by nothing else.
 */
#include "base/gate.h"

struct counter {
	pthread_mutex_t lock;
	struct gw_gate gate;
	unsigned int nr GW_GUARDED_BY(lock), passed GW_GUARDED_BY(gate);
};

static void count(struct counter *c) GW_HOLDS(c->lock)
{
	c->nr++;
}

void right(struct counter *c)
{
	pthread_mutex_lock(&c->lock);
	count(c);
	pthread_mutex_unlock(&c->lock);
	gw_gate_lock(&c->gate);
	c->passed++;
	gw_gate_unlock(&c->gate);
}

void makes_them(struct counter *c)
{
	pthread_mutex_init(&c->lock, NULL);
	gw_gate_init(&c->gate);
	c->nr = c->passed = 0;
}

void is_the_last_to_have_it(struct counter *c, unsigned int *nr)
{
	GW_ALONE(c->lock);
	*nr = c->nr;
	*nr += c->passed;	/* error */
}

void only_reads_with_the_other_lock(struct counter *c, unsigned int *nr)
{
	GW_READABLE(c->lock);
	*nr = c->nr;
	c->nr = 0;	/* error */
}

void writes_before_there_is_a_lock(struct counter *c)
{
	c->nr = 0;	/* error */
	pthread_mutex_init(&c->lock, NULL);
}

void reads_without_the_lock(struct counter *c, unsigned int *nr)
{
	*nr = c->nr;	/* error */
}

void calls_without_the_lock(struct counter *c)
{
	count(c);	/* error */
}

int keeps_the_lock_on_one_way_out(struct counter *c)
{
	pthread_mutex_lock(&c->lock);
	if (!c->nr)
		return -1;
	pthread_mutex_unlock(&c->lock);
	return 0;
}	/* error */

void takes_it_twice(struct counter *c)
{
	pthread_mutex_lock(&c->lock);
	pthread_mutex_lock(&c->lock);	/* error */
	pthread_mutex_unlock(&c->lock);
}

void writes_with_another_lock(struct counter *c)
{
	pthread_mutex_lock(&c->lock);
	c->passed = 0;	/* error */
	pthread_mutex_unlock(&c->lock);
}
