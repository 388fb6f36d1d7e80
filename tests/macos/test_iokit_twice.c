/* SPDX-License-Identifier: BSD-3-Clause */
#include "dext_rig.h"

#include <gangway/iokit.h>

#include "iokit_standin.h"

/* A program may ask for the extensions more than once: each has its connections, and its messages. */

static struct gw_dext_services *again;
static _Atomic unsigned int changes;

static void changed(void *opaque)
{
	changes++;
}

static struct gw_dext_conn *claim_of(struct gw_dext_services *s)
{
	struct gw_dext_description d = { .root = "" };
	struct gw_dext_conn *c;
	char root[GW_ROOT_SIZE];

	assert_int_equal(s->ops->describe(s, 0, &d), 0);
	assert_int_equal(s->ops->open(s, 0, &c, root), 0);
	assert_int_equal(call(c, GW_DEXT_CLAIM, NULL, 0, NULL, 0), GW_IORETURN_SUCCESS);
	return c;
}

/* A wait that has to end by an interrupt. */
static void hear(struct gw_dext_conn *c)
{
	static struct raw_wait w;
	uint64_t nr, pending[4];

	atomic_store(&w.calls, 0);
	assert_int_equal(call(c, GW_DEXT_SETUP_INTERRUPTS, NULL, 0, &nr, 1), GW_IORETURN_SUCCESS);
	assert_int_equal(c->ops->call_async(c, GW_DEXT_WAIT_INTERRUPT, raw_done, &w), GW_IORETURN_SUCCESS);
	assert_int_equal(call(c, GW_DEXT_MMIO_WRITE, (uint64_t[]){ 0, PROBE_IRQ, 4, 3 }, 4, NULL, 0),
			 GW_IORETURN_SUCCESS);
	raw_await(&w);
	assert_int_equal(w.result, GW_IORETURN_SUCCESS);
	assert_int_equal(call(c, GW_DEXT_CHECK_INTERRUPT, NULL, 0, pending, 4), GW_IORETURN_SUCCESS);
	c->ops->close(c);
}

static void each_of_two_has_its_messages(void **state)
{
	struct gw_dext_conn *first = claim_of(services), *second;

	assert_int_equal(gw_iokit_new(NULL, NULL, NULL, &again), 0);
	second = claim_of(again);
	hear(first);
	hear(second);
	gw_iokit_free(again);
	hear(claim_of(services));
}

static void each_of_two_hears_of_changes(void **state)
{
	struct gw_dext_conn *c = claim_of(services);

	assert_int_equal(gw_iokit_new(changed, NULL, NULL, &again), 0);
	atomic_store(&changes, 0);
	assert_int_equal(gw_sim_vanish(sim, "sim0", 0, 1, 0), 0);
	backend_vanished();
	while (!atomic_load(&changes))
		sched_yield();
	gw_iokit_free(again);
	assert_int_equal(call(c, GW_DEXT_RESET_DEVICE, NULL, 0, NULL, 0), GW_IORETURN_NO_DEVICE);
	c->ops->close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_of_two_has_its_messages),
		T(each_of_two_hears_of_changes),
	};

	return cmocka_run_group_tests_name("iokit_twice", tests, NULL, NULL);
}
