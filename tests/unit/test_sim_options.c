/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim_rig.h"

#include "host/sim/fault.h"

/* Options, the failures they ask for, and what the host counts. */

#define OK GW_IORETURN_SUCCESS

static void each_option_takes_its_values_and_no_others(void **state)
{
	static const struct { const char *key, *value; int ret; } rows[] = {
		{ "granule", "4K", 0 }, { "granule", "2M", 0 }, { "granule", "2K", -EINVAL },
		{ "granule", "4M", -EINVAL }, { "granule", "12K", -EINVAL },
		{ "granule", "", -EINVAL }, { "max-bytes", "1G", 0 },
		{ "max-bytes", "0", -EINVAL }, { "max-bytes", "1X", -EINVAL },
		{ "max-maps", "1", 0 }, { "max-maps", "0", -EINVAL },
		{ "max-maps", "4294967296", -EINVAL }, { "max-map-bytes", "64K", 0 },
		{ "max-map-bytes", "-1", -EINVAL }, { "segments", "32", 0 },
		{ "segments", "0", -EINVAL }, { "segments", "65", -EINVAL }, { "seed", "0", 0 },
		{ "base", "0x10080000000", 0 }, { "base", "4096", -EINVAL },
		{ "seed", "123456789012", 0 }, { "seed", "x", -EINVAL },
		{ "caller-iova", "on", 0 }, { "caller-iova", "off", 0 },
		{ "caller-iova", "1", -EINVAL }, { "caller-iova", "", -EINVAL },
		{ "call-delay-us", "0", 0 }, { "call-delay-us", "10000001", -EINVAL },
		{ "fail-map", "1", 0 }, { "fail-map-one-in", "3", 0 }, { "vanish-after", "9", 0 },
		{ "fail-reset", "on", 0 }, { "fail-reset", "yes", -EINVAL },
		{ "fail-reset-after", "2", 0 }, { "fail-reset-after", "on", -EINVAL },
		{ "lose-irq", "2", 0 }, { "irq-storm", "1000000", 0 },
		{ "irq-storm", "1000001", -EINVAL },
		{ "old-dext", "on", 0 }, { "registry", "on", 0 }, { "multimedia", "off", 0 },
		{ "old-dext", "2", -EINVAL }, { "speed", "fast", -ENOENT },
		{ "", "", -ENOENT }, { "gran", "4K", -ENOENT },
	};
	struct rig *r = rig_sim();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(gw_sim_set_option(r->sim, rows[i].key, rows[i].value),
				 rows[i].ret);
		if (rows[i].ret != -ENOENT)
			assert_non_null(strstr(gw_sim_options_help(), rows[i].key));
	}
	rig_free(r);
}

static void log_line(void *opaque, enum gw_log_level level, const char *line)
{
	char *all = opaque;

	strncat(all, line, 4000 - strlen(all));
	strncat(all, "\n", 4000 - strlen(all));
}

static void an_error_names_the_option_the_value_and_what_is_possible(void **state)
{
	char text[4096] = "";
	struct gw_log log = { .level = GW_LOG_DEBUG, .write = log_line, .opaque = text };
	struct gw_sim *sim;

	assert_int_equal(gw_sim_new(&log, &sim), 0);
	assert_int_equal(gw_sim_set_option(sim, "segments", "99"), -EINVAL);
	assert_non_null(strstr(text, "segments=99"));
	assert_non_null(strstr(text, "64"));
	assert_int_equal(gw_sim_set_option(sim, "granule", "12288"), -EINVAL);
	assert_non_null(strstr(text, "power of two"));
	assert_int_equal(gw_sim_set_option(sim, "nonsense", "1"), -ENOENT);
	assert_non_null(strstr(text, "nonsense"));
	assert_non_null(strstr(text, "caller-iova"));
	gw_sim_free(sim);
}

static void limits_are_fixed_by_the_first_connection_and_failures_are_not(void **state)
{
	struct rig *r = rig_with("max-maps", "2", "max-bytes", "64K", "max-map-bytes", "32K",
				 "granule", "4K", "segments", "2");
	uint64_t out[8];

	assert_int_equal(rig_call(r->c, GW_DEXT_GET_LIMITS, out, 8), OK);
	assert_int_equal(out[0], 4096);
	assert_int_equal(out[1], 65536);
	assert_int_equal(out[2], 2);
	assert_int_equal(out[3], 32768);
	assert_int_equal(out[4], 2);
	assert_int_equal(gw_sim_set_option(r->sim, "max-maps", "3"), -EBUSY);
	assert_int_equal(gw_sim_set_option(r->sim, "seed", "3"), -EBUSY);
	assert_int_equal(gw_sim_set_option(r->sim, "caller-iova", "on"), -EBUSY);
	assert_int_equal(gw_sim_set_option(r->sim, "fail-map", "1"), 0);
	rig_free(r);
	/* less than one granule is no limit that makes sense */
	r = rig_with("max-bytes", "4K", "max-map-bytes", "8K");
	assert_int_equal(rig_call(r->c, GW_DEXT_GET_LIMITS, out, 8), OK);
	assert_int_equal(out[1], RIG_G);
	assert_int_equal(out[3], RIG_G);
	rig_free(r);
}

static void a_host_that_takes_addresses_is_like_linux_unless_told_otherwise(void **state)
{
	struct rig *r = rig_with("caller-iova", "on");
	uint64_t out[8];

	assert_int_equal(rig_call(r->c, GW_DEXT_GET_LIMITS, out, 8), OK);
	assert_int_equal(out[0], 4096);
	assert_true(out[1] >= 1ull << 40);
	assert_int_equal(out[2], 65535);
	assert_int_equal(out[5], GW_DEXT_LIMIT_REMOTE | GW_DEXT_LIMIT_CALLER_IOVA);
	assert_int_equal(out[6], 0);
	assert_int_equal(out[7], (1ull << 48) - 1);
	rig_free(r);
	r = rig_with("max-bytes", "1G", "caller-iova", "on", "granule", "16K");
	assert_int_equal(rig_call(r->c, GW_DEXT_GET_LIMITS, out, 8), OK);
	assert_int_equal(out[0], 16384);
	assert_int_equal(out[1], 1ull << 30);
	rig_free(r);
}

static void the_budget_is_each_functions_own(void **state)
{
	struct rig *r = rig_sim();
	char *mem = rig_memory(2 * RIG_G);
	struct gw_dext_conn *a, *b;
	uint64_t out[3];
	gw_iova iova;

	assert_int_equal(gw_sim_set_option(r->sim, "max-maps", "1"), 0);
	rig_add(r, rig_ep_new());
	assert_int_equal(gw_sim_add(r->sim, &rig_ep_new()->ep, NULL, 2, 0, 0), 0);
	r->c = a = rig_connect(r, 0);
	b = rig_connect(r, 1);
	assert_int_equal(rig_call(a, GW_DEXT_CLAIM, NULL, 0), OK);
	assert_int_equal(rig_call(b, GW_DEXT_CLAIM, NULL, 0), OK);
	assert_int_equal(rig_map(r, 1, mem, RIG_G, &iova), OK);
	assert_int_equal(rig_map(r, 2, mem, RIG_G, &iova), GW_IORETURN_NO_SPACE);
	assert_int_equal(rig_call(b, GW_DEXT_REGISTER_REGION, out, 3, 1, (uintptr_t)mem, RIG_G),
			 OK);
	/* one function's address means nothing to another */
	assert_int_equal(gw_endpoint_dma_read(&r->ep->ep, (gw_iova){ out[1] }, mem, 1), -EFAULT);
	assert_int_equal(rig_stats(r).live_maps, 2);
	b->ops->close(b);
	assert_int_equal(rig_stats(r).live_maps, 1);
	rig_free(r);
	free(mem);
}

static void the_nth_map_fails_and_only_that(void **state)
{
	struct rig *r = rig_new(NULL);
	char *mem = rig_memory(RIG_G);
	uint64_t key = 0, out[6];
	gw_iova iova;

	assert_int_equal(rig_map(r, key++, mem, RIG_G, &iova), OK);
	assert_int_equal(gw_sim_set_option(r->sim, "fail-map", "3"), 0);
	assert_int_equal(rig_map(r, key++, mem, RIG_G, &iova), OK);
	assert_int_equal(rig_map(r, key++, mem, RIG_G, &iova), OK);
	assert_int_equal(rig_call(r->c, GW_DEXT_ALLOC_BUFFER, out, 6, 4096, 0),
			 GW_IORETURN_IO_ERROR);
	assert_int_equal(rig_map(r, key++, mem, RIG_G, &iova), OK);
	assert_int_equal(gw_sim_set_option(r->sim, "fail-map-one-in", "2"), 0);
	for (int i = 0; i < 6; i++)
		assert_int_equal(rig_map(r, key + i, mem, RIG_G, &iova),
				 i % 2 ? GW_IORETURN_IO_ERROR : OK);
	assert_int_equal(rig_stats(r).live_maps, 7);
	/* the key of a failed one is free */
	assert_int_equal(rig_map(r, key + 1, mem, RIG_G, &iova), OK);
	rig_free(r);
	free(mem);
}

static void a_function_vanishes_after_so_many_calls(void **state)
{
	struct rig *r = rig_new(NULL);
	uint64_t v;

	assert_int_equal(gw_sim_set_option(r->sim, "vanish-after", "3"), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(rig_call(r->c, GW_DEXT_CONFIG_READ, &v, 1, 0, 4), OK);
	assert_true(r->ep->running);
	assert_int_equal(rig_call(r->c, GW_DEXT_CONFIG_READ, &v, 1, 0, 4), GW_IORETURN_NO_DEVICE);
	assert_false(r->ep->running);
	rig_free(r);
}

static void interrupt_calls_count_but_leave_the_vanishing_to_the_next(void **state)
{
	struct rig *r = rig_new(NULL);
	uint64_t out[4];

	assert_int_equal(rig_call(r->c, GW_DEXT_SETUP_INTERRUPTS, out, 1), OK);
	assert_int_equal(gw_sim_set_option(r->sim, "vanish-after", "1"), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(rig_call(r->c, GW_DEXT_CHECK_INTERRUPT, out, 4), OK);
	assert_true(r->ep->running);
	assert_int_equal(rig_call(r->c, GW_DEXT_CLAIM, NULL, 0), GW_IORETURN_NO_DEVICE);
	rig_free(r);
}

static void a_reset_that_fails_leaves_the_device_quiet(void **state)
{
	struct rig *r = rig_with("fail-reset", "on");

	assert_int_equal(rig_call(r->c, GW_DEXT_RESET_DEVICE, NULL, 0), GW_IORETURN_TIMEOUT);
	assert_false(r->ep->running);
	assert_int_equal(rig_config(r, 4, 2), 2);
	assert_int_equal(r->ep->resets, 0);
	assert_int_equal(gw_sim_set_option(r->sim, "fail-reset", "off"), 0);
	assert_int_equal(rig_call(r->c, GW_DEXT_RESET_DEVICE, NULL, 0), OK);
	assert_int_equal(r->ep->resets, 1);
	rig_free(r);
}

static void resets_fail_after_so_many(void **state)
{
	struct rig *r = rig_with("fail-reset-after", "2");

	for (int i = 0; i < 2; i++)
		assert_int_equal(rig_call(r->c, GW_DEXT_RESET_DEVICE, NULL, 0), OK);
	for (int i = 0; i < 2; i++)
		assert_int_equal(rig_call(r->c, GW_DEXT_RESET_DEVICE, NULL, 0), GW_IORETURN_TIMEOUT);
	assert_int_equal(r->ep->resets, 2);
	assert_int_equal(gw_sim_set_option(r->sim, "fail-reset-after", "1"), 0);
	assert_int_equal(rig_call(r->c, GW_DEXT_RESET_DEVICE, NULL, 0), OK);
	assert_int_equal(rig_call(r->c, GW_DEXT_RESET_DEVICE, NULL, 0), GW_IORETURN_TIMEOUT);
	assert_int_equal(gw_sim_set_option(r->sim, "fail-reset-after", "0"), 0);
	assert_int_equal(rig_call(r->c, GW_DEXT_RESET_DEVICE, NULL, 0), OK);
	rig_free(r);
}

static void a_call_takes_as_long_as_asked(void **state)
{
	struct rig *r = rig_with("call-delay-us", "1500");
	uint64_t before = gw_now_ns(), v;

	assert_int_equal(rig_call(r->c, GW_DEXT_CONFIG_READ, &v, 1, 0, 4), OK);
	assert_true(gw_now_ns() - before >= 1500000);
	rig_free(r);
}

static void equal_faults_are_counted_and_the_oldest_kept(void **state)
{
	static struct gw_sim_fault f[GW_SIM_FAULTS + 1];
	struct rig *r = rig_new(NULL);
	struct iovec iov;
	struct gw_endpoint_pin pin = { .iov = &iov, .max_iov = 1 };
	struct gw_endpoint *ep = &r->ep->ep;
	char buf[16];

	assert_int_equal(gw_sim_faults(r->sim, NULL, 0), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(gw_endpoint_dma_read(ep, (gw_iova){ 64 }, buf, 8), -EFAULT);
	assert_int_equal(gw_endpoint_dma_write(ep, (gw_iova){ 64 }, buf, 8), -EFAULT);
	assert_int_equal(gw_endpoint_dma_read(ep, (gw_iova){ 64 }, buf, 9), -EFAULT);
	assert_int_equal(gw_endpoint_pin(ep, (gw_iova){ 64 }, 8, GW_DMA_READ, &pin), -EFAULT);
	assert_int_equal(gw_sim_faults(r->sim, f, 1), 3);
	assert_int_equal(f[0].bus, 1);
	assert_int_equal(f[0].dev, 0);
	assert_int_equal(f[0].fn, 0);
	assert_int_equal(f[0].iova.v, 64);
	assert_int_equal(f[0].size, 8);
	assert_int_equal(f[0].dir, GW_DMA_READ);
	assert_int_equal(f[0].count, 4);
	assert_int_equal(f[1].count, 0);	/* not touched: no room was offered */
	for (uint64_t i = 0; i < 500; i++)
		assert_int_equal(gw_endpoint_dma_read(ep, (gw_iova){ i << 20 }, buf, 1), -EFAULT);
	assert_int_equal(gw_sim_faults(r->sim, f, GW_SIM_FAULTS + 1), GW_SIM_FAULTS);
	assert_int_equal(f[1].dir, GW_DMA_WRITE);
	assert_int_equal(f[255].iova.v, 252ull << 20);
	assert_int_equal(rig_stats(r).faults, 506);
	rig_free(r);
}

static void bytes_are_counted_by_direction(void **state)
{
	struct rig *r = rig_new(NULL);
	char *mem = rig_memory(RIG_G), buf[100] = { 0 };
	struct iovec iov;
	struct gw_endpoint_pin pin = { .iov = &iov, .max_iov = 1 };
	gw_iova iova;

	assert_int_equal(rig_map(r, 1, mem, RIG_G, &iova), OK);
	assert_int_equal(gw_endpoint_dma_read(&r->ep->ep, iova, buf, 100), 0);
	assert_int_equal(gw_endpoint_dma_write(&r->ep->ep, iova, buf, 30), 0);
	assert_int_equal(gw_endpoint_pin(&r->ep->ep, iova, 512, GW_DMA_WRITE, &pin), 0);
	gw_endpoint_unpin(&r->ep->ep, &pin);
	assert_int_equal(gw_endpoint_dma_read(&r->ep->ep, (gw_iova){ 0 }, buf, 100), -EFAULT);
	assert_int_equal(rig_stats(r).dma_read_bytes, 100);
	assert_int_equal(rig_stats(r).dma_written_bytes, 542);
	assert_int_equal(rig_stats(r).maps, 1);
	assert_int_equal(rig_unmap(r, 1), OK);
	assert_int_equal(rig_stats(r).unmaps, 1);
	assert_int_equal(rig_stats(r).peak_bytes, RIG_G);
	rig_free(r);
	free(mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_option_takes_its_values_and_no_others),
		cmocka_unit_test(an_error_names_the_option_the_value_and_what_is_possible),
		cmocka_unit_test(limits_are_fixed_by_the_first_connection_and_failures_are_not),
		cmocka_unit_test(a_host_that_takes_addresses_is_like_linux_unless_told_otherwise),
		cmocka_unit_test(the_budget_is_each_functions_own),
		cmocka_unit_test(the_nth_map_fails_and_only_that),
		cmocka_unit_test(a_function_vanishes_after_so_many_calls),
		cmocka_unit_test(interrupt_calls_count_but_leave_the_vanishing_to_the_next),
		cmocka_unit_test(a_reset_that_fails_leaves_the_device_quiet),
		cmocka_unit_test(resets_fail_after_so_many),
		cmocka_unit_test(a_call_takes_as_long_as_asked),
		cmocka_unit_test(equal_faults_are_counted_and_the_oldest_kept),
		cmocka_unit_test(bytes_are_counted_by_direction),
	};

	return cmocka_run_group_tests_name("sim_options", tests, NULL, NULL);
}
