/* SPDX-License-Identifier: BSD-3-Clause */
#include "dext_rig.h"

#include <poll.h>

/* The machine goes to sleep and wakes, with functions open: more of the suite of the dext client. */

#define COMMAND		4u
#define ON		6u	/* memory and bus mastering */

static uint32_t command(void)
{
	uint32_t val;

	assert_int_equal(fn->ops->config_read(fn, COMMAND, 2, &val), 0);
	return val;
}

static void copy(struct gw_mapping *from, struct gw_mapping *to, unsigned int n)
{
	memset(memory[0], (int)n, sizeof(memory[0]));
	memset(memory[1], 0, sizeof(memory[1]));
	reg_write(PROBE_SRC, 8, from->seg[0].iova.v);
	reg_write(PROBE_DST, 8, to->seg[0].iova.v);
	reg_write(PROBE_LEN, 8, sizeof(memory[0]));
	reg_write(PROBE_VECTOR, 4, 9);
	reg_write(PROBE_COMMAND, 4, PROBE_CMD_COPY);
	counter_await(9, n);
	assert_int_equal(reg_read(PROBE_STATUS, 4), PROBE_OK);
	assert_memory_equal(memory[0], memory[1], sizeof(memory[0]));
}

static void what_was_set_up_is_there_after_sleep_and_the_device_begins_anew(void **state)
{
	const struct gw_memory mem = { .addr = memory[2] };
	struct gw_mapping a, b, m;
	uint32_t val;

	open_it();
	start();
	map(0, &a);
	map(1, &b);
	assert_int_equal(fn->ops->config_write(fn, COMMAND, 2, command() | ON), 0);
	for (unsigned int n = 1; n <= 3; n++) {
		copy(&a, &b, n);
		reg_write(PROBE_SCRATCH64, 8, 0x1234);
		backend_power(false);
		assert_int_equal(reg_read(PROBE_ID, 4), 0xffffffff);
		reg_write(PROBE_SCRATCH64, 8, 1);
		assert_int_equal(fn->ops->config_read(fn, 0, 4, &val), 0);
		assert_int_equal(val, 0xffffffff);
		assert_int_equal(fn->ops->config_write(fn, 0xc, 1, 0x40), 0);
		/* who sets the device up, or down, goes by COMMAND */
		assert_int_equal(command() & ON, ON);
		assert_int_equal(fn->ops->dma_map(fn, &mem, sizeof(memory[2]), NULL, &m), -EAGAIN);
		backend_power(true);
		assert_int_equal(command() & ON, ON);
		assert_int_equal(reg_read(PROBE_ID, 4), PROBE_ID_VALUE);
		assert_int_equal(reg_read(PROBE_SCRATCH64, 8), 0);
		assert_int_equal(fn->ops->config_read(fn, 0xc, 1, &val), 0);
		assert_int_not_equal(val, 0x40);
	}
	copy(&a, &b, 4);
	map(2, &m);
	assert_int_equal(fn->ops->dma_unmap(fn, m.handle), 0);
}

static void what_is_turned_off_in_sleep_stays_off(void **state)
{
	struct gw_mapping m;

	open_it();
	map(0, &m);
	assert_int_equal(fn->ops->config_write(fn, COMMAND, 2, command() | ON), 0);
	backend_power(false);
	backend_power(false);		/* twice is once */
	assert_int_equal(fn->ops->config_write(fn, COMMAND, 2, command() & ~4u), 0);
	assert_int_equal(fn->ops->dma_unmap(fn, m.handle), 0);
	backend_power(true);
	assert_int_equal(command() & ON, 2);
	backend_power(true);
	assert_int_equal(command() & ON, 2);
}

static uint64_t command_raw(struct gw_dext_conn *c)
{
	uint64_t val;

	assert_int_equal(call(c, GW_DEXT_CONFIG_READ, (uint64_t[]){ COMMAND, 2 }, 2, &val, 1),
			 GW_IORETURN_SUCCESS);
	return val;
}

/* Every call whose handler asks the device, or waits for its power. */
static void what_needs_the_device_is_refused_in_sleep(void **state)
{
	struct gw_dext_conn *c = claim_raw(), *other = connect_raw();
	uint64_t out[16], nr;

	backend_power(false);
	assert_int_equal(call(other, GW_DEXT_CLAIM, NULL, 0, NULL, 0), GW_IORETURN_NO_POWER);
	assert_int_equal(register_raw(c, 1, memory[0], sizeof(memory[0])), GW_IORETURN_NO_POWER);
	assert_int_equal(call(c, GW_DEXT_ALLOC_BUFFER, (uint64_t[]){ 16384, 0 }, 2, out, 6), GW_IORETURN_NO_POWER);
	assert_int_equal(call(c, GW_DEXT_SETUP_INTERRUPTS, NULL, 0, &nr, 1), GW_IORETURN_NO_POWER);
	assert_int_equal(call(c, GW_DEXT_RESET_DEVICE, NULL, 0, NULL, 0), GW_IORETURN_NO_POWER);
	backend_power(true);
	assert_int_equal(call(other, GW_DEXT_CLAIM, NULL, 0, NULL, 0), GW_IORETURN_SUCCESS);
	assert_int_equal(register_raw(c, 1, memory[0], sizeof(memory[0])), GW_IORETURN_SUCCESS);
	assert_int_equal(call(c, GW_DEXT_SETUP_INTERRUPTS, NULL, 0, &nr, 1), GW_IORETURN_SUCCESS);
	assert_int_equal(call(c, GW_DEXT_RESET_DEVICE, NULL, 0, NULL, 0), GW_IORETURN_SUCCESS);
	c->ops->close(c);
	other->ops->close(other);
}

static void wait_raw(struct gw_dext_conn *c, struct raw_wait *w)
{
	atomic_store(&w->calls, 0);
	assert_int_equal(c->ops->call_async(c, GW_DEXT_WAIT_INTERRUPT, raw_done, w), GW_IORETURN_SUCCESS);
}

static void who_waits_is_told_of_each_sleep_once_if_it_can_know(void **state)
{
	static struct raw_wait w;
	struct gw_dext_conn *c = claim_raw();
	uint64_t out[8];
	bool knows;

	backend_power(false);		/* before anybody takes interrupts */
	backend_power(true);
	knows = call(c, GW_DEXT_GET_LIMITS, NULL, 0, out, 8) == GW_IORETURN_SUCCESS;
	assert_int_equal(call(c, GW_DEXT_SETUP_INTERRUPTS, NULL, 0, out, 1), GW_IORETURN_SUCCESS);
	wait_raw(c, &w);
	backend_power(false);
	if (knows) {
		raw_await(&w);
		assert_int_equal(w.result, GW_IORETURN_NO_POWER);
		backend_power(true);
		backend_power(false);	/* while nobody waits: that is said at the next wait */
		wait_raw(c, &w);
		raw_await(&w);
		assert_int_equal(w.result, GW_IORETURN_NO_POWER);
		wait_raw(c, &w);
	}
	backend_power(true);
	assert_int_equal(call(c, GW_DEXT_MMIO_WRITE, (uint64_t[]){ 0, PROBE_IRQ, 4, 3 }, 4, NULL, 0),
			 GW_IORETURN_SUCCESS);
	raw_await(&w);
	assert_int_equal(w.result, GW_IORETURN_SUCCESS);
	c->ops->close(c);
}

static void a_client_that_dies_in_sleep_leaves_nothing(void **state)
{
	static struct raw_wait w;
	struct gw_sim_stats stats;
	struct gw_dext_conn *c, *next = connect_raw();
	uint64_t out[6];

	for (unsigned int round = 0; round < 3; round++) {
		c = claim_raw();
		assert_int_equal(register_raw(c, 1, memory[0], sizeof(memory[0])), GW_IORETURN_SUCCESS);
		assert_int_equal(call(c, GW_DEXT_ALLOC_BUFFER, (uint64_t[]){ 16384, 0 }, 2, out, 6),
				 GW_IORETURN_SUCCESS);
		assert_int_equal(call(c, GW_DEXT_SETUP_INTERRUPTS, NULL, 0, out, 1), GW_IORETURN_SUCCESS);
		assert_int_equal(command_raw(c) & ON, ON);
		backend_power(false);
		wait_raw(c, &w);
		c->ops->close(c);
		raw_await(&w);
		gw_sim_stats(sim, &stats);
		assert_int_equal(stats.live_maps, 0);
		backend_power(true);
		/* nobody has it, so it does nothing */
		assert_int_equal(call(next, GW_DEXT_CONFIG_READ, (uint64_t[]){ COMMAND, 2 }, 2, out, 1),
				 GW_IORETURN_SUCCESS);
		assert_int_equal(out[0], 0xffff);
	}
	next->ops->close(next);
}

static void the_second_of_two_clients_stays_through_a_sleep(void **state)
{
	struct gw_dext_conn *a = claim_raw(), *b = claim_raw();

	assert_int_equal(register_raw(b, 1, memory[1], sizeof(memory[1])), GW_IORETURN_SUCCESS);
	backend_power(false);
	a->ops->close(a);
	backend_power(true);
	assert_int_equal(command_raw(b) & ON, ON);
	assert_int_equal(call(b, GW_DEXT_UNREGISTER_REGION, (uint64_t[]){ 1 }, 1, NULL, 0), GW_IORETURN_SUCCESS);
	b->ops->close(b);
}

static void a_cable_pulled_in_sleep_is_told(void **state)
{
	struct pollfd p = { .events = POLLIN };
	struct gw_mapping m;

	open_it();
	start();
	map(0, &m);
	assert_int_equal(fn->ops->gone(fn, &p.fd), 0);
	backend_power(false);
	assert_int_equal(gw_sim_vanish(sim, "sim0", 0, 1, 0), 0);
	backend_vanished();
	assert_int_equal(poll(&p, 1, 60000), 1);
	assert_int_equal(fn->ops->reset(fn), -ENODEV);
	backend_power(true);
	assert_int_equal(fn->ops->reset(fn), -ENODEV);
	assert_int_equal(fn->ops->dma_unmap(fn, m.handle), 0);
}

#define SLEEPS	50u

static void *sleeper(void *opaque)
{
	for (unsigned int i = 0; i < SLEEPS; i++) {
		backend_power(false);
		sched_yield();
		backend_power(true);
	}
	atomic_store((_Atomic bool *)opaque, true);
	return NULL;
}

/* Whatever is under way when the machine goes to sleep ends, one way or the other. */
static void sleep_may_come_at_any_moment(void **state)
{
	static struct raw_wait w;
	struct gw_dext_conn *c = claim_raw();
	_Atomic bool done = false;
	uint64_t key = 0, out[16];
	pthread_t t;

	assert_int_equal(call(c, GW_DEXT_SETUP_INTERRUPTS, NULL, 0, out, 1), GW_IORETURN_SUCCESS);
	call(c, GW_DEXT_GET_LIMITS, NULL, 0, out, 8);
	assert_int_equal(pthread_create(&t, NULL, sleeper, &done), 0);
	while (!atomic_load(&done)) {
		uint32_t ret = register_raw(c, ++key, memory[0], sizeof(memory[0]));

		assert_true(ret == GW_IORETURN_SUCCESS || ret == GW_IORETURN_NO_POWER);
		if (!ret)
			assert_int_equal(call(c, GW_DEXT_UNREGISTER_REGION, &key, 1, NULL, 0), GW_IORETURN_SUCCESS);
		c->ops->call_async(c, GW_DEXT_WAIT_INTERRUPT, raw_done, &w);
		call(c, GW_DEXT_CONFIG_WRITE, (uint64_t[]){ COMMAND, 2, ON }, 3, NULL, 0);
		call(c, GW_DEXT_MMIO_WRITE, (uint64_t[]){ 0, PROBE_IRQ, 4, 3 }, 4, NULL, 0);
		call(c, GW_DEXT_MMIO_READ, (uint64_t[]){ 0, PROBE_ID, 4 }, 3, out, 1);
		assert_true(out[0] == PROBE_ID_VALUE || (uint32_t)out[0] == 0xffffffff);
		call(c, GW_DEXT_RESET_DEVICE, NULL, 0, NULL, 0);
	}
	pthread_join(t, NULL);
	call(c, GW_DEXT_CONFIG_WRITE, (uint64_t[]){ COMMAND, 2, ON }, 3, NULL, 0);
	assert_int_equal(command_raw(c) & ON, ON);
	c->ops->close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_was_set_up_is_there_after_sleep_and_the_device_begins_anew),
		T(what_is_turned_off_in_sleep_stays_off),
		T(what_needs_the_device_is_refused_in_sleep),
		T(who_waits_is_told_of_each_sleep_once_if_it_can_know),
		T(a_client_that_dies_in_sleep_leaves_nothing),
		T(the_second_of_two_clients_stays_through_a_sleep),
		T(a_cable_pulled_in_sleep_is_told),
		T(sleep_may_come_at_any_moment),
	};

	return cmocka_run_group_tests_name(backend_name, tests, NULL, NULL);
}
