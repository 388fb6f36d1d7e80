/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <sched.h>

#include "base/util.h"
#include "fake_dext.h"
#include "base/os.h"
#include "host/dext/function.h"

/*
 * A dext in another process that stops answering, at each of the calls that an open function makes: the call
 * ends, so do the others, what is late is undone, and closing waits for nobody.
 */

#define CALL_MS		400u		/* that are waited for each silent call */

static struct fake_dext dext;
static struct fake_fn *fake;
static struct gw_host *host;
static struct gw_function *fn;
static char memory[16384] __attribute__((aligned(16384)));
static unsigned int fired;

static _Atomic uint64_t longest;	/* deadline that anybody has waited for */

int __real_gw_os_cond_wait_until(pthread_cond_t *c, pthread_mutex_t *m, uint64_t deadline);
int __wrap_gw_os_cond_wait_until(pthread_cond_t *c, pthread_mutex_t *m, uint64_t deadline);

int __wrap_gw_os_cond_wait_until(pthread_cond_t *c, pthread_mutex_t *m, uint64_t deadline)
{
	uint64_t was = atomic_load(&longest);

	while (deadline > was && !atomic_compare_exchange_weak(&longest, &was, deadline))
		continue;
	return __real_gw_os_cond_wait_until(c, m, deadline);
}

static int setup(void **state)
{
	const struct gw_dext_options o = { .answer_ms = 60000, .open_ms = 60000, .reset_ms = 60000,
					   .call_ms = CALL_MS };

	fn = NULL;
	fired = 0;
	fake_init(&dext);
	dext.services.other_process = true;
	fake = fake_add(&dext, "pcic0", 1, 2, 3);
	fake->extended = true;
	assert_int_equal(gw_dext_host_new(&dext.services, &fake_log, &host), 0);
	gw_dext_host_set_options(host, &o);
	assert_int_equal(host->ops->open(host, "01:02.3", &fn), 0);
	return 0;
}

/* The connection closes with the last call that returns. */
static int teardown(void **state)
{
	if (fn)
		fn->ops->close(fn);
	fake_release(fake);
	while (fake_open_conns(fake))
		sched_yield();
	host->ops->free(host);
	assert_int_equal(fake_regions(fake), 0);
	return 0;
}

static int read_config(void)
{
	uint32_t v;

	return fn->ops->config_read(fn, 0, 4, &v);
}

static int read_register(void)
{
	uint64_t v;

	return fn->ops->reg_read(fn, 2, (gw_bar_off){ 0 }, 4, &v);
}

static int write_register(void)
{
	return fn->ops->reg_write(fn, 2, (gw_bar_off){ 0 }, 4, 1);
}

static int write_config(void)
{
	return fn->ops->config_write(fn, 4, 2, 6);
}

static int map(struct gw_mapping *m)
{
	const struct gw_memory mem = { .addr = memory };

	return fn->ops->dma_map(fn, &mem, sizeof(memory), NULL, m);
}

static int map_memory(void)
{
	struct gw_mapping m;

	return map(&m);
}

static int map_at(void)
{
	const struct gw_memory mem = { .addr = memory };
	const gw_iova at = { 0x40000 };
	struct gw_mapping m;

	return fn->ops->dma_map(fn, &mem, sizeof(memory), &at, &m);
}

static int reset(void)
{
	return fn->ops->reset(fn);
}

static void fire(struct gw_irq_sink *sink, const uint64_t pending[GW_IRQ_WORDS])
{
	fired++;
}

static struct gw_irq_sink sink = { .fire = fire };

static int set_interrupts_up(void)
{
	unsigned int nr;
	int ret = fn->ops->irq_setup(fn, &sink, &nr);

	return ret;
}

static const struct {
	unsigned int hang;
	int (*ask)(void);
} asked[] = {
	{ GW_DEXT_CONFIG_READ, read_config },
	{ GW_DEXT_CONFIG_WRITE, write_config },
	{ GW_DEXT_MMIO_READ, read_register },
	{ GW_DEXT_MMIO_WRITE, write_register },
	{ GW_DEXT_REGISTER_REGION, map_memory },
	{ GW_DEXT_REGISTER_AT, map_at },
	{ GW_DEXT_SETUP_INTERRUPTS, set_interrupts_up },
};

static void await_answers(void)
{
	int ret;

	fake_release(fake);
	while ((ret = read_config()))
		assert_int_equal(ret, -ETIMEDOUT);
}

static void every_call_ends_and_the_next_do_not_wait(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
		unsigned int calls;

		atomic_store(&fake->hang, 1u << asked[i].hang);
		assert_int_equal(asked[i].ask(), -ETIMEDOUT);
		calls = atomic_load(&fake->calls[GW_DEXT_MMIO_READ]);
		/* nobody is asked while one does not answer */
		for (unsigned int k = 0; k < 50; k++) {
			assert_int_equal(read_register(), -ETIMEDOUT);
			assert_int_equal(map_memory(), -ETIMEDOUT);
		}
		assert_int_equal(atomic_load(&fake->calls[GW_DEXT_MMIO_READ]), calls);
		await_answers();
		assert_int_equal(fake_regions(fake), 0);	/* the late one is undone */
		assert_int_equal(read_register(), 0);
	}
	assert_non_null(strstr(fake_lines, "01:02.3: its driver extension does not answer"));
	assert_non_null(strstr(fake_lines, "01:02.3: its driver extension answers again"));
}

/* It is the only one: a second would take its place. */
static void a_buffer_that_comes_late_is_given_back(void **state)
{
	struct gw_dext_client *c = &container_of(fn, struct gw_dext_function, f)->client;
	struct gw_dext_buffer buffer;

	atomic_store(&fake->hang, 1u << GW_DEXT_ALLOC_BUFFER);
	assert_int_equal(gw_dext_alloc_buffer(c, sizeof(memory), 0, &buffer), -ETIMEDOUT);
	await_answers();
	assert_int_equal(atomic_load(&fake->calls[GW_DEXT_FREE_BUFFER]), 1);
	/* and one that fails late is none */
	fake_fail(fake, GW_DEXT_ALLOC_BUFFER, GW_IORETURN_NO_MEMORY, 0);
	atomic_store(&fake->hang, 1u << GW_DEXT_ALLOC_BUFFER);
	assert_int_equal(gw_dext_alloc_buffer(c, sizeof(memory), 0, &buffer), -ETIMEDOUT);
	await_answers();
	assert_int_equal(atomic_load(&fake->calls[GW_DEXT_FREE_BUFFER]), 1);
}

#define LONG_MS		60000u

static void a_reset_has_three_times_as_long_as_a_call(void **state)
{
	const uint64_t ns = LONG_MS * 1000000ull;
	uint64_t start;

	fn->ops->close(fn);
	fn = NULL;
	gw_dext_host_set_options(host, &(struct gw_dext_options){ .call_ms = LONG_MS });
	assert_int_equal(host->ops->open(host, "01:02.3", &fn), 0);
	atomic_store(&longest, 0);
	start = gw_now_ns();
	assert_int_equal(read_register(), 0);
	assert_in_range(atomic_load(&longest), start + ns, gw_now_ns() + ns);
	start = gw_now_ns();
	assert_int_equal(reset(), 0);
	assert_in_range(atomic_load(&longest), start + 3 * ns, gw_now_ns() + 3 * ns);
}

static void what_is_not_unmapped_in_time_counts_as_mapped(void **state)
{
	struct gw_mapping m;

	assert_int_equal(map(&m), 0);
	atomic_store(&fake->hang, 1u << GW_DEXT_UNREGISTER_REGION);
	assert_int_equal(fn->ops->dma_unmap(fn, m.handle), -ETIMEDOUT);
	assert_int_equal(fn->ops->dma_unmap(fn, m.handle), -ETIMEDOUT);
	await_answers();
	/* the dext has lost it meanwhile, which is as good */
	assert_int_equal(fn->ops->dma_unmap(fn, m.handle), 0);
	assert_int_equal(fn->ops->dma_unmap(fn, m.handle), -ENOENT);
}

static void a_wait_that_is_made_late_delivers(void **state)
{
	atomic_store(&fake->hang, 1u << GW_DEXT_WAIT_INTERRUPT);
	assert_int_equal(set_interrupts_up(), 0);
	await_answers();
	while (!fake_waited_for(fake))
		sched_yield();
	fake_raise(fake, 3);
	assert_int_equal(fired, 1);
}

static void a_wait_that_fails_late_is_made_again(void **state)
{
	fake->wait_result = GW_IORETURN_ERROR;
	atomic_store(&fake->hang, 1u << GW_DEXT_WAIT_INTERRUPT);
	assert_int_equal(set_interrupts_up(), 0);
	assert_int_equal(atomic_load(&fake->calls[GW_DEXT_WAIT_INTERRUPT]), 1);
	await_answers();
	while (atomic_load(&fake->calls[GW_DEXT_WAIT_INTERRUPT]) < 3)
		sched_yield();
}

static void interrupts_without_a_page_end_too(void **state)
{
	fake->page_result = GW_IORETURN_UNSUPPORTED;
	assert_int_equal(set_interrupts_up(), 0);
	atomic_store(&fake->hang, 1u << GW_DEXT_SET_IRQ_MASK);
	assert_int_equal(fn->ops->irq_mask(fn, (uint64_t[GW_IRQ_WORDS]){ 1 }), -ETIMEDOUT);
	await_answers();
	assert_int_equal(fn->ops->irq_mask(fn, (uint64_t[GW_IRQ_WORDS]){ ~0ull }), 0);
}

static void the_page_of_interrupts_may_hang(void **state)
{
	atomic_store(&fake->hang, 1u << FAKE_HANG_MAP);
	/* without the page there are calls, of which none is answered either */
	assert_int_equal(set_interrupts_up(), -ETIMEDOUT);
	await_answers();
	assert_int_equal(fake->maps[GW_DEXT_MEMORY_IRQ_PAGE], 0);
}

/* Closing a function whose dext went silent at @hang. */
static void close_with(unsigned int hang)
{
	struct gw_mapping m;

	assert_int_equal(set_interrupts_up(), 0);
	assert_int_equal(map(&m), 0);
	atomic_store(&fake->hang, 1u << hang);
	fn->ops->close(fn);
	fn = NULL;
	fake_release(fake);
	while (fake_open_conns(fake))
		sched_yield();
	/* but who has mapped is who unmaps, and who could not be asked is asked once there is an answer */
	for (unsigned int i = 0; i < ARRAY_SIZE(fake->maps); i++)
		assert_int_equal(fake->maps[i], 0);
	for (unsigned int i = 0; i < FAKE_REGIONS; i++)	/* the end of a connection takes them */
		fake->region[i].key = 0;
}

static void closing_waits_for_nobody(void **state)
{
	static const unsigned int hang[] = { GW_DEXT_CONFIG_READ, GW_DEXT_CONFIG_WRITE,
		GW_DEXT_UNREGISTER_REGION, FAKE_HANG_UNMAP, FAKE_HANG_CLOSE };

	for (size_t i = 0; i < ARRAY_SIZE(hang); i++) {
		if (!fn)
			assert_int_equal(host->ops->open(host, "01:02.3", &fn), 0);
		close_with(hang[i]);
	}
}

/* The kernel has a message under way when the connection closes. */
static void a_wait_may_end_when_all_else_has(void **state)
{
	assert_int_equal(set_interrupts_up(), 0);
	fake->by_hand = true;
	fn->ops->close(fn);
	fn = NULL;
	assert_false(fake_open_conns(fake));
	assert_true(fake_complete(fake, GW_IORETURN_ABORTED));
	assert_int_equal(fired, 0);
}

static void a_reset_that_is_never_answered_is_given_up(void **state)
{
	const struct gw_dext_options o = { .answer_ms = 60000, .open_ms = 60000, .reset_ms = 50,
					   .call_ms = CALL_MS };

	fn->ops->close(fn);
	gw_dext_host_set_options(host, &o);
	assert_int_equal(host->ops->open(host, "01:02.3", &fn), 0);
	atomic_store(&fake->hang, 1u << GW_DEXT_RESET_DEVICE);
	assert_int_equal(reset(), 0);		/* it goes on */
	fn->ops->close(fn);			/* the reset's own limit */
	fn = NULL;
}

static void a_silent_dext_that_vanishes_is_gone(void **state)
{
	atomic_store(&fake->hang, 1u << GW_DEXT_MMIO_READ);
	assert_int_equal(read_register(), -ETIMEDOUT);
	fake_fail(fake, GW_DEXT_CONFIG_READ, GW_IORETURN_NO_DEVICE, 0);
	fake_release(fake);
	while (read_config() == -ETIMEDOUT)
		sched_yield();
	assert_int_equal(read_register(), -ENODEV);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_call_ends_and_the_next_do_not_wait),
		T(a_buffer_that_comes_late_is_given_back),
		T(a_reset_has_three_times_as_long_as_a_call),
		T(what_is_not_unmapped_in_time_counts_as_mapped),
		T(a_wait_that_is_made_late_delivers),
		T(a_wait_that_fails_late_is_made_again),
		T(interrupts_without_a_page_end_too),
		T(the_page_of_interrupts_may_hang),
		T(closing_waits_for_nobody),
		T(a_wait_may_end_when_all_else_has),
		T(a_reset_that_is_never_answered_is_given_up),
		T(a_silent_dext_that_vanishes_is_gone),
	};

	return cmocka_run_group_tests_name("dext_silent", tests, NULL, NULL);
}
