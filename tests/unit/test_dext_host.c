/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <poll.h>
#include <unistd.h>

#include "alloc_sweep.h"
#include "base/util.h"
#include "fake_dext.h"

static struct fake_dext dext;
static struct fake_fn *fake;
static struct gw_host *host;
static struct gw_function *fn;
static char memory[8][16384] __attribute__((aligned(16384)));

static int setup_host(void **state)
{
	fn = NULL;
	fake_init(&dext);
	fake = fake_add(&dext, "pcic0", 1, 2, 3);
	return gw_dext_host_new(&dext.services, &fake_log, &host);
}

static void open_it(void)
{
	assert_int_equal(host->ops->open(host, "01:02.3", &fn), 0);
}

static int setup_plain(void **state)
{
	setup_host(state);
	open_it();
	return 0;
}

static int teardown(void **state)
{
	if (fn)
		fn->ops->close(fn);
	host->ops->free(host);
	for (unsigned int i = 0; i < dext.nr; i++) {
		assert_int_equal(fake_open_conns(&dext.fn[i]), 0);
		assert_int_equal(fake_regions(&dext.fn[i]), 0);
		for (unsigned int m = 0; m < 8; m++)
			assert_int_equal(dext.fn[i].maps[m], 0);
	}
	return 0;
}

static void close_it(void)
{
	fn->ops->close(fn);
	fn = NULL;
}

/* Where in the trace @what comes first from @from on; the trace's end if it does not. */
static unsigned int trace_find(const struct fake_fn *f, unsigned int from, uint8_t what)
{
	while (from < f->nr_trace && f->trace[from] != what)
		from++;
	return from;
}

static int map(void *addr, uint64_t size, struct gw_mapping *m)
{
	const struct gw_memory mem = { .addr = addr };

	return gw_function_map(fn, &mem, size, NULL, m);
}

static bool is_gone(void)
{
	struct pollfd p = { .events = POLLIN };

	assert_int_equal(fn->ops->gone(fn, &p.fd), 0);
	return poll(&p, 1, 0) == 1 && p.revents & POLLIN;
}

/* list and open */

static void list_names_functions_as_open_takes_them(void **state)
{
	struct gw_function_info *list;
	struct gw_function *f;
	size_t nr;

	assert_int_equal(host->ops->list(host, &list, &nr), 0);
	assert_int_equal(nr, 1);
	assert_string_equal(list[0].name, "01:02.3");
	assert_string_equal(list[0].root, "");
	assert_int_equal(list[0].class_code, 0x010802);
	free(list);
	fake_add(&dext, "pcic1", 1, 2, 3);
	fake_add(&dext, "pcic1", 0xfe, 0x1f, 7);
	fake_add(&dext, "pcic1", 9, 9, 1)->open_error = -ENODEV;
	assert_int_equal(host->ops->list(host, &list, &nr), 0);
	assert_int_equal(nr, 3);
	assert_string_equal(list[0].name, "01:02.3@pcic0");
	assert_string_equal(list[1].name, "01:02.3@pcic1");
	assert_string_equal(list[2].name, "fe:1f.7");
	assert_string_equal(list[2].root, "pcic1");
	for (size_t i = 0; i < nr; i++) {
		assert_int_equal(host->ops->open(host, list[i].name, &f), 0);
		assert_string_equal(f->info.name, list[i].name);
		assert_string_equal(f->info.root, list[i].root);
		f->ops->close(f);
	}
	free(list);
}

static void a_host_without_dexts_lists_nothing(void **state)
{
	struct gw_function_info *list = (void *)memory;
	size_t nr = 9;

	dext.nr = 0;
	assert_int_equal(host->ops->list(host, &list, &nr), 0);
	assert_int_equal(nr, 0);
	assert_null(list);
	dext.nr = 1;
	fake->open_error = -EACCES;
	assert_int_equal(host->ops->list(host, &list, &nr), -EACCES);
}

static void names_that_are_none_are_refused(void **state)
{
	static const char *const bad[] = {
		"", "0", "01", "01:", "1:2.3", "01:02", "01:02.", "01:02.8", "01:20.0", "01:02.3x",
		"01:02.3@", "0x:02.3", "01-02.3", " 01:02.3", "0001:02.3", "sim:0", "01:02.33",
		"01:02.3@a-root-name-of-thirty-two-chars-",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(host->ops->open(host, bad[i], &fn), -EINVAL);
	assert_int_equal(host->ops->open(host, "01:02.4", &fn), -ENOENT);
	assert_int_equal(host->ops->open(host, "01:02.3@other", &fn), -ENOENT);
	assert_null(fn);
	assert_int_equal(host->ops->open(host, "01:02.3@pcic0", &fn), 0);
}

static void an_address_under_two_roots_is_not_opened_by_guess(void **state)
{
	fake_add(&dext, "pcic1", 1, 2, 3);
	assert_int_equal(host->ops->open(host, "01:02.3", &fn), -EINVAL);
	assert_non_null(strstr(fake_lines, "pcic0, pcic1"));
	assert_int_equal(host->ops->open(host, "01:02.3@pcic1", &fn), 0);
	assert_int_equal(dext.fn[1].claims, 1);
	assert_int_equal(fake->claims, 0);
}

static void opening_twice_shares_and_the_last_close_closes(void **state)
{
	struct gw_function *again;
	struct gw_mapping m;

	open_it();
	assert_int_equal(host->ops->open(host, "01:02.3", &again), 0);
	assert_ptr_equal(again, fn);
	assert_int_equal(fake->claims, 1);
	assert_int_equal(fake_open_conns(fake), 1);
	assert_int_equal(map(memory, 16384, &m), 0);
	again->ops->close(again);
	assert_int_equal(fake_open_conns(fake), 1);
	assert_int_equal(fake_regions(fake), 1);
	close_it();
	assert_int_equal(fake_open_conns(fake), 0);
	open_it();
	assert_int_equal(fake->claims, 2);
}

static void a_claim_that_is_refused_leaves_the_device_alone(void **state)
{
	static const struct { uint32_t result; int err; } refusal[] = {
		{ GW_IORETURN_EXCLUSIVE_ACCESS, -EBUSY }, { GW_IORETURN_NOT_PRIVILEGED, -EACCES },
		{ GW_IORETURN_NOT_PERMITTED, -EACCES }, { GW_IORETURN_NO_DEVICE, -ENODEV },
		{ GW_IORETURN_ERROR, -EIO },
	};

	for (size_t i = 0; i < ARRAY_SIZE(refusal); i++) {
		fake_fail(fake, GW_DEXT_CLAIM, refusal[i].result, 0);
		assert_int_equal(host->ops->open(host, "01:02.3", &fn), refusal[i].err);
		assert_int_equal(fake_open_conns(fake), 0);
	}
	assert_int_equal(fake->calls[GW_DEXT_CONFIG_WRITE], 0);
	assert_non_null(strstr(fake_lines, "another process"));
}

static void what_fails_while_opening_is_undone(void **state)
{
	static const uint64_t odd[] = { 0, 4097, 0 };

	fake_reply(fake, GW_DEXT_GET_BAR_INFO, 3, odd);
	assert_int_equal(host->ops->open(host, "01:02.3", &fn), -EPROTO);
	fake_fail(fake, GW_DEXT_GET_BAR_INFO, GW_IORETURN_NO_DEVICE, 2);
	assert_int_equal(host->ops->open(host, "01:02.3", &fn), -ENODEV);
	assert_int_equal(fake->maps[GW_DEXT_MEMORY_BAR0], 0);
	fake_heal(fake, GW_DEXT_GET_BAR_INFO);
	fake_reply(fake, GW_DEXT_GET_LIMITS, 8, NULL);
	assert_int_equal(host->ops->open(host, "01:02.3", &fn), -EPROTO);
	fake_heal(fake, GW_DEXT_GET_LIMITS);
	fake->bar[0].map_result = GW_IORETURN_NO_DEVICE;
	assert_int_equal(host->ops->open(host, "01:02.3", &fn), -ENODEV);
	assert_int_equal(fake_open_conns(fake), 0);
}

static void limits_are_apples_or_the_dexts(void **state)
{
	open_it();
	assert_int_equal(fn->limits.granule, 16384);
	assert_int_equal(fn->limits.max_maps, 65536);
	assert_int_equal(fn->limits.max_bytes, 1610612736);
	close_it();
	fake->extended = true;
	open_it();
	assert_int_equal(fn->limits.granule, 4096);
	assert_int_equal(fn->limits.max_maps, 8);
	assert_int_equal(fn->limits.max_segments, 4);
	assert_true(fn->limits.caller_iova && fn->limits.remote);
}

/* config, BARs and registers */

static void what_does_not_change_is_asked_once(void **state)
{
	unsigned int before = fake->nr_trace;
	struct gw_bar_info info;
	struct gw_bar_map m;

	for (int round = 0; round < 2; round++) {
		assert_int_equal(fn->ops->bar_info(fn, 0, &info), 0);
		assert_int_equal(info.size, 16384);
		assert_true(info.mappable && info.prefetchable && info.is_64bit);
		assert_int_equal(fn->ops->bar_info(fn, 1, &info), 0);
		assert_int_equal(info.size, 0);		/* upper half */
		assert_int_equal(fn->ops->bar_info(fn, 2, &info), 0);
		assert_false(info.mappable);
		assert_int_equal(fn->ops->bar_info(fn, 5, &info), 0);
		assert_true(info.io && !info.mappable);
		assert_int_equal(fn->ops->bar_info(fn, 6, &info), -EINVAL);
		assert_int_equal(fn->ops->bar_map(fn, 0, &m), 0);
		assert_ptr_equal(m.addr, fake->memory);
		assert_int_equal(m.size, 16384);
		assert_int_equal(m.fd, -1);
	}
	assert_int_equal(fn->ops->bar_map(fn, 2, &m), -EOPNOTSUPP);
	assert_int_equal(fn->ops->bar_map(fn, 1, &m), -EOPNOTSUPP);
	assert_int_equal(fn->ops->bar_map(fn, 5, &m), -EOPNOTSUPP);
	assert_int_equal(fn->ops->bar_map(fn, 6, &m), -EINVAL);
	fn->ops->bar_unmap(fn, 0);
	fn->ops->bar_unmap(fn, 0);
	assert_int_equal(fake->nr_trace, before);
	assert_int_equal(fake->maps[GW_DEXT_MEMORY_BAR0], 1);
}

static void the_upper_half_of_a_bar_is_not_asked_for(void **state)
{
	struct gw_bar_info info;

	fake->bar[1] = fake->bar[2];
	open_it();
	assert_int_equal(fn->ops->bar_info(fn, 1, &info), 0);
	assert_int_equal(info.size, 0);
	assert_int_equal(fake->calls[GW_DEXT_GET_BAR_INFO], 5);
}

static void a_register_access_is_one_call(void **state)
{
	unsigned int before = fake->nr_trace;
	uint64_t val;

	for (unsigned int w = 1; w <= 8; w *= 2) {
		fake->memory[2] = 0;
		assert_int_equal(fn->ops->reg_write(fn, 2, (gw_bar_off){ 16 }, w, ~0ull), 0);
		assert_int_equal(fake->in[0], 1);	/* the memory index, not the BAR */
		assert_int_equal(fn->ops->reg_read(fn, 2, (gw_bar_off){ 16 }, 8, &val), 0);
		assert_int_equal(val, w == 8 ? ~0ull : (1ull << 8 * w) - 1);
	}
	assert_int_equal(fake->nr_trace, before + 8);
}

static void a_register_access_outside_its_bar_is_refused_without_a_call(void **state)
{
	static const struct { unsigned int bar; uint64_t off; unsigned int width; } bad[] = {
		{ 0, 16384, 1 }, { 0, 16384, 8 }, { 0, UINT64_MAX, 1 }, { 0, UINT64_MAX - 7, 8 },
		{ 0, 1, 2 }, { 0, 2, 4 }, { 0, 4, 8 }, { 0, 0, 0 }, { 0, 0, 3 }, { 0, 0, 16 },
		{ 0, 0, UINT32_MAX }, { 1, 0, 4 }, { 3, 0, 4 }, { 5, 64, 1 }, { 6, 0, 4 },
		{ UINT32_MAX, 0, 4 },
	};
	unsigned int before = fake->nr_trace;
	uint64_t val;
	int ret;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		gw_bar_off off = { bad[i].off };

		ret = fn->ops->reg_read(fn, bad[i].bar, off, bad[i].width, &val);
		assert_int_equal(ret, -EINVAL);
		ret = fn->ops->reg_write(fn, bad[i].bar, off, bad[i].width, 0);
		assert_int_equal(ret, -EINVAL);
	}
	assert_int_equal(fake->nr_trace, before);
	assert_int_equal(fn->ops->reg_read(fn, 0, (gw_bar_off){ 16376 }, 8, &val), 0);
	assert_int_equal(fn->ops->reg_read(fn, 5, (gw_bar_off){ 60 }, 4, &val), 0);
}

static void config_goes_through_raw(void **state)
{
	uint32_t val;

	assert_int_equal(fn->ops->config_write(fn, 4, 2, 7), 0);
	assert_int_equal(fake->config[4], 7);
	assert_int_equal(fn->ops->config_read(fn, 4, 1, &val), 0);
	assert_int_equal(val, 7);
	assert_int_equal(fn->ops->config_read(fn, 4095, 2, &val), -EINVAL);
	assert_int_equal(fn->ops->config_write(fn, 4096, 1, 0), -EINVAL);
}

/* closing and going */

static void bus_mastering_goes_off_before_mappings_do(void **state)
{
	unsigned int from = fake->nr_trace, off, unmap, close;
	struct gw_mapping m;

	assert_int_equal(map(memory, 16384, &m), 0);
	assert_int_equal(map(memory, 16384, &m), 0);
	fake->config[4] = 0x07;
	close_it();
	assert_int_equal(fake->config[4], 0x03);
	off = trace_find(fake, from, GW_DEXT_CONFIG_WRITE);
	unmap = trace_find(fake, from, GW_DEXT_UNREGISTER_REGION);
	close = trace_find(fake, from, 0xff);
	assert_true(off < unmap && unmap < close && close < fake->nr_trace);
	assert_int_equal(fake_regions(fake), 0);
}

static void a_device_that_keeps_bus_mastering_is_reset(void **state)
{
	unsigned int from = fake->nr_trace;
	struct gw_mapping m;

	assert_int_equal(map(memory, 16384, &m), 0);
	fake_fail(fake, GW_DEXT_CONFIG_WRITE, GW_IORETURN_IO_ERROR, 0);
	close_it();
	assert_true(trace_find(fake, from, GW_DEXT_RESET_DEVICE) <
		    trace_find(fake, from, GW_DEXT_UNREGISTER_REGION));
}

static void closing_goes_on_when_the_dext_fails(void **state)
{
	struct gw_mapping m;

	assert_int_equal(map(memory, 16384, &m), 0);
	fake_fail(fake, GW_DEXT_CONFIG_READ, GW_IORETURN_IO_ERROR, 0);
	fake_fail(fake, GW_DEXT_RESET_DEVICE, GW_IORETURN_TIMEOUT, 0);
	fake_fail(fake, GW_DEXT_UNREGISTER_REGION, GW_IORETURN_IO_ERROR, 0);
	close_it();
	assert_int_equal(fake_open_conns(fake), 0);
	assert_non_null(strstr(fake_lines, "cannot be reset"));
	assert_non_null(strstr(fake_lines, "not unregistered"));
	memset(fake->region, 0, sizeof(fake->region));
}

static void a_function_that_goes_says_so_and_can_be_closed(void **state)
{
	struct gw_function *next;
	struct gw_mapping m;
	uint64_t val;

	assert_int_equal(map(memory, 16384, &m), 0);
	assert_false(is_gone());
	fake_fail(fake, GW_DEXT_MMIO_READ, GW_IORETURN_NO_DEVICE, 0);
	assert_int_equal(fn->ops->reg_read(fn, 0, (gw_bar_off){ 0 }, 4, &val), -ENODEV);
	assert_true(is_gone());
	assert_int_equal(fn->ops->reset(fn), -ENODEV);
	assert_int_equal(fn->ops->config_write(fn, 4, 2, 0), -ENODEV);
	assert_int_equal(fn->ops->dma_unmap(fn, m.handle), 0);
	assert_int_equal(fake_regions(fake), 0);
	assert_int_equal(map(memory, 16384, &m), -ENODEV);
	/* what is plugged in its place is another function */
	fake_heal(fake, GW_DEXT_MMIO_READ);
	assert_int_equal(host->ops->open(host, "01:02.3", &next), 0);
	assert_ptr_not_equal(next, fn);
	next->ops->close(next);
}

static void reset_is_one_call_and_keeps_mappings(void **state)
{
	struct gw_mapping m;

	assert_int_equal(map(memory, 16384, &m), 0);
	assert_int_equal(fn->ops->reset(fn), 0);
	assert_int_equal(fake_regions(fake), 1);
	fake_fail(fake, GW_DEXT_RESET_DEVICE, GW_IORETURN_TIMEOUT, 0);
	assert_int_equal(fn->ops->reset(fn), -ETIMEDOUT);
	fake_heal(fake, GW_DEXT_RESET_DEVICE);
}

/* allocations */

static void ignore(struct gw_irq_sink *sink, const uint64_t pending[GW_IRQ_WORDS])
{
}

static struct gw_irq_sink ignoring = { .fire = ignore };

/* Everything that allocates, once. */
static int all_that_allocates(void)
{
	struct gw_function_info *list;
	struct gw_host *h;
	struct gw_mapping m;
	unsigned int nr_irq;
	size_t nr;
	int ret = gw_dext_host_new(&dext.services, &fake_log, &h);

	if (ret)
		return ret;
	ret = h->ops->list(h, &list, &nr);
	if (ret)
		goto free_host;
	free(list);
	ret = h->ops->open(h, "01:02.3@pcic0", &fn);
	if (ret)
		goto free_host;
	ret = map(memory, 16384, &m);
	if (!ret)
		ret = fn->ops->irq_setup(fn, &ignoring, &nr_irq);
	close_it();
free_host:
	h->ops->free(h);
	return ret;
}

static void each_allocation_may_fail(void **state)
{
	unsigned int nth = 0;
	int ret, err;

	fake_add(&dext, "pcic1", 1, 2, 3);
	do {
		alloc_fail(++nth);
		ret = all_that_allocates();
		err = alloc_end();
		assert_int_equal(ret, err);
		assert_int_equal(fake_open_conns(fake), 0);
		assert_int_equal(fake_regions(fake), 0);
		assert_int_equal(fake->maps[GW_DEXT_MEMORY_BAR0], 0);
		assert_int_equal(fake->maps[GW_DEXT_MEMORY_IRQ_PAGE], 0);
	} while (err);
	assert_true(nth > 10);	/* host, list, function, pipe, region, threads; then all is well */
}

#define T(s, f) cmocka_unit_test_setup_teardown(f, s, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(setup_host, list_names_functions_as_open_takes_them),
		T(setup_host, a_host_without_dexts_lists_nothing),
		T(setup_host, names_that_are_none_are_refused),
		T(setup_host, an_address_under_two_roots_is_not_opened_by_guess),
		T(setup_host, opening_twice_shares_and_the_last_close_closes),
		T(setup_host, a_claim_that_is_refused_leaves_the_device_alone),
		T(setup_host, what_fails_while_opening_is_undone),
		T(setup_host, limits_are_apples_or_the_dexts),
		T(setup_plain, what_does_not_change_is_asked_once),
		T(setup_host, the_upper_half_of_a_bar_is_not_asked_for),
		T(setup_plain, a_register_access_is_one_call),
		T(setup_plain, a_register_access_outside_its_bar_is_refused_without_a_call),
		T(setup_plain, config_goes_through_raw),
		T(setup_plain, bus_mastering_goes_off_before_mappings_do),
		T(setup_plain, a_device_that_keeps_bus_mastering_is_reset),
		T(setup_plain, closing_goes_on_when_the_dext_fails),
		T(setup_plain, a_function_that_goes_says_so_and_can_be_closed),
		T(setup_plain, reset_is_one_call_and_keeps_mappings),
		T(setup_host, each_allocation_may_fail),
	};

	return cmocka_run_group_tests_name("dext_host", tests, NULL, NULL);
}
