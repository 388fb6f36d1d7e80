/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim_rig.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

/* Interrupts from an endpoint to whoever waits. */

#define OK GW_IORETURN_SUCCESS

struct waiter {
	struct rig *r;
	_Atomic unsigned int calls;
	_Atomic uint32_t result;
};

static void done(void *opaque, uint32_t result)
{
	struct waiter *w = opaque;

	w->result = result;
	w->calls++;
}

static uint32_t wait_irq(struct waiter *w)
{
	struct gw_dext_conn *c = w->r->c;

	return c->ops->call_async(c, GW_DEXT_WAIT_INTERRUPT, done, w);
}

static uint64_t setup(struct rig *r)
{
	uint64_t nr = 0;

	assert_int_equal(rig_call(r->c, GW_DEXT_SETUP_INTERRUPTS, &nr, 1), OK);
	return nr;
}

/* What is pending in the first word; taken. */
static uint64_t taken(struct rig *r)
{
	uint64_t out[4];

	assert_int_equal(rig_call(r->c, GW_DEXT_CHECK_INTERRUPT, out, 4), OK);
	return out[0];
}

static void before_setup_nothing_is_ready(void **state)
{
	struct rig *r = rig_new(NULL);
	struct waiter w = { .r = r };
	uint64_t out[4];

	assert_int_equal(rig_call(r->c, GW_DEXT_CHECK_INTERRUPT, out, 4), GW_IORETURN_NOT_READY);
	assert_int_equal(rig_call(r->c, GW_DEXT_SET_IRQ_MASK, NULL, 0, 0, 0, 0, 0),
			 GW_IORETURN_NOT_READY);
	assert_int_equal(wait_irq(&w), GW_IORETURN_NOT_READY);
	gw_endpoint_irq(&r->ep->ep, 3);		/* dropped */
	assert_int_equal(setup(r), RIG_VECTORS);
	assert_int_equal(taken(r), 0);
	assert_int_equal(rig_call(r->c, GW_DEXT_SETUP_INTERRUPTS, out, 1),
			 GW_IORETURN_STILL_OPEN);
	assert_int_equal(w.calls, 0);
	rig_free(r);
}

static void only_one_connection_takes_interrupts(void **state)
{
	struct rig *r = rig_new(NULL);
	struct gw_dext_conn *other = rig_connect(r, 0);
	uint64_t out[4];

	assert_int_equal(rig_call(other, GW_DEXT_CLAIM, NULL, 0), OK);
	setup(r);
	assert_int_equal(rig_call(other, GW_DEXT_SETUP_INTERRUPTS, out, 1),
			 GW_IORETURN_STILL_OPEN);
	assert_int_equal(rig_call(other, GW_DEXT_CHECK_INTERRUPT, out, 4), GW_IORETURN_NOT_READY);
	r->c->ops->close(r->c);
	r->c = other;
	assert_int_equal(setup(r), RIG_VECTORS);
	gw_endpoint_irq(&r->ep->ep, 1);
	assert_int_equal(taken(r), 2);
	rig_free(r);
}

static void a_wait_ends_with_the_interrupt_or_at_once_if_one_is_pending(void **state)
{
	struct rig *r = rig_new(NULL);
	struct waiter w = { .r = r };

	setup(r);
	assert_int_equal(wait_irq(&w), OK);
	assert_int_equal(wait_irq(&w), GW_IORETURN_STILL_OPEN);
	assert_int_equal(w.calls, 0);
	gw_endpoint_irq(&r->ep->ep, 5);
	assert_int_equal(w.calls, 1);
	assert_int_equal(w.result, OK);
	gw_endpoint_irq(&r->ep->ep, 31);	/* nobody waits */
	assert_int_equal(w.calls, 1);
	assert_int_equal(wait_irq(&w), OK);
	assert_int_equal(w.calls, 2);
	assert_int_equal(taken(r), 1u << 5 | 1u << 31);
	assert_int_equal(taken(r), 0);
	assert_int_equal(wait_irq(&w), OK);
	assert_int_equal(w.calls, 2);
	gw_endpoint_irq(&r->ep->ep, 32);	/* not one of its vectors */
	gw_endpoint_irq(&r->ep->ep, UINT32_MAX);
	assert_int_equal(w.calls, 2);
	r->c->ops->close(r->c);
	r->c = NULL;
	assert_int_equal(w.calls, 3);
	assert_int_equal(w.result, GW_IORETURN_ABORTED);
	gw_endpoint_irq(&r->ep->ep, 1);		/* to nobody */
	assert_int_equal(rig_stats(r).irqs, 2);
	rig_free(r);
}

static void what_the_mask_leaves_out_is_dropped(void **state)
{
	struct rig *r = rig_new(NULL);
	struct waiter w = { .r = r };
	struct gw_dext_irq_page *page;
	struct gw_dext_map map;

	setup(r);
	assert_int_equal(r->c->ops->map(r->c, GW_DEXT_MEMORY_IRQ_PAGE, 0, &map), OK);
	assert_int_equal(map.size, 16384);
	page = map.addr;
	for (int i = 0; i < 4; i++)
		assert_true(page->enabled[i] == UINT64_MAX);
	assert_int_equal(wait_irq(&w), OK);
	assert_int_equal(rig_call(r->c, GW_DEXT_SET_IRQ_MASK, NULL, 0, 6, 1, 2, 3), OK);
	assert_int_equal(page->enabled[0], 6);
	assert_int_equal(page->enabled[3], 3);
	gw_endpoint_irq(&r->ep->ep, 0);
	assert_int_equal(page->pending[0], 0);
	assert_int_equal(w.calls, 0);
	gw_endpoint_irq(&r->ep->ep, 1);
	assert_int_equal(w.calls, 1);
	assert_int_equal(page->pending[0], 2);
	page->enabled[0] = 1;			/* the client may write it itself */
	page->pending[0] = 0;
	gw_endpoint_irq(&r->ep->ep, 1);
	gw_endpoint_irq(&r->ep->ep, 0);
	assert_int_equal(taken(r), 1);
	r->c->ops->unmap(r->c, GW_DEXT_MEMORY_IRQ_PAGE, &map);
	rig_free(r);
}

static void vectors_follow_the_capability(void **state)
{
	static const struct {
		uint16_t msix;
		uint8_t msi;
		uint32_t ret;
		unsigned int nr;
	} rows[] = {
		{ 32, 0, OK, 32 }, { 1, 4, OK, 1 }, { 64, 0, OK, 64 }, { 0, 32, OK, 1 },
		{ 0, 0, GW_IORETURN_BAD_ARGUMENT, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rig *r = rig_sim();
		struct rig_ep *ep = rig_ep_new();
		uint64_t nr = 0;

		ep->ep.desc.msix_vectors = rows[i].msix;
		ep->ep.desc.msi_vectors = rows[i].msi;
		rig_add(r, ep);
		r->c = rig_connect(r, 0);
		assert_int_equal(rig_call(r->c, GW_DEXT_CLAIM, NULL, 0), OK);
		assert_int_equal(rig_call(r->c, GW_DEXT_SETUP_INTERRUPTS, &nr, 1), rows[i].ret);
		assert_int_equal(nr, rows[i].nr);
		/* a failed set-up can be tried again */
		if (rows[i].ret)
			assert_int_equal(rig_call(r->c, GW_DEXT_SETUP_INTERRUPTS, &nr, 1),
					 rows[i].ret);
		rig_free(r);
	}
}

static void msi_goes_where_the_platform_said_and_nowhere_else(void **state)
{
	struct rig *r = rig_sim();
	struct rig_ep *ep = rig_ep_new();
	unsigned int msi;
	uint64_t addr;

	ep->ep.desc.msix_vectors = 0;
	rig_add(r, ep);
	r->c = rig_connect(r, 0);
	assert_int_equal(rig_call(r->c, GW_DEXT_CLAIM, NULL, 0), OK);
	msi = rig_cap(r, 0x05);
	gw_endpoint_irq(&ep->ep, 0);
	assert_int_equal(setup(r), 1);
	assert_int_equal(rig_config(r, msi + 2, 2), 0x85);
	gw_endpoint_irq(&ep->ep, 3);		/* vectors share the one message */
	assert_int_equal(taken(r), 1);
	addr = rig_config(r, msi + 4, 4);
	rig_config_write(r, msi + 4, 4, 0xfee00000);
	gw_endpoint_irq(&ep->ep, 0);
	assert_int_equal(taken(r), 0);
	rig_config_write(r, msi + 4, 4, addr);
	gw_endpoint_irq(&ep->ep, 0);
	assert_int_equal(taken(r), 1);
	rig_config_write(r, msi + 2, 2, 0);
	gw_endpoint_irq(&ep->ep, 0);
	assert_int_equal(taken(r), 0);
	rig_free(r);
}

static void a_masked_function_holds_its_interrupts(void **state)
{
	struct rig *r = rig_new(NULL);
	unsigned int msix = rig_cap(r, 0x11);

	setup(r);
	assert_int_equal(rig_config(r, msix + 2, 2), 0x8000 | (RIG_VECTORS - 1));
	rig_config_write(r, msix + 2, 2, 0xc000);
	gw_endpoint_irq(&r->ep->ep, 2);
	gw_endpoint_irq(&r->ep->ep, 2);
	gw_endpoint_irq(&r->ep->ep, 9);
	gw_endpoint_irq(&r->ep->ep, 99);
	assert_int_equal(taken(r), 0);
	rig_config_write(r, msix + 2, 2, 0x8000);
	assert_int_equal(taken(r), 1u << 2 | 1u << 9);
	rig_config_write(r, msix + 2, 2, 0);
	gw_endpoint_irq(&r->ep->ep, 2);
	assert_int_equal(taken(r), 0);
	rig_config_write(r, msix + 2, 2, 0xc000);
	gw_endpoint_irq(&r->ep->ep, 2);
	assert_int_equal(rig_call(r->c, GW_DEXT_RESET_DEVICE, NULL, 0), OK);
	rig_config_write(r, msix + 2, 2, 0x8000);
	assert_int_equal(taken(r), 0);		/* a reset forgets what was held */
	gw_endpoint_irq(&r->ep->ep, 2);
	assert_int_equal(taken(r), 4);		/* and keeps delivery */
	rig_config_write(r, 4, 2, 2);
	gw_endpoint_irq(&r->ep->ep, 2);		/* a message is a write by the master */
	assert_int_equal(taken(r), 0);
	rig_free(r);
}

static void a_lost_one_is_found_at_the_next_wait(void **state)
{
	struct rig *r = rig_with("lose-irq", "2");
	struct waiter w = { .r = r };

	setup(r);
	assert_int_equal(wait_irq(&w), OK);
	gw_endpoint_irq(&r->ep->ep, 0);
	assert_int_equal(w.calls, 1);
	assert_int_equal(taken(r), 1);
	assert_int_equal(wait_irq(&w), OK);
	gw_endpoint_irq(&r->ep->ep, 1);		/* the second: nobody is told */
	assert_int_equal(w.calls, 1);
	gw_endpoint_irq(&r->ep->ep, 2);
	assert_int_equal(w.calls, 2);
	assert_int_equal(taken(r), 6);
	assert_int_equal(wait_irq(&w), OK);
	gw_endpoint_irq(&r->ep->ep, 3);
	assert_int_equal(w.calls, 2);
	assert_int_equal(gw_sim_set_option(r->sim, "lose-irq", "0"), 0);
	gw_endpoint_irq(&r->ep->ep, 4);
	gw_endpoint_irq(&r->ep->ep, 4);
	assert_int_equal(w.calls, 3);
	rig_free(r);
}

/* Waits again from inside the completion, taking what is there. */
static void again(void *opaque, uint32_t result)
{
	struct waiter *w = opaque;

	w->calls++;
	if (result)
		return;
	taken(w->r);
	assert_int_equal(w->r->c->ops->call_async(w->r->c, GW_DEXT_WAIT_INTERRUPT, again, w), OK);
}

static void in_a_storm_each_is_raised_many_times(void **state)
{
	struct rig *r = rig_with("irq-storm", "100");
	struct waiter w = { .r = r };

	setup(r);
	assert_int_equal(r->c->ops->call_async(r->c, GW_DEXT_WAIT_INTERRUPT, again, &w), OK);
	gw_endpoint_irq(&r->ep->ep, 0);
	assert_int_equal(w.calls, 100);
	assert_int_equal(rig_stats(r).irqs, 1);
	rig_free(r);
}

#define ROUNDS 20000

struct raiser {
	struct rig *r;
	unsigned int v;
	_Atomic unsigned int *seen;	/* rounds that were taken */
};

/* Raise one vector and wait until it was taken, over and over: one lost wake-up would hang it. */
static void *raise_and_wait(void *opaque)
{
	struct raiser *a = opaque;

	for (unsigned int i = 1; i <= ROUNDS; i++) {
		gw_endpoint_irq(&a->r->ep->ep, a->v);
		while (atomic_load(a->seen) < i)
			sched_yield();
	}
	return NULL;
}

static sem_t woken;

static void wake(void *opaque, uint32_t result)
{
	sem_post(&woken);
}

static void no_wake_up_is_lost_between_waiting_and_raising(void **state)
{
	struct rig *r = rig_new(NULL);
	_Atomic unsigned int seen[2] = { 0 };
	struct raiser a[2] = { { r, 3, &seen[0] }, { r, 30, &seen[1] } };
	pthread_t t[2];
	uint64_t bits;

	sem_init(&woken, 0, 0);
	setup(r);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&t[i], NULL, raise_and_wait, &a[i]), 0);
	while (seen[0] < ROUNDS || seen[1] < ROUNDS) {
		assert_int_equal(r->c->ops->call_async(r->c, GW_DEXT_WAIT_INTERRUPT, wake, NULL),
				 OK);
		sem_wait(&woken);
		bits = taken(r);
		seen[0] += bits >> 3 & 1;
		seen[1] += bits >> 30 & 1;
	}
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(taken(r), 0);
	rig_free(r);
}

static void *raise_until(void *opaque)
{
	struct raiser *a = opaque;

	while (!atomic_load(a->seen))
		gw_endpoint_irq(&a->r->ep->ep, a->v);
	return NULL;
}

/* Connections come and go while the device raises; a late completion would reach a dead one. */
static void closing_while_interrupts_arrive_is_safe(void **state)
{
	struct rig *r = rig_new(NULL);
	_Atomic unsigned int stop = 0;
	struct raiser a = { r, 7, &stop };
	struct waiter *w;
	pthread_t t;

	r->c->ops->close(r->c);
	assert_int_equal(pthread_create(&t, NULL, raise_until, &a), 0);
	for (int i = 0; i < 300; i++) {
		w = calloc(1, sizeof(*w));
		assert_non_null(w);
		w->r = r;
		r->c = rig_connect(r, 0);
		assert_int_equal(rig_call(r->c, GW_DEXT_CLAIM, NULL, 0), OK);
		setup(r);
		assert_int_equal(wait_irq(w), OK);
		r->c->ops->close(r->c);
		assert_int_equal(w->calls, 1);
		free(w);
	}
	stop = 1;
	pthread_join(t, NULL);
	r->c = NULL;
	rig_free(r);
}

static void *vanish(void *opaque)
{
	struct rig *r = opaque;

	gw_sim_vanish(r->sim, NULL, 1, 0, 0);
	return NULL;
}

/* Whichever comes first, the wait is refused or it ends. */
static void no_wait_outlives_the_function(void **state)
{
	for (int i = 0; i < 200; i++) {
		struct rig *r = rig_new(NULL);
		struct waiter w = { .r = r };
		uint32_t ret;
		pthread_t t;

		setup(r);
		assert_int_equal(pthread_create(&t, NULL, vanish, r), 0);
		for (int k = 0; k < i; k++)
			sched_yield();
		ret = wait_irq(&w);
		pthread_join(t, NULL);
		assert_int_equal(ret == OK ? w.result : ret, GW_IORETURN_NO_DEVICE);
		assert_int_equal(w.calls, ret == OK ? 1 : 0);
		rig_free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(before_setup_nothing_is_ready),
		cmocka_unit_test(only_one_connection_takes_interrupts),
		cmocka_unit_test(a_wait_ends_with_the_interrupt_or_at_once_if_one_is_pending),
		cmocka_unit_test(what_the_mask_leaves_out_is_dropped),
		cmocka_unit_test(vectors_follow_the_capability),
		cmocka_unit_test(msi_goes_where_the_platform_said_and_nowhere_else),
		cmocka_unit_test(a_masked_function_holds_its_interrupts),
		cmocka_unit_test(a_lost_one_is_found_at_the_next_wait),
		cmocka_unit_test(in_a_storm_each_is_raised_many_times),
		cmocka_unit_test(no_wake_up_is_lost_between_waiting_and_raising),
		cmocka_unit_test(no_wait_outlives_the_function),
		cmocka_unit_test(closing_while_interrupts_arrive_is_safe),
	};

	return cmocka_run_group_tests_name("sim_irq", tests, NULL, NULL);
}
