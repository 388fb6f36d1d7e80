/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <poll.h>
#include <sched.h>

#include "base/util.h"
#include "fake_dext.h"

/* Counts what it is told, and how deep the stack was and on which thread. */
struct sink {
	struct gw_irq_sink sink;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned int count[GW_MAX_VECTORS];
	unsigned int fires, on_owner, inside;
	pthread_t owner;
	char *lowest, *highest;		/* stack addresses seen on the owner */
	bool closing;			/* somebody is about to close, or has begun */
	bool hold;			/* stay in fire() until then */
	bool closed;
	bool bad;			/* told after close, or twice at one time */
};

static struct fake_dext dext;
static struct fake_fn *fake;
static struct gw_host *host;
static struct gw_function *fn;
static struct sink sink;

static void sink_stack(struct sink *s, char *at)
{
	if (!s->lowest || at < s->lowest)
		s->lowest = at;
	if (at > s->highest)
		s->highest = at;
}

static void sink_fire(struct gw_irq_sink *is, const uint64_t pending[GW_IRQ_WORDS])
{
	struct sink *s = container_of(is, struct sink, sink);

	pthread_mutex_lock(&s->lock);
	s->bad |= s->closed || s->inside++;
	s->fires++;
	if (pthread_equal(pthread_self(), s->owner)) {
		s->on_owner++;
		sink_stack(s, __builtin_frame_address(0));	/* of a local, a sanitizer decides */
	}
	for (unsigned int v = 0; v < GW_MAX_VECTORS; v++)
		s->count[v] += pending[v / 64] >> v % 64 & 1;
	pthread_cond_broadcast(&s->changed);
	while (s->hold && !s->closing)
		pthread_cond_wait(&s->changed, &s->lock);
	for (unsigned int i = 0; s->hold && i < 10000; i++, sched_yield())
		s->bad |= atomic_load(&fake->calls[GW_DEXT_UNREGISTER_REGION]);
	s->inside--;
	pthread_mutex_unlock(&s->lock);
}

static unsigned int sink_count(unsigned int v)
{
	unsigned int n;

	pthread_mutex_lock(&sink.lock);
	n = sink.count[v];
	pthread_mutex_unlock(&sink.lock);
	return n;
}

static void sink_await(unsigned int v, unsigned int n)
{
	pthread_mutex_lock(&sink.lock);
	while (sink.count[v] < n)
		pthread_cond_wait(&sink.changed, &sink.lock);
	pthread_mutex_unlock(&sink.lock);
}

static int setup(void **state)
{
	memset(&sink, 0, sizeof(sink));
	sink.sink.fire = sink_fire;
	sink.owner = pthread_self();
	pthread_mutex_init(&sink.lock, NULL);
	pthread_cond_init(&sink.changed, NULL);
	fake_init(&dext);
	fake = fake_add(&dext, "pcic0", 1, 2, 3);
	assert_int_equal(gw_dext_host_new(&dext.services, &fake_log, &host), 0);
	return host->ops->open(host, "01:02.3", &fn);
}

/* A dext without the page. */
static int setup_calls(void **state)
{
	int ret = setup(state);

	fake->page_result = GW_IORETURN_UNSUPPORTED;
	return ret;
}

static void close_it(void)
{
	fn->ops->close(fn);
	fn = NULL;
}

static int teardown(void **state)
{
	if (fn)
		close_it();
	host->ops->free(host);
	assert_false(sink.bad);
	assert_false(fake_waited_for(fake));
	assert_int_equal(fake_open_conns(fake), 0);
	assert_int_equal(fake->maps[GW_DEXT_MEMORY_IRQ_PAGE], 0);
	return 0;
}

static void start(void)
{
	unsigned int nr = 0;

	assert_int_equal(fn->ops->irq_setup(fn, &sink.sink, &nr), 0);
	assert_int_equal(nr, 100);
}

static bool is_gone(void)
{
	struct pollfd p = { .events = POLLIN };

	assert_int_equal(fn->ops->gone(fn, &p.fd), 0);
	return poll(&p, 1, 0) == 1;
}

/* one thread */

static void each_vector_arrives_once(void **state)
{
	start();
	for (unsigned int v = 0; v < 100; v++) {
		fake_raise(fake, v);
		assert_int_equal(sink.count[v], 1);
	}
	assert_int_equal(sink.fires, 100);
	assert_true(fake_waited_for(fake));
}

static void with_the_page_an_interrupt_costs_one_call(void **state)
{
	unsigned int waits, calls;

	start();
	waits = fake->calls[GW_DEXT_WAIT_INTERRUPT];
	calls = fake->nr_trace;
	for (unsigned int i = 0; i < 10; i++)
		fake_raise(fake, 1);
	assert_int_equal(fake->calls[GW_DEXT_WAIT_INTERRUPT], waits + 10);
	assert_int_equal(fake->calls[GW_DEXT_CHECK_INTERRUPT], 0);
	assert_int_equal(fake->nr_trace, calls);
	assert_int_equal(sink.on_owner, 10);	/* no other thread in between */
}

static void vectors_pending_together_arrive_together(void **state)
{
	start();
	fake_set_pending(fake, 0);
	fake_set_pending(fake, 64);
	fake_raise(fake, 99);
	assert_int_equal(sink.fires, 1);
	assert_int_equal(sink.count[0] + sink.count[64] + sink.count[99], 3);
}

static void what_was_pending_before_setup_arrives(void **state)
{
	fake_set_pending(fake, 7);
	start();
	assert_int_equal(sink_count(7), 1);
}

static void what_comes_between_taking_and_waiting_is_found(void **state)
{
	start();
	fake->deaf = true;	/* a wait is not completed for what is there already */
	atomic_store(&fake->storm, 1);
	fake_raise(fake, 1);
	assert_int_equal(sink.count[1], 1);
	assert_int_equal(sink.count[5], 1);
}

static void setup_is_once(void **state)
{
	unsigned int nr = 0;

	start();
	assert_int_equal(fn->ops->irq_setup(fn, &sink.sink, &nr), -EBUSY);
	assert_int_equal(nr, 0);
}

static void a_sink_that_was_taken_away_hears_nothing_and_another_may_come(void **state)
{
	unsigned int nr = 0, setups;

	start();
	setups = fake->calls[GW_DEXT_SETUP_INTERRUPTS];
	fn->ops->irq_teardown(fn);
	fake_raise(fake, 4);
	assert_int_equal(sink.fires, 0);
	fn->ops->irq_teardown(fn);
	assert_int_equal(fn->ops->irq_setup(fn, &sink.sink, &nr), 0);
	assert_int_equal(nr, 100);
	assert_int_equal(fake->calls[GW_DEXT_SETUP_INTERRUPTS], setups);	/* once for good */
	fake_raise(fake, 5);
	assert_int_equal(sink.count[5], 1);
	assert_int_equal(sink.count[4], 0);
}

static void setup_that_fails_leaves_nothing_and_may_be_repeated(void **state)
{
	static const struct { uint32_t result; int err; } setup_error[] = {
		{ GW_IORETURN_STILL_OPEN, -EBUSY }, { GW_IORETURN_NOT_OPEN, -ENOTCONN },
		{ GW_IORETURN_NO_RESOURCES, -ENOSPC },
	};
	unsigned int nr = 0;

	for (size_t i = 0; i < ARRAY_SIZE(setup_error); i++) {
		fake_fail(fake, GW_DEXT_SETUP_INTERRUPTS, setup_error[i].result, 0);
		assert_int_equal(fn->ops->irq_setup(fn, &sink.sink, &nr), setup_error[i].err);
	}
	fake_heal(fake, GW_DEXT_SETUP_INTERRUPTS);
	fake->wait_result = GW_IORETURN_NOT_READY;
	assert_int_equal(fn->ops->irq_setup(fn, &sink.sink, &nr), -EAGAIN);
	fake->wait_result = 0;
	assert_int_equal(fake->maps[GW_DEXT_MEMORY_IRQ_PAGE], 0);
	assert_int_equal(sink.fires, 0);
	start();
	fake_raise(fake, 3);
	assert_int_equal(sink.count[3], 1);
}

static void set_mask(unsigned int from, unsigned int to)
{
	uint64_t enabled[GW_IRQ_WORDS] = { 0 };

	for (unsigned int v = from; v < to; v++)
		enabled[v / 64] |= 1ull << v % 64;
	assert_int_equal(fn->ops->irq_mask(fn, enabled), 0);
}

static void masked_vectors_do_not_arrive(void **state)
{
	set_mask(0, 2);		/* before setup is fine */
	start();
	for (unsigned int v = 0; v < 4; v++)
		fake_raise(fake, v);
	assert_int_equal(sink.count[0] + sink.count[1], 2);
	assert_int_equal(sink.count[2] + sink.count[3], 0);
	set_mask(2, 256);
	for (unsigned int v = 0; v < 4; v++)
		fake_raise(fake, v);
	assert_int_equal(sink.count[0] + sink.count[1], 2);
	assert_int_equal(sink.count[2] + sink.count[3], 2);
	assert_int_equal(atomic_load(&fake->page.enabled[0]), ~3ull);
	assert_int_equal(atomic_load(&fake->page.enabled[1]), (1ull << 36) - 1);
	assert_int_equal(atomic_load(&fake->page.enabled[2]), 0);
}

static void the_mask_is_a_call_only_without_the_page(void **state)
{
	start();
	set_mask(0, 1);
	assert_int_equal(fake->calls[GW_DEXT_SET_IRQ_MASK],
			 fake->page_result ? 2 : 0);
	assert_int_equal(atomic_load(&fake->page.enabled[0]), 1);
}

static void a_mask_the_dext_refuses_is_an_error(void **state)
{
	const uint64_t none[GW_IRQ_WORDS] = { 0 };

	start();
	fake_fail(fake, GW_DEXT_SET_IRQ_MASK, GW_IORETURN_TIMEOUT, 0);
	assert_int_equal(fn->ops->irq_mask(fn, none), -ETIMEDOUT);
	fake_raise(fake, 1);
	assert_int_equal(sink.fires, 0);	/* dropped here then */
}

static void bits_beyond_the_vectors_are_dropped(void **state)
{
	start();
	atomic_store(&fake->page.pending[1], ~0ull);
	atomic_store(&fake->page.pending[3], ~0ull);
	fake_complete(fake, GW_IORETURN_SUCCESS);
	for (unsigned int v = 0; v < GW_MAX_VECTORS; v++)
		assert_int_equal(sink.count[v], v >= 64 && v < 100);
	fake_complete(fake, GW_IORETURN_SUCCESS);	/* nothing pending: not told */
	assert_int_equal(sink.fires, 1);
	assert_true(fake_waited_for(fake));
}

/* failures */

static void a_wait_that_fails_is_made_again_but_not_for_ever(void **state)
{
	start();
	for (unsigned int i = 0; i < 7; i++)
		assert_true(fake_complete(fake, GW_IORETURN_TIMEOUT));
	fake_raise(fake, 1);			/* all is well again */
	assert_int_equal(sink.count[1], 1);
	for (unsigned int i = 0; i < 8; i++)
		assert_true(fake_complete(fake, GW_IORETURN_TIMEOUT));
	assert_false(fake_waited_for(fake));
	assert_false(is_gone());
	assert_int_equal(fn->ops->reset(fn), 0);	/* a reset tries anew */
	assert_true(fake_waited_for(fake));
	fake_raise(fake, 2);
	assert_int_equal(sink.count[2], 1);
}

/* It is said, and counts as no failure, however often it is. */
static void a_machine_that_sleeps_ends_no_delivery(void **state)
{
	start();
	memset(fake_lines, 0, sizeof(fake_lines));
	for (unsigned int i = 0; i < 200; i++)
		assert_true(fake_complete(fake, GW_IORETURN_NO_POWER));
	assert_non_null(strstr(fake_lines, "this machine goes to sleep, and the device forgets"));
	assert_true(strlen(fake_lines) < sizeof(fake_lines) - 1);	/* no more than a guest may */
	fake_raise(fake, 1);
	assert_int_equal(sink.count[1], 1);
	assert_false(is_gone());
}

static void waits_that_cannot_be_made_end(void **state)
{
	start();
	fake->wait_result = GW_IORETURN_NO_RESOURCES;
	fake_raise(fake, 1);
	assert_int_equal(sink.count[1], 1);
	assert_false(fake_waited_for(fake));
	fake->wait_result = 0;
	assert_int_equal(fn->ops->reset(fn), 0);
	fake_raise(fake, 1);
	assert_int_equal(sink.count[1], 2);
}

static void taking_that_fails_is_tried_again(void **state)
{
	start();
	fake_set_pending(fake, 9);
	fake_fail(fake, GW_DEXT_CHECK_INTERRUPT, GW_IORETURN_TIMEOUT, 0);
	fake_complete(fake, GW_IORETURN_SUCCESS);
	assert_false(fake_waited_for(fake));
	fake_heal(fake, GW_DEXT_CHECK_INTERRUPT);
	assert_int_equal(fn->ops->reset(fn), 0);
	assert_int_equal(sink.count[9], 1);
}

static void a_device_that_goes_ends_delivery_and_says_so(void **state)
{
	start();
	assert_false(is_gone());
	assert_true(fake_complete(fake, GW_IORETURN_NO_DEVICE));
	assert_false(fake_waited_for(fake));
	assert_true(is_gone());
	assert_int_equal(fn->ops->reset(fn), -ENODEV);
}

/* storms: each wait finds the next interrupt at once */

static void a_storm_does_not_recurse(void **state)
{
	start();
	atomic_store(&fake->storm, 10);		/* stays on this thread */
	fake_raise(fake, 1);
	assert_int_equal(sink_count(5), 10);
	assert_int_equal(sink.on_owner, 11);
	assert_true(sink.highest - sink.lowest < 1024);
}

static void a_long_storm_leaves_the_thread_it_began_on(void **state)
{
	start();
	atomic_store(&fake->storm, 10000);
	fake_raise(fake, 1);
	sink_await(5, 10000);
	pthread_mutex_lock(&sink.lock);
	assert_int_equal(sink.count[5], 10000);
	assert_true(sink.on_owner < 40);
	pthread_mutex_unlock(&sink.lock);
}

static void setup_and_close_return_in_a_storm_without_end(void **state)
{
	atomic_store(&fake->storm, UINT32_MAX);
	start();
	sink_await(5, 100);
	close_it();
	assert_false(sink.inside);
	assert_true(atomic_load(&fake->storm) > 0);
	sink.closed = true;
}

/* threads */

#define RAISERS	3
#define RAISES	3000

static void *raise_and_await(void *opaque)
{
	unsigned int v = (unsigned int)(uintptr_t)opaque;

	for (unsigned int i = 1; i <= RAISES; i++) {
		fake_raise(fake, v);
		sink_await(v, i);	/* for ever if one is lost */
	}
	return NULL;
}

static void no_wake_up_is_lost_between_threads(void **state)
{
	pthread_t t[RAISERS];

	start();
	for (uintptr_t i = 0; i < RAISERS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, raise_and_await, (void *)(i * 40)), 0);
	for (unsigned int i = 0; i < RAISERS; i++)
		pthread_join(t[i], NULL);
	for (unsigned int i = 0; i < RAISERS; i++)
		assert_int_equal(sink.count[i * 40], RAISES);
}

static void *raise_some(void *opaque)
{
	for (unsigned int i = 0; i < 200; i++)
		fake_raise(fake, i % 100);
	return NULL;
}

static void masks_may_change_while_interrupts_come(void **state)
{
	pthread_t t[2];

	start();
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&t[i], NULL, raise_some, NULL), 0);
	for (unsigned int i = 0; i < 200; i++)
		set_mask(i % 50, 100);
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	set_mask(0, 100);
	fake_raise(fake, 0);
	assert_true(sink_count(0) > 0);
}

/* fire() is held inside until the owner of the sink says that it will do away with it. */
static void close_while_inside(void)
{
	pthread_mutex_lock(&sink.lock);
	while (!sink.inside)
		pthread_cond_wait(&sink.changed, &sink.lock);
	sink.closing = true;
	pthread_cond_broadcast(&sink.changed);
	pthread_mutex_unlock(&sink.lock);
}

/* Looks at the sink without the lock, as what it sees must be ordered by the mask. */
static void *mask_thread(void *opaque)
{
	const uint64_t none[GW_IRQ_WORDS] = { 0 };

	close_while_inside();
	assert_int_equal(fn->ops->irq_mask(fn, none), 0);
	sink.bad |= sink.inside;
	return NULL;
}

/* The owner of a sink masks all and then frees it. */
static void a_mask_waits_for_a_delivery_under_way(void **state)
{
	pthread_t t;

	start();
	sink.hold = true;
	assert_int_equal(pthread_create(&t, NULL, mask_thread, NULL), 0);
	fake_raise(fake, 1);
	pthread_join(t, NULL);
	assert_false(sink.bad);
	fake_raise(fake, 1);
	assert_int_equal(sink.count[1], 1);
}

static void *close_thread(void *opaque)
{
	close_while_inside();
	close_it();
	pthread_mutex_lock(&sink.lock);
	sink.bad |= sink.inside;
	sink.closed = true;
	pthread_mutex_unlock(&sink.lock);
	return NULL;
}

static void close_waits_for_a_delivery_under_way(void **state)
{
	static char memory[16384] __attribute__((aligned(16384)));
	const struct gw_memory mem = { .addr = memory };
	struct gw_mapping m;
	pthread_t t;

	/* closing unregisters this once it has done with interrupts */
	assert_int_equal(fn->ops->dma_map(fn, &mem, sizeof(memory), NULL, &m), 0);
	start();
	sink.hold = true;
	assert_int_equal(pthread_create(&t, NULL, close_thread, NULL), 0);
	fake_raise(fake, 1);
	pthread_join(t, NULL);
	assert_true(sink.closed);
	fake_raise(fake, 1);
	assert_int_equal(sink.count[1], 1);
}

static void nothing_follows_a_close_that_raced_with_interrupts(void **state)
{
	pthread_t t[2];

	for (unsigned int round = 0; round < 50; round++) {
		sink.closed = false;
		start();
		for (unsigned int i = 0; i < 2; i++)
			assert_int_equal(pthread_create(&t[i], NULL, raise_some, NULL), 0);
		sink_await(round % 100, 1);
		close_it();
		pthread_mutex_lock(&sink.lock);
		sink.closed = true;
		pthread_mutex_unlock(&sink.lock);
		for (unsigned int i = 0; i < 2; i++)
			pthread_join(t[i], NULL);
		assert_int_equal(host->ops->open(host, "01:02.3", &fn), 0);
	}
}

static void close_waits_for_a_completion_that_is_late(void **state)
{
	start();
	fake_raise(fake, 1);
	fake->late = true;
	close_it();
	pthread_join(fake->late_thread, NULL);
	assert_false(fake_waited_for(fake));
}

#define P(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define C(f) { #f " (calls)", f, setup_calls, teardown, NULL }
#define BOTH(f) P(f), C(f)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(each_vector_arrives_once),
		P(with_the_page_an_interrupt_costs_one_call),
		BOTH(vectors_pending_together_arrive_together),
		BOTH(what_was_pending_before_setup_arrives),
		BOTH(what_comes_between_taking_and_waiting_is_found),
		BOTH(setup_is_once),
		BOTH(a_sink_that_was_taken_away_hears_nothing_and_another_may_come),
		BOTH(setup_that_fails_leaves_nothing_and_may_be_repeated),
		BOTH(masked_vectors_do_not_arrive),
		BOTH(the_mask_is_a_call_only_without_the_page),
		C(a_mask_the_dext_refuses_is_an_error),
		BOTH(bits_beyond_the_vectors_are_dropped),
		BOTH(a_wait_that_fails_is_made_again_but_not_for_ever),
		BOTH(a_machine_that_sleeps_ends_no_delivery),
		BOTH(waits_that_cannot_be_made_end),
		C(taking_that_fails_is_tried_again),
		BOTH(a_device_that_goes_ends_delivery_and_says_so),
		BOTH(a_storm_does_not_recurse),
		BOTH(a_long_storm_leaves_the_thread_it_began_on),
		BOTH(setup_and_close_return_in_a_storm_without_end),
		BOTH(no_wake_up_is_lost_between_threads),
		BOTH(masks_may_change_while_interrupts_come),
		BOTH(a_mask_waits_for_a_delivery_under_way),
		BOTH(close_waits_for_a_delivery_under_way),
		BOTH(nothing_follows_a_close_that_raced_with_interrupts),
		BOTH(close_waits_for_a_completion_that_is_late),
	};

	return cmocka_run_group_tests_name("dext_irq", tests, NULL, NULL);
}
