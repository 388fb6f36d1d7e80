/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "../../devices/nvme/nvme.h"

/*
 * A model of a host with one processor: it keeps up to @depth commands under way, and needs @each
 * ns to send one and take its completion. The controller needs no time. It sleeps, and is rung
 * for, or naps.
 */
struct model {
	uint64_t now, busy_until;
	unsigned int depth;
	uint64_t each;
	unsigned int queued;		/* sent, not taken by the controller */
	uint64_t commands, rings;
};

/* The host works until @until, or until it has to wait. */
static void host_works(struct model *m, uint64_t until)
{
	while (m->queued < m->depth && m->busy_until + m->each <= until) {
		m->busy_until += m->each;
		m->queued++;
	}
	if (m->queued == m->depth)
		m->busy_until = until;	/* waits */
	m->now = until;
}

static void controller_takes(struct model *m)
{
	m->commands += m->queued;
	m->queued = 0;
}

/* Run for a second of the model's time, from the state that @n has at @now. */
static struct model run(struct nvme_nap *n, uint64_t now, unsigned int depth, uint64_t each)
{
	struct model m = { .now = now, .busy_until = now, .depth = depth, .each = each };

	while (m.now < now + 1000000000u) {
		if (gw_nvme_nap_wanted(n, m.commands, m.now)) {
			host_works(&m, m.now + gw_nvme_nap_begin(n, m.commands));
		} else {
			host_works(&m, m.busy_until + each);
			m.rings++;
		}
		controller_takes(&m);
	}
	return m;
}

static void expect_speed(const struct model *m, unsigned int percent)
{
	assert_true(m->commands * m->each >= 10000000u * percent);
}

static void a_deep_queue_is_not_rung_for_and_not_slowed(void **state)
{
	static const uint64_t each[] = { 2000, 10000, 30000, 64000, 130000, 200000 };

	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
		struct nvme_nap n;
		struct model m;

		gw_nvme_nap_init(&n);
		m = run(&n, 0, 32, each[i]);
		expect_speed(&m, 97);
		assert_true(m.rings * 100 < m.commands);
	}
}

static void one_at_a_time_is_hardly_slowed(void **state)
{
	static const uint64_t each[] = { 5000, 64000, 300000 };

	for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
		struct nvme_nap n;
		struct model m;

		gw_nvme_nap_init(&n);
		m = run(&n, 0, 1, each[i]);
		expect_speed(&m, 99);
	}
}

static void a_shallow_queue_keeps_most_of_its_speed(void **state)
{
	for (unsigned int depth = 2; depth <= 16; depth++) {
		struct nvme_nap n;
		struct model m;

		gw_nvme_nap_init(&n);
		m = run(&n, 0, depth, 64000);
		expect_speed(&m, 95);
	}
}

static void a_host_that_changes_is_followed(void **state)
{
	struct model m = { 0 };
	struct nvme_nap n;

	gw_nvme_nap_init(&n);
	for (unsigned int i = 0; i < 3; i++) {
		m = run(&n, m.now, 32, 64000);
		expect_speed(&m, 95);
		m = run(&n, m.now, 1, 64000);
		expect_speed(&m, 95);
	}
}

static void a_host_that_sends_nothing_is_given_up(void **state)
{
	struct nvme_nap n;
	uint64_t now = 0;

	gw_nvme_nap_init(&n);
	while (gw_nvme_nap_wanted(&n, 0, now)) {
		now += gw_nvme_nap_begin(&n, 0);
		assert_true(now < 20000000);
	}
	assert_false(gw_nvme_nap_wanted(&n, 0, now + 10000000));
	assert_true(gw_nvme_nap_wanted(&n, 0, now + 20000000));
}

static void a_nap_that_was_cut_does_not_count(void **state)
{
	struct nvme_nap n;

	gw_nvme_nap_init(&n);
	for (unsigned int i = 0; i < 1000; i++) {
		assert_true(gw_nvme_nap_wanted(&n, i, 0));
		assert_int_equal(gw_nvme_nap_begin(&n, i), 1500000);
		gw_nvme_nap_cut(&n);
	}
}

/* ---- nap by nap: the numbers are those of nap.c ---- */

#define MS	1000000u

struct sleeper {
	struct nvme_nap n;
	uint64_t now, commands;
};

static struct sleeper sleeper(void)
{
	struct sleeper s = { 0 };

	gw_nvme_nap_init(&s.n);
	return s;
}

static bool wanted(struct sleeper *s)
{
	return gw_nvme_nap_wanted(&s->n, s->commands, s->now);
}

/* A nap that brings @got. Return: how long it was, in ns. */
static uint64_t nap(struct sleeper *s, uint64_t got)
{
	uint64_t ns;

	assert_true(wanted(s));
	ns = gw_nvme_nap_begin(&s->n, s->commands);
	s->now += ns;
	s->commands += got;
	return ns;
}

/* Return: how long no nap is wanted, in ms. */
static unsigned int rest(struct sleeper *s)
{
	unsigned int ms = 0;

	while (!wanted(s)) {
		s->now += MS;
		assert_true(++ms < 10000);
	}
	return ms;
}

static void a_nap_is_as_long_as_half_of_what_is_under_way_takes(void **state)
{
	struct sleeper s = sleeper();

	assert_int_equal(nap(&s, 16), 3 * MS / 2);	/* 8 would have taken half of that */
	assert_int_equal(nap(&s, 8), 3 * MS / 4);
	assert_int_equal(nap(&s, 8), 3 * MS / 4);
	s = sleeper();
	nap(&s, 100);				/* of more than 24 the first would wait long */
	assert_int_equal(nap(&s, 12), 250000);	/* 180000, in steps of two */
	assert_int_equal(nap(&s, 12), 250000);
	assert_int_equal(nap(&s, 3), 250000);
	assert_int_equal(nap(&s, 12), 500000);	/* 1 ms, in steps of two */
	assert_int_equal(nap(&s, 1000), 500000);
	assert_int_equal(nap(&s, 12), 250000);
}

static void naps_have_a_least_and_a_greatest_length(void **state)
{
	struct sleeper fast = sleeper(), slow = sleeper();
	uint64_t least = UINT64_MAX, most = 0, ns;

	for (unsigned int i = 0; i < 200; i++) {
		ns = nap(&fast, 1000);
		least = ns < least ? ns : least;
		ns = nap(&slow, i % 32 ? 3 : 24);
		most = ns > most ? ns : most;
	}
	assert_int_equal(least, 20000);
	assert_int_equal(most, 2 * MS);
}

/* What is known is of this round and the last; within one, less may come for a while. */
static void a_host_that_has_little_under_way_is_found_out_at_the_end_of_a_round(void **state)
{
	struct sleeper s = sleeper();

	for (unsigned int i = 0; i < 32; i++)
		nap(&s, 24);
	for (unsigned int i = 0; i < 64; i++)
		nap(&s, 5);
	assert_false(wanted(&s));
	assert_in_range(rest(&s), 15, 17);
}

static void one_long_nap_that_brings_little_does_not_hide_what_the_last_round_showed(void **state)
{
	struct sleeper s = sleeper();

	for (unsigned int i = 0; i < 32; i++)
		nap(&s, 24);
	nap(&s, 12);		/* the long one */
	nap(&s, 12);
	nap(&s, 12);
	assert_int_equal(nap(&s, 12), nap(&s, 12));
}

static void eight_poor_naps_in_a_row_are_enough(void **state)
{
	struct sleeper s = sleeper();

	nap(&s, 24);
	for (unsigned int i = 0; i < 7; i++)
		nap(&s, 2);
	nap(&s, 3);		/* pays: counting begins anew */
	for (unsigned int i = 0; i < 8; i++)
		nap(&s, 2);
	assert_false(wanted(&s));
}

static void a_pause_doubles_where_naps_fail_and_is_short_again_after_a_good_round(void **state)
{
	static const unsigned int want[] = { 16, 32, 64, 128, 256, 512, 512, 512 };
	struct sleeper s = sleeper();

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		nap(&s, 1);
		assert_false(wanted(&s));
		assert_int_equal(rest(&s), want[i]);
	}
	for (unsigned int i = 0; i < 32; i++)
		nap(&s, 24);
	for (unsigned int i = 0; i < 8; i++)
		nap(&s, 1);
	assert_int_equal(rest(&s), 16);
	assert_int_equal(nap(&s, 1), 3 * MS / 2);	/* all is learned anew */
	assert_int_equal(rest(&s), 32);
}

static void a_host_at_rest_is_tried_as_often_as_before(void **state)
{
	struct sleeper s = sleeper();

	for (unsigned int i = 0; i < 5; i++) {
		while (wanted(&s))
			nap(&s, 0);
		assert_int_equal(rest(&s), 16);
	}
}

static void a_host_that_rests_now_and_then_is_not_at_rest(void **state)
{
	struct sleeper s = sleeper();

	for (unsigned int i = 0; i < 1000; i++)
		nap(&s, i % 4 ? 0 : 24);
}

/* The worker may find something to do before it begins another. */
static void a_nap_is_judged_once(void **state)
{
	struct sleeper s = sleeper();

	nap(&s, 24);
	nap(&s, 1);
	for (unsigned int i = 0; i < 100; i++)
		assert_true(wanted(&s));
}

/* So that a nap is not judged by the time that it was meant to take. */
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_deep_queue_is_not_rung_for_and_not_slowed),
		cmocka_unit_test(one_at_a_time_is_hardly_slowed),
		cmocka_unit_test(a_shallow_queue_keeps_most_of_its_speed),
		cmocka_unit_test(a_host_that_changes_is_followed),
		cmocka_unit_test(a_host_that_sends_nothing_is_given_up),
		cmocka_unit_test(a_nap_that_was_cut_does_not_count),
		cmocka_unit_test(a_nap_is_as_long_as_half_of_what_is_under_way_takes),
		cmocka_unit_test(naps_have_a_least_and_a_greatest_length),
		cmocka_unit_test(a_host_that_has_little_under_way_is_found_out_at_the_end_of_a_round),
		cmocka_unit_test(one_long_nap_that_brings_little_does_not_hide_what_the_last_round_showed),
		cmocka_unit_test(eight_poor_naps_in_a_row_are_enough),
		cmocka_unit_test(a_pause_doubles_where_naps_fail_and_is_short_again_after_a_good_round),
		cmocka_unit_test(a_host_at_rest_is_tried_as_often_as_before),
		cmocka_unit_test(a_host_that_rests_now_and_then_is_not_at_rest),
		cmocka_unit_test(a_nap_is_judged_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
