/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "../../devices/nvme/poll.h"

/* A worker and a host, on a clock of the test's own. */

#define US		1000u
#define MAX_NS		(1000u * US)

struct play {
	struct nvme_poll p;
	uint64_t now;
	unsigned int wakeups;		/* that a host pays for */
	uint64_t looked, slept;		/* ns, in all */
	unsigned int sleeps;
};

static struct play play_new(uint64_t max_ns, unsigned int share, uint64_t wake_ns)
{
	struct play s = { .now = 1000000 * US, .wakeups = 2 };

	gw_nvme_poll_init(&s.p, max_ns, false, share);
	s.p.wake_ns = wake_ns;
	return s;
}

/* One command, for which the host takes @gap; a wake-up takes @wake. */
static void command(struct play *s, uint64_t gap, uint64_t wake)
{
	uint64_t look = gw_nvme_poll_begin(&s->p, s->now, s->wakeups), begun = s->now;

	if (look > gap) {
		s->now += gap;
		s->looked += gap;
		gw_nvme_poll_paid(&s->p, s->now);
		return;
	}
	if (look) {
		s->now += look;
		s->looked += look;
		gw_nvme_poll_failed(&s->p, s->now);
	}
	gw_nvme_poll_slept(&s->p);
	s->sleeps++;
	s->now = begun + gap + s->wakeups * wake;
	s->slept += s->now - begun - look;
	gw_nvme_poll_woken(&s->p, s->now, s->now - wake, s->wakeups);
}

static unsigned int sleeps_of(struct play *s, unsigned int times, uint64_t gap, uint64_t wake)
{
	s->sleeps = 0;
	while (times--)
		command(s, gap, wake);
	return s->sleeps;
}

static void zero_turns_it_off_for_good(void **state)
{
	struct play s = play_new(0, 100, 10 * US);

	assert_false(gw_nvme_poll_is_on(&s.p));
	assert_int_equal(sleeps_of(&s, 5000, 10 * US, 10 * US), 5000);
	assert_int_equal(s.looked, 0);
	assert_false(gw_nvme_poll_is_on(&s.p));
}

/* The same host is looked for where wake-ups are dear, and not where they are cheap. */
static void how_long_is_worth_it_follows_from_what_a_wake_up_takes(void **state)
{
	struct play slow = play_new(MAX_NS, 100, 0), quick = play_new(MAX_NS, 100, 0);

	sleeps_of(&slow, 1000, 400 * US, 45 * US);
	assert_in_range(sleeps_of(&slow, 1000, 400 * US, 45 * US), 0, 0);
	sleeps_of(&quick, 1000, 400 * US, 5 * US);
	assert_in_range(sleeps_of(&quick, 1000, 400 * US, 5 * US), 995, 1000);
	assert_in_range(quick.p.wake_ns, 4 * US, 6 * US);
}

static void a_host_that_takes_long_costs_next_to_nothing(void **state)
{
	struct play s = play_new(MAX_NS, 100, 20 * US);

	sleeps_of(&s, 10000, 5000 * US, 20 * US);
	assert_true(s.looked < s.slept / 1000);
}

/* After hours of rare commands, a host that sends one after another is looked for at once. */
static void a_host_that_becomes_quick_is_noticed_within_a_few_commands(void **state)
{
	struct play s = play_new(MAX_NS, 100, 20 * US);

	sleeps_of(&s, 5000, 20000 * US, 20 * US);
	assert_false(gw_nvme_poll_is_on(&s.p));
	assert_in_range(sleeps_of(&s, 100, 100 * US, 20 * US), 1, 4);
}

static void a_few_looks_in_vain_do_not_end_it(void **state)
{
	struct play s = play_new(MAX_NS, 100, 20 * US);

	sleeps_of(&s, 100, 60 * US, 20 * US);
	for (unsigned int i = 0; i < 100; i++) {
		assert_int_equal(sleeps_of(&s, 3, 3000 * US, 20 * US), 3);
		assert_true(gw_nvme_poll_is_on(&s.p));
		assert_int_equal(sleeps_of(&s, 1, 60 * US, 20 * US), 0);
	}
}

/* The end of a stream costs a few times what its host took, not the longest look there can be. */
static void a_look_lasts_no_longer_than_hosts_made_it_expect(void **state)
{
	struct play s = play_new(MAX_NS, 100, 45 * US);

	sleeps_of(&s, 100, 40 * US, 45 * US);
	assert_in_range(gw_nvme_poll_begin(&s.p, s.now, 2), 150 * US, 170 * US);
	sleeps_of(&s, 100, 2 * US, 45 * US);
	assert_in_range(gw_nvme_poll_begin(&s.p, s.now, 2), 50 * US, 50 * US);
}

static void a_look_lasts_as_long_as_was_asked_for(void **state)
{
	struct play s = play_new(MAX_NS, 100, 1 * US);

	s.p.fixed = true;
	assert_int_equal(sleeps_of(&s, 100, 900 * US, 1 * US), 0);
}

static void looks_take_no_more_than_their_share(void **state)
{
	for (unsigned int share = 10; share < 100; share += 20) {
		struct play s = play_new(MAX_NS, share, 45 * US);
		uint64_t begun;

		sleeps_of(&s, 2000, 200 * US, 45 * US);
		begun = s.now;
		s.looked = 0;
		sleeps_of(&s, 20000, 200 * US, 45 * US);
		assert_true(s.looked <= (s.now - begun) / 100 * share + 10000 * US);
		assert_true(s.looked >= (s.now - begun) / 100 * (share * 9 / 10) - 10000 * US);
	}
}

static void a_loaded_machine_is_left_alone_for_a_while(void **state)
{
	struct play s = play_new(MAX_NS, 100, 20 * US);

	sleeps_of(&s, 100, 60 * US, 20 * US);
	gw_nvme_poll_begin(&s.p, s.now, 2);
	gw_nvme_poll_loaded(&s.p, s.now + 100 * US);
	assert_int_equal(sleeps_of(&s, 8, 60 * US, 20 * US), 8);
	assert_int_equal(sleeps_of(&s, 100, 60 * US, 20 * US), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zero_turns_it_off_for_good),
		cmocka_unit_test(how_long_is_worth_it_follows_from_what_a_wake_up_takes),
		cmocka_unit_test(a_host_that_takes_long_costs_next_to_nothing),
		cmocka_unit_test(a_host_that_becomes_quick_is_noticed_within_a_few_commands),
		cmocka_unit_test(a_few_looks_in_vain_do_not_end_it),
		cmocka_unit_test(a_look_lasts_no_longer_than_hosts_made_it_expect),
		cmocka_unit_test(a_look_lasts_as_long_as_was_asked_for),
		cmocka_unit_test(looks_take_no_more_than_their_share),
		cmocka_unit_test(a_loaded_machine_is_left_alone_for_a_while),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
