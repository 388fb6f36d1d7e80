/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "../../devices/nvme/nvme.h"

#define MAX_NS	200000u

/* Of @times that the worker has nothing to do, how often does it look for work? All in vain. */
static unsigned int looks_in_vain(struct nvme_poll *p, unsigned int times)
{
	unsigned int looks = 0;

	while (times--) {
		if (p->on) {
			looks++;
			gw_nvme_poll_failed(p);
		}
		gw_nvme_poll_slept(p);
	}
	return looks;
}

static void a_first_look_is_a_try(void **state)
{
	struct nvme_poll p;

	gw_nvme_poll_init(&p, MAX_NS);
	assert_true(p.on);
	assert_int_equal(p.max_ns, MAX_NS);
	gw_nvme_poll_failed(&p);
	assert_false(p.on);
}

static void zero_turns_it_off_for_good(void **state)
{
	struct nvme_poll p;

	gw_nvme_poll_init(&p, 0);
	assert_int_equal(looks_in_vain(&p, 5000), 0);
}

static void looks_in_vain_become_seldom(void **state)
{
	struct nvme_poll p;

	gw_nvme_poll_init(&p, MAX_NS);
	/* a pause of 8 sleeps, of 16, ...; and then always 1024 */
	assert_int_equal(looks_in_vain(&p, 10), 2);
	looks_in_vain(&p, 4000);
	assert_in_range(looks_in_vain(&p, 10240), 9, 11);
}

static void one_that_pays_makes_up_for_a_few_that_do_not(void **state)
{
	struct nvme_poll p;

	gw_nvme_poll_init(&p, MAX_NS);
	for (unsigned int i = 0; i < 100; i++) {
		gw_nvme_poll_paid(&p);
		for (unsigned int vain = 0; vain < 3; vain++) {
			gw_nvme_poll_failed(&p);
			assert_true(p.on);
		}
	}
	gw_nvme_poll_failed(&p);
	assert_false(p.on);
}

static void after_one_that_paid_a_pause_is_short_again(void **state)
{
	struct nvme_poll p;

	gw_nvme_poll_init(&p, MAX_NS);
	looks_in_vain(&p, 4000);
	while (!p.on)
		gw_nvme_poll_slept(&p);
	gw_nvme_poll_paid(&p);
	while (p.on)
		gw_nvme_poll_failed(&p);
	for (unsigned int sleeps = 0; sleeps < 8; sleeps++) {
		gw_nvme_poll_slept(&p);
		assert_false(p.on);
	}
	gw_nvme_poll_slept(&p);
	assert_true(p.on);
}

static void a_loaded_machine_is_left_alone_at_once(void **state)
{
	struct nvme_poll p;

	gw_nvme_poll_init(&p, MAX_NS);
	gw_nvme_poll_paid(&p);
	gw_nvme_poll_pause(&p);
	assert_false(p.on);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_first_look_is_a_try),
		cmocka_unit_test(zero_turns_it_off_for_good),
		cmocka_unit_test(looks_in_vain_become_seldom),
		cmocka_unit_test(one_that_pays_makes_up_for_a_few_that_do_not),
		cmocka_unit_test(after_one_that_paid_a_pause_is_short_again),
		cmocka_unit_test(a_loaded_machine_is_left_alone_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
