/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "base/util.h"
#include "fake_dext.h"

/* A reset that takes longer than a VMM waits. */

static struct fake_dext dext;
static struct fake_fn *fake;
static struct gw_host *host;
static struct gw_function *fn;
static _Atomic unsigned int errors;

static void ignore(struct gw_irq_sink *sink, const uint64_t pending[GW_IRQ_WORDS])
{
}

static void count_error(struct gw_irq_sink *sink)
{
	errors++;
}

static struct gw_irq_sink sink = { .fire = ignore, .error = count_error };

/* Whoever waits for @reset_ms waits for a dext that does not answer, or for less than that. */
static void open_it(unsigned int reset_ms)
{
	const struct gw_dext_options o = {
		.answer_ms = 60000, .open_ms = 60000, .reset_ms = reset_ms,
	};
	unsigned int nr;

	gw_dext_host_set_options(host, &o);
	assert_int_equal(host->ops->open(host, "01:02.3", &fn), 0);
	assert_int_equal(fn->ops->irq_setup(fn, &sink, &nr), 0);
}

static int setup(void **state)
{
	errors = 0;
	fake_init(&dext);
	fake = fake_add(&dext, "pcic0", 1, 2, 3);
	assert_int_equal(gw_dext_host_new(&dext.services, &fake_log, &host), 0);
	open_it(100);
	return 0;
}

static int teardown(void **state)
{
	fn->ops->close(fn);
	host->ops->free(host);
	assert_int_equal(fake_open_conns(fake), 0);
	assert_int_equal(fake_regions(fake), 0);
	return 0;
}

static uint32_t config(unsigned int off, unsigned int width)
{
	uint32_t val;

	assert_int_equal(fn->ops->config_read(fn, off, width, &val), 0);
	return val;
}

static void begin_slow_reset(void)
{
	atomic_store(&fake->hang, 1u << GW_DEXT_RESET_DEVICE);
	assert_int_equal(fn->ops->reset(fn), 0);
}

/* Nothing waits for a reset to be over but an access that has to. */
static void await_reset(void)
{
	fake_release(fake);
	config(0, 4);
}

static void dma_has_ended_when_a_reset_goes_on(void **state)
{
	fake->config[4] = 0x06;
	begin_slow_reset();
	assert_int_equal(fake->config[4], 0x02);
	await_reset();
	assert_int_equal(fake->config[4], 0x02);
}

static void command_is_answered_and_kept_for_afterwards(void **state)
{
	fake->config[4] = 0x06;
	begin_slow_reset();
	assert_int_equal(config(4, 2), 0x02);
	assert_int_equal(fn->ops->config_write(fn, 4, 2, 0x406), 0);
	assert_int_equal(config(4, 2), 0x406);
	assert_int_equal(fake->config[5], 0);
	await_reset();
	assert_int_equal(config(4, 2), 0x406);
	assert_int_equal(fake->config[5], 4);
}

static void an_access_waits_and_then_finds_nothing_on_the_bus(void **state)
{
	unsigned int before;
	uint64_t val;

	memcpy(fake->config, "\x36\x1b\x10\x00", 4);
	begin_slow_reset();
	before = fake->calls[GW_DEXT_MMIO_READ] + fake->calls[GW_DEXT_CONFIG_READ];
	assert_int_equal(config(0, 4), 0xffffffff);
	assert_int_equal(fn->ops->reg_read(fn, 0, (gw_bar_off){ 8 }, 2, &val), 0);
	assert_int_equal(val, 0xffff);
	assert_int_equal(fn->ops->reg_write(fn, 0, (gw_bar_off){ 8 }, 2, 1), 0);
	assert_int_equal(fn->ops->config_write(fn, 0x3c, 1, 1), 0);
	assert_int_equal(fake->calls[GW_DEXT_MMIO_READ] + fake->calls[GW_DEXT_CONFIG_READ], before);
	assert_int_equal(fake->calls[GW_DEXT_MMIO_WRITE], 0);
	await_reset();
	assert_int_equal(config(0, 4), 0x00101b36);
}

static void a_second_reset_meanwhile_is_the_same_one(void **state)
{
	begin_slow_reset();
	assert_int_equal(fn->ops->reset(fn), 0);
	assert_int_equal(fake->calls[GW_DEXT_RESET_DEVICE], 1);
	await_reset();
	assert_int_equal(fn->ops->reset(fn), 0);
	assert_int_equal(fake->calls[GW_DEXT_RESET_DEVICE], 2);
}

static void memory_can_be_mapped_while_a_reset_goes_on(void **state)
{
	static char memory[16384] __attribute__((aligned(16384)));
	const struct gw_memory mem = { .addr = memory };
	struct gw_mapping m;

	begin_slow_reset();
	assert_int_equal(fn->ops->dma_map(fn, &mem, sizeof(memory), NULL, &m), 0);
	assert_int_equal(fn->ops->dma_unmap(fn, m.handle), 0);
	await_reset();
}

static void a_late_failure_is_told_and_mended_by_the_next_reset(void **state)
{
	memcpy(fake->config, "\x36\x1b\x10\x00", 4);
	fake_fail(fake, GW_DEXT_RESET_DEVICE, GW_IORETURN_TIMEOUT, 0);
	begin_slow_reset();
	assert_int_equal(errors, 0);
	await_reset();
	assert_int_equal(errors, 1);
	assert_non_null(strstr(fake_lines, "reset failed"));
	assert_int_equal(config(0, 4), 0xffffffff);
	assert_int_equal(config(1, 1), 0xff);
	assert_int_equal(fn->ops->config_read(fn, 0, 0, &(uint32_t){ 0 }), -EINVAL);
	assert_int_equal(fn->ops->config_write(fn, 4096, 4, 0), -EINVAL);
	fake_heal(fake, GW_DEXT_RESET_DEVICE);
	assert_int_equal(fn->ops->reset(fn), 0);
	assert_int_equal(config(0, 4), 0x00101b36);
	assert_int_equal(errors, 1);
}

static void a_late_failure_is_told_to_nobody_who_listens_no_more(void **state)
{
	fake_fail(fake, GW_DEXT_RESET_DEVICE, GW_IORETURN_TIMEOUT, 0);
	begin_slow_reset();
	fn->ops->irq_teardown(fn);
	await_reset();
	assert_int_equal(errors, 0);
	fake_heal(fake, GW_DEXT_RESET_DEVICE);
}

static void a_failure_in_time_is_the_answer(void **state)
{
	fn->ops->close(fn);
	open_it(60000);
	fake_fail(fake, GW_DEXT_RESET_DEVICE, GW_IORETURN_TIMEOUT, 0);
	assert_int_equal(fn->ops->reset(fn), -ETIMEDOUT);
	assert_int_equal(errors, 0);
	fake_heal(fake, GW_DEXT_RESET_DEVICE);
}

static void *release(void *opaque)
{
	fake_release(fake);
	return NULL;
}

static void close_waits_for_a_reset_that_goes_on(void **state)
{
	pthread_t t;

	begin_slow_reset();
	assert_int_equal(pthread_create(&t, NULL, release, NULL), 0);
	fn->ops->close(fn);
	assert_int_equal(fake_open_conns(fake), 0);
	pthread_join(t, NULL);
	open_it(100);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(dma_has_ended_when_a_reset_goes_on),
		T(command_is_answered_and_kept_for_afterwards),
		T(an_access_waits_and_then_finds_nothing_on_the_bus),
		T(a_second_reset_meanwhile_is_the_same_one),
		T(memory_can_be_mapped_while_a_reset_goes_on),
		T(a_late_failure_is_told_and_mended_by_the_next_reset),
		T(a_late_failure_is_told_to_nobody_who_listens_no_more),
		T(a_failure_in_time_is_the_answer),
		T(close_waits_for_a_reset_that_goes_on),
	};

	return cmocka_run_group_tests_name("dext_reset", tests, NULL, NULL);
}
