/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "base/util.h"
#include "fake_dext.h"
#include "host/dext/client.h"

/* One connected client and the fake behind it. */
struct fixture {
	struct fake_dext dext;
	struct fake_fn *fn;
	struct gw_dext_client c;
	unsigned int gone;
};

static struct fixture fix;

static void count_gone(struct gw_dext_client *c)
{
	fix.gone++;
}

static int setup(void **state)
{
	const struct gw_dext_addr at = { .bus = 1, .dev = 2, .fn = 3 };

	memset(&fix, 0, sizeof(fix));
	fake_init(&fix.dext);
	fix.fn = fake_add(&fix.dext, "pcic0", 1, 2, 3);
	assert_int_equal(gw_dext_connect(&fix.dext.services, &fake_opts, &fake_log, &at, &fix.c), 0);
	fix.c.on_gone = count_gone;
	return 0;
}

static int teardown(void **state)
{
	gw_dext_disconnect(&fix.c);
	gw_dext_disconnect(&fix.c);
	assert_int_equal(fake_open_conns(fix.fn), 0);
	return 0;
}

static void every_code_has_one_errno(void **state)
{
	static const struct { uint32_t result; int err; } want[] = {
		{ GW_IORETURN_SUCCESS, 0 }, { GW_IORETURN_ERROR, EIO },
		{ GW_IORETURN_NO_MEMORY, ENOMEM }, { GW_IORETURN_NO_RESOURCES, ENOSPC },
		{ GW_IORETURN_NO_POWER, EAGAIN }, { GW_IORETURN_NO_DEVICE, ENODEV }, { GW_IORETURN_NOT_PRIVILEGED, EACCES },
		{ GW_IORETURN_BAD_ARGUMENT, EINVAL }, { GW_IORETURN_EXCLUSIVE_ACCESS, EBUSY },
		{ GW_IORETURN_UNSUPPORTED, EOPNOTSUPP }, { GW_IORETURN_IO_ERROR, EIO },
		{ GW_IORETURN_NOT_OPEN, ENOTCONN }, { GW_IORETURN_NOT_ALIGNED, EMLINK },
		{ GW_IORETURN_STILL_OPEN, EEXIST }, { GW_IORETURN_TIMEOUT, ETIMEDOUT },
		{ GW_IORETURN_OFFLINE, ENODEV }, { GW_IORETURN_NOT_READY, EAGAIN },
		{ GW_IORETURN_NOT_ATTACHED, ENODEV }, { GW_IORETURN_NO_SPACE, ENOSPC },
		{ GW_IORETURN_NOT_PERMITTED, EACCES }, { GW_IORETURN_OVERRUN, ERANGE },
		{ GW_IORETURN_ABORTED, ECANCELED }, { GW_IORETURN_NOT_FOUND, ENOENT },
		{ 0xe00002ff, EIO }, { 1, EIO }, { 0x10000003, EIO },
	};

	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_int_equal(gw_dext_errno(want[i].result), -want[i].err);
}

/* The calls without checks of their own, for what is true of all of them. */
static int by_selector(unsigned int selector)
{
	const struct gw_memory mem = { .addr = fix.fn->memory };
	uint64_t v[GW_IRQ_WORDS] = { 0 };
	struct gw_dext_buffer buf;
	struct gw_dext_region reg;
	struct gw_dext_bar bar;
	unsigned int nr;
	uint32_t w;

	switch (selector) {
	case GW_DEXT_GET_IDENTITY: return gw_dext_get_identity(&fix.c);
	case GW_DEXT_CLAIM: return gw_dext_claim(&fix.c);
	case GW_DEXT_TERMINATE: return gw_dext_terminate(&fix.c);
	case GW_DEXT_ALLOC_BUFFER: return gw_dext_alloc_buffer(&fix.c, 16384, 0, &buf);
	case GW_DEXT_FREE_BUFFER: return gw_dext_free_buffer(&fix.c);
	case GW_DEXT_REGISTER_REGION: return gw_dext_register(&fix.c, &mem, 16384, NULL, &reg);
	case GW_DEXT_UNREGISTER_REGION: return gw_dext_unregister(&fix.c, fix.c.last_key);
	case GW_DEXT_PROBE_REGION: return gw_dext_probe(&fix.c, fix.c.last_key, 0, v);
	case GW_DEXT_CONFIG_READ: return gw_dext_config_read(&fix.c, 0, 4, &w);
	case GW_DEXT_CONFIG_WRITE: return gw_dext_config_write(&fix.c, 0x40, 4, 1);
	case GW_DEXT_GET_BAR_INFO: return gw_dext_get_bar(&fix.c, 0, &bar);
	case GW_DEXT_MMIO_READ: return gw_dext_mmio_read(&fix.c, 3, 0, 4, v);
	case GW_DEXT_MMIO_WRITE: return gw_dext_mmio_write(&fix.c, 3, 0, 4, 1);
	case GW_DEXT_SETUP_INTERRUPTS: return gw_dext_setup_irq(&fix.c, &nr);
	case GW_DEXT_CHECK_INTERRUPT: return gw_dext_check_irq(&fix.c, v);
	case GW_DEXT_SET_IRQ_MASK: return gw_dext_mask_irq(&fix.c, v);
	case GW_DEXT_RESET_DEVICE: return gw_dext_reset(&fix.c);
	case GW_DEXT_GET_LIMITS: return gw_dext_get_limits(&fix.c);
	}
	fail();
	return 0;
}

static bool asynchronous(unsigned int selector)
{
	return selector == GW_DEXT_WAIT_INTERRUPT;
}

static void every_call_passes_the_dexts_error_on(void **state)
{
	fix.fn->extended = true;
	for (unsigned int s = 0; s <= GW_DEXT_GET_LIMITS; s++) {
		if (asynchronous(s))
			continue;
		assert_int_equal(by_selector(s == GW_DEXT_UNREGISTER_REGION ||
					     s == GW_DEXT_PROBE_REGION ?
					     GW_DEXT_REGISTER_REGION : s), 0);
		fake_fail(fix.fn, s, GW_IORETURN_TIMEOUT, 0);
		if (s == GW_DEXT_GET_BAR_INFO)
			assert_int_equal(by_selector(s), 0);	/* an absent BAR is an error */
		else
			assert_int_equal(by_selector(s), -ETIMEDOUT);
		fake_heal(fix.fn, s);
		assert_int_equal(by_selector(s), 0);
	}
}

static void a_reply_too_short_is_refused(void **state)
{
	static const struct { unsigned int selector, nr; } reply[] = {
		{ GW_DEXT_GET_IDENTITY, 6 }, { GW_DEXT_ALLOC_BUFFER, 6 },
		{ GW_DEXT_REGISTER_REGION, 3 }, { GW_DEXT_PROBE_REGION, 1 },
		{ GW_DEXT_CONFIG_READ, 1 }, { GW_DEXT_GET_BAR_INFO, 3 },
		{ GW_DEXT_MMIO_READ, 1 }, { GW_DEXT_SETUP_INTERRUPTS, 1 },
		{ GW_DEXT_CHECK_INTERRUPT, 4 }, { GW_DEXT_GET_LIMITS, 8 },
	};
	const uint64_t one[20] = { 1, 1, 1, 1, 1, 1, 1, 1 };

	for (size_t i = 0; i < ARRAY_SIZE(reply); i++) {
		for (unsigned int n = 0; n < reply[i].nr; n++) {
			fake_reply(fix.fn, reply[i].selector, n, one);
			assert_int_equal(by_selector(reply[i].selector), -EPROTO);
		}
		fake_heal(fix.fn, reply[i].selector);
	}
	assert_int_equal(fake_regions(fix.fn), 0);
}

static void a_reply_that_claims_more_than_the_room_is_refused(void **state)
{
	const uint64_t one[20] = { 1, 1, 1, 1, 1, 1, 1, 1 };

	for (unsigned int s = 0; s <= GW_DEXT_GET_LIMITS; s++) {
		if (asynchronous(s))
			continue;
		fake_reply(fix.fn, s, 20, one);
		assert_int_equal(by_selector(s), -EPROTO);
		fake_heal(fix.fn, s);
	}
	assert_int_equal(fake_regions(fix.fn), 0);
}

static void a_function_that_is_gone_stays_so_and_is_told_once(void **state)
{
	unsigned int before;

	assert_int_equal(by_selector(GW_DEXT_REGISTER_REGION), 0);
	fake_fail(fix.fn, GW_DEXT_MMIO_READ, GW_IORETURN_NO_DEVICE, 1);
	assert_int_equal(by_selector(GW_DEXT_MMIO_READ), 0);
	assert_int_equal(by_selector(GW_DEXT_MMIO_READ), -ENODEV);
	assert_int_equal(fix.gone, 1);
	fake_heal(fix.fn, GW_DEXT_MMIO_READ);
	before = fix.fn->nr_trace;
	for (unsigned int s = 0; s <= GW_DEXT_GET_LIMITS; s++)
		if (!asynchronous(s) && s != GW_DEXT_FREE_BUFFER && s != GW_DEXT_UNREGISTER_REGION)
			assert_int_equal(by_selector(s), -ENODEV);
	assert_int_equal(fix.fn->nr_trace, before);
	assert_int_equal(gw_dext_unregister(&fix.c, 1), 0);	/* giving back is still possible */
	assert_int_equal(fake_regions(fix.fn), 0);
	assert_int_equal(fix.gone, 1);
}

static void identity_is_checked(void **state)
{
	static const uint64_t bad[][6] = {
		{ 256, 0, 0, 1, 1, 1 }, { 0, 32, 0, 1, 1, 1 }, { 0, 0, 8, 1, 1, 1 },
		{ 0, 0, 0, 65536, 1, 1 }, { 0, 0, 0, 1, 65536, 1 }, { 0, 0, 0, 1, 1, 1 << 24 },
	};

	assert_int_equal(fix.c.info.bus, 1);
	assert_int_equal(fix.c.info.dev, 2);
	assert_int_equal(fix.c.info.fn, 3);
	assert_int_equal(fix.c.info.vendor, 0x1b36);
	assert_int_equal(fix.c.info.device, 0x0010);
	assert_int_equal(fix.c.info.class_code, 0x010802);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		fake_reply(fix.fn, GW_DEXT_GET_IDENTITY, 6, bad[i]);
		assert_int_equal(gw_dext_get_identity(&fix.c), -EPROTO);
	}
	assert_int_equal(fix.c.info.bus, 1);
}

static void a_dext_without_limits_has_apples(void **state)
{
	static const uint32_t unknown[] = { GW_IORETURN_UNSUPPORTED, GW_IORETURN_BAD_ARGUMENT };

	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		fake_fail(fix.fn, GW_DEXT_GET_LIMITS, unknown[i], 0);
		assert_int_equal(gw_dext_get_limits(&fix.c), 0);
		assert_false(fix.c.extended);
		assert_int_equal(fix.c.limits.granule, 16384);
		assert_int_equal(fix.c.limits.max_bytes, 1610612736);
		assert_int_equal(fix.c.limits.max_maps, 65536);
		assert_int_equal(fix.c.limits.max_map_bytes, 1610612736);
		assert_int_equal(fix.c.limits.max_segments, 1);
		assert_false(fix.c.limits.caller_iova);
		assert_false(fix.c.limits.remote);
	}
}

static void limits_are_taken_and_clipped(void **state)
{
	const uint64_t big[] = { 4096, 1 << 20, 8, 1 << 30, 1000, 0xf0 | GW_DEXT_LIMIT_REMOTE,
				 0x1000, 0xffffffff };

	fake_reply(fix.fn, GW_DEXT_GET_LIMITS, 8, big);
	assert_int_equal(gw_dext_get_limits(&fix.c), 0);
	assert_true(fix.c.extended);
	assert_int_equal(fix.c.limits.granule, 4096);
	assert_int_equal(fix.c.limits.max_maps, 8);
	assert_int_equal(fix.c.limits.max_map_bytes, 1 << 20);
	assert_int_equal(fix.c.limits.max_segments, GW_MAX_SEGMENTS);
	assert_int_equal(fix.c.limits.iova_first.v, 0x1000);
	assert_int_equal(fix.c.limits.iova_last.v, 0xffffffff);
	assert_false(fix.c.limits.caller_iova);
	assert_true(fix.c.limits.remote);
}

static void limits_that_make_no_sense_are_refused(void **state)
{
	static const uint64_t bad[][8] = {
		{ 0, 1 << 20, 8, 1 << 20, 1, 0, 0, 1 }, { 3, 1 << 20, 8, 1 << 20, 1, 0, 0, 1 },
		{ 1ull << 31, 1ull << 40, 8, 1ull << 40, 1, 0, 0, 1 },
		{ 4096, 4095, 8, 1 << 20, 1, 0, 0, 1 }, { 4096, 1 << 20, 0, 1 << 20, 1, 0, 0, 1 },
		{ 4096, 1 << 20, 8, 0, 1, 0, 0, 1 }, { 4096, 1 << 20, 8, 1 << 20, 0, 0, 0, 1 },
		{ 4096, 1 << 20, 8, 1 << 20, 1, 0, 2, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		fake_reply(fix.fn, GW_DEXT_GET_LIMITS, 8, bad[i]);
		assert_int_equal(gw_dext_get_limits(&fix.c), -EPROTO);
		assert_int_equal(fix.c.limits.granule, 16384);
		assert_false(fix.c.extended);
	}
}

static void config_is_read_and_written_by_width(void **state)
{
	const uint64_t wide = 0x1122334455667788;
	uint32_t val;

	for (unsigned int i = 0; i < 4; i++)
		fix.fn->config[0x40 + i] = (uint8_t)(0x10 + i);
	assert_int_equal(gw_dext_config_read(&fix.c, 0x40, 4, &val), 0);
	assert_int_equal(val, 0x13121110);
	assert_int_equal(gw_dext_config_read(&fix.c, 0x42, 2, &val), 0);
	assert_int_equal(val, 0x1312);
	assert_int_equal(gw_dext_config_write(&fix.c, 0x41, 1, 0xabcd), 0);
	assert_int_equal(fix.fn->in[2], 0xcd);
	fake_reply(fix.fn, GW_DEXT_CONFIG_READ, 1, &wide);
	assert_int_equal(gw_dext_config_read(&fix.c, 0x40, 1, &val), 0);
	assert_int_equal(val, 0x88);	/* no more than was asked for */
}

static void config_access_outside_or_across_is_refused(void **state)
{
	static const struct { unsigned int off, width; } bad[] = {
		{ 0, 0 }, { 0, 3 }, { 0, 8 }, { 1, 2 }, { 2, 4 }, { 4096, 1 }, { 4096, 4 },
		{ UINT32_MAX, 1 }, { UINT32_MAX - 3, 4 },
	};
	unsigned int off, width, before = fix.fn->nr_trace;
	uint8_t buf[8];
	uint32_t val;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		off = bad[i].off;
		width = bad[i].width;
		assert_int_equal(gw_dext_config_read(&fix.c, off, width, &val), -EINVAL);
		assert_int_equal(gw_dext_config_write(&fix.c, off, width, 0), -EINVAL);
	}
	assert_int_equal(gw_dext_config_block(&fix.c, 4090, buf, 7), -EINVAL);
	assert_int_equal(gw_dext_config_block(&fix.c, 4097, buf, 0), -EINVAL);
	assert_int_equal(fix.fn->nr_trace, before);
	assert_int_equal(gw_dext_config_read(&fix.c, 4092, 4, &val), 0);
	assert_int_equal(gw_dext_config_block(&fix.c, 4096, buf, 0), 0);
}

static void a_config_block_may_start_and_end_anywhere(void **state)
{
	uint8_t buf[64];

	for (unsigned int i = 0; i < 64; i++)
		fix.fn->config[0x80 + i] = (uint8_t)(i * 7);
	for (unsigned int off = 0; off < 8; off++) {
		for (unsigned int len = 0; len < 24; len++) {
			memset(buf, 0xee, sizeof(buf));
			assert_int_equal(gw_dext_config_block(&fix.c, 0x80 + off, buf, len), 0);
			assert_memory_equal(buf, fix.fn->config + 0x80 + off, len);
			assert_int_equal(buf[len], 0xee);
		}
	}
	fake_fail(fix.fn, GW_DEXT_CONFIG_READ, GW_IORETURN_IO_ERROR, 2);
	assert_int_equal(gw_dext_config_block(&fix.c, 0x80, buf, 16), -EIO);
}

static void bar_info_is_decoded(void **state)
{
	struct gw_dext_bar bar;

	assert_int_equal(gw_dext_get_bar(&fix.c, 0, &bar), 0);
	assert_int_equal(bar.index, 3);
	assert_int_equal(bar.info.size, 16384);
	assert_true(bar.info.is_64bit && bar.info.prefetchable && !bar.info.io);
	assert_int_equal(gw_dext_get_bar(&fix.c, 5, &bar), 0);
	assert_true(bar.info.io && !bar.info.is_64bit && !bar.info.prefetchable);
	assert_int_equal(gw_dext_get_bar(&fix.c, 1, &bar), 0);
	assert_int_equal(bar.info.size, 0);
	assert_int_equal(gw_dext_get_bar(&fix.c, 6, &bar), -EINVAL);
}

static void bar_info_that_makes_no_sense_is_refused(void **state)
{
	static const struct { unsigned int bar; uint64_t out[3]; } bad[] = {
		{ 0, { 256, 4096, 0 } }, { 0, { 0, 4097, 0 } }, { 0, { 0, UINT64_MAX, 0 } },
		{ 5, { 0, 4096, 4 } },
	};
	struct gw_dext_bar bar;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		fake_reply(fix.fn, GW_DEXT_GET_BAR_INFO, 3, bad[i].out);
		assert_int_equal(gw_dext_get_bar(&fix.c, bad[i].bar, &bar), -EPROTO);
	}
}

static void only_a_prefetchable_bar_is_write_combined(void **state)
{
	struct gw_dext_bar bar = { .info = { .size = 16384 } };
	struct gw_dext_map map;

	assert_int_equal(gw_dext_map_bar(&fix.c, 0, &bar, &map), 0);
	assert_int_equal(fix.fn->map_options[GW_DEXT_MEMORY_BAR0], 0);
	gw_dext_unmap_bar(&fix.c, 0, &map);
	bar.info.prefetchable = true;
	assert_int_equal(gw_dext_map_bar(&fix.c, 0, &bar, &map), 0);
	assert_int_equal(fix.fn->map_options[GW_DEXT_MEMORY_BAR0], GW_DEXT_MAP_WRITE_COMBINE);
	gw_dext_unmap_bar(&fix.c, 0, &map);
	assert_int_equal(fix.fn->maps[GW_DEXT_MEMORY_BAR0], 0);
	bar.info.io = true;
	assert_int_equal(gw_dext_map_bar(&fix.c, 0, &bar, &map), -EOPNOTSUPP);
	assert_int_equal(gw_dext_map_bar(&fix.c, 6, &bar, &map), -EINVAL);
}

static void a_mapping_too_small_is_undone(void **state)
{
	const struct gw_dext_bar bar = { .info = { .size = 16384 } };
	struct gw_dext_map map;

	fix.fn->bar[0].map_short = 1;
	assert_int_equal(gw_dext_map_bar(&fix.c, 0, &bar, &map), -EPROTO);
	assert_int_equal(fix.fn->maps[GW_DEXT_MEMORY_BAR0], 0);
	assert_int_equal(gw_dext_map_buffer(&fix.c, 16385, &map), -EPROTO);
	assert_int_equal(fix.fn->maps[GW_DEXT_MEMORY_BUFFER], 0);
	assert_int_equal(gw_dext_map_buffer(&fix.c, 16384, &map), 0);
	gw_dext_unmap_buffer(&fix.c, &map);
	gw_dext_set_gone(&fix.c);
	assert_int_equal(gw_dext_map_buffer(&fix.c, 16384, &map), -ENODEV);
}

static void registers_have_four_widths(void **state)
{
	uint64_t val;

	for (unsigned int w = 1; w <= 8; w *= 2) {
		fix.fn->memory[1] = UINT64_MAX;
		assert_int_equal(gw_dext_mmio_write(&fix.c, 3, 8, w, 0x1122334455667788), 0);
		assert_int_equal(fix.fn->in[0], 3);
		assert_int_equal(gw_dext_mmio_read(&fix.c, 3, 8, w, &val), 0);
		assert_int_equal(val, w == 8 ? 0x1122334455667788 :
				 0x1122334455667788 & ((1ull << 8 * w) - 1));
	}
}

static void the_number_of_vectors_is_checked(void **state)
{
	static const uint64_t bad[] = { 0, 257, UINT64_MAX, 1ull << 32 | 1 };
	unsigned int nr = 7;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		fake_reply(fix.fn, GW_DEXT_SETUP_INTERRUPTS, 1, &bad[i]);
		assert_int_equal(gw_dext_setup_irq(&fix.c, &nr), -EPROTO);
	}
	assert_int_equal(nr, 7);
	fake_heal(fix.fn, GW_DEXT_SETUP_INTERRUPTS);
	assert_int_equal(gw_dext_setup_irq(&fix.c, &nr), 0);
	assert_int_equal(nr, 100);
}

/* connecting */

static int connect_to(uint8_t bus, const char *root, struct gw_dext_client *c)
{
	struct gw_dext_addr at = { .bus = bus, .dev = 2, .fn = 3 };

	snprintf(at.root, sizeof(at.root), "%s", root);
	memset(c, 0, sizeof(*c));
	return gw_dext_connect(&fix.dext.services, &fake_opts, &fake_log, &at, c);
}

static unsigned int conns(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < fix.dext.nr; i++)
		n += fake_open_conns(&fix.dext.fn[i]);
	return n;
}

static void an_address_under_several_roots_needs_the_root(void **state)
{
	struct gw_dext_client c;

	fake_add(&fix.dext, "pcic1", 1, 2, 3);
	fake_add(&fix.dext, "pcic2", 7, 2, 3);
	assert_int_equal(connect_to(1, "", &c), -EINVAL);
	assert_non_null(strstr(fake_lines, "pcic0, pcic1 have"));
	assert_null(c.conn);
	assert_int_equal(conns(), 1);
	assert_int_equal(connect_to(1, "pcic1", &c), 0);
	assert_string_equal(c.info.name, "01:02.3@pcic1");
	assert_string_equal(c.info.root, "pcic1");
	gw_dext_disconnect(&c);
	assert_int_equal(connect_to(7, "", &c), 0);
	assert_string_equal(c.info.name, "07:02.3");
	assert_string_equal(c.info.root, "pcic2");
	gw_dext_disconnect(&c);
	assert_int_equal(connect_to(1, "pcic9", &c), -ENOENT);
	assert_non_null(strstr(fake_lines, "is under pcic0, pcic1"));
	assert_int_equal(connect_to(9, "", &c), -ENOENT);
	assert_int_equal(conns(), 1);
}

static void with_one_root_its_name_is_not_shown(void **state)
{
	assert_string_equal(fix.c.info.name, "01:02.3");
	assert_string_equal(fix.c.info.root, "");
	assert_string_equal(fix.c.root, "pcic0");
}

static void dexts_that_do_not_answer_are_passed_over(void **state)
{
	struct fake_fn *gone = fake_add(&fix.dext, "pcic0", 4, 2, 3);
	struct fake_fn *odd = fake_add(&fix.dext, "pcic0", 5, 2, 3);
	struct gw_dext_client c;

	fake_add(&fix.dext, "pcic0", 6, 2, 3);
	gone->open_error = -ENODEV;
	fake_reply(odd, GW_DEXT_GET_IDENTITY, 2, NULL);
	assert_int_equal(connect_to(6, "", &c), 0);
	gw_dext_disconnect(&c);
	assert_int_equal(connect_to(5, "", &c), -EPROTO);	/* it may have been that one */
	odd->open_error = -EACCES;
	assert_int_equal(connect_to(5, "", &c), -EACCES);
	odd->open_error = 0;
	fake_fail(odd, GW_DEXT_GET_IDENTITY, GW_IORETURN_NO_DEVICE, 0);
	assert_int_equal(connect_to(5, "", &c), -ENOENT);
	assert_int_equal(conns(), 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_has_one_errno),
		T(every_call_passes_the_dexts_error_on),
		T(a_reply_too_short_is_refused),
		T(a_reply_that_claims_more_than_the_room_is_refused),
		T(a_function_that_is_gone_stays_so_and_is_told_once),
		T(identity_is_checked),
		T(a_dext_without_limits_has_apples),
		T(limits_are_taken_and_clipped),
		T(limits_that_make_no_sense_are_refused),
		T(config_is_read_and_written_by_width),
		T(config_access_outside_or_across_is_refused),
		T(a_config_block_may_start_and_end_anywhere),
		T(bar_info_is_decoded),
		T(bar_info_that_makes_no_sense_is_refused),
		T(only_a_prefetchable_bar_is_write_combined),
		T(a_mapping_too_small_is_undone),
		T(registers_have_four_widths),
		T(the_number_of_vectors_is_checked),
		T(an_address_under_several_roots_needs_the_root),
		T(with_one_root_its_name_is_not_shown),
		T(dexts_that_do_not_answer_are_passed_over),
	};

	return cmocka_run_group_tests_name("dext_client", tests, NULL, NULL);
}
