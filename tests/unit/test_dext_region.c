/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "base/util.h"
#include "fake_dext.h"
#include "host/dext/client.h"

static struct fake_dext dext;
static struct fake_fn *fake;
static struct gw_dext_client client;

static int setup(void **state)
{
	const struct gw_dext_addr at = { .bus = 1, .dev = 2, .fn = 3 };

	fake_init(&dext);
	fake = fake_add(&dext, "pcic0", 1, 2, 3);
	return gw_dext_connect(&dext.services, &fake_opts, &fake_log, &at, &client);
}

static int teardown(void **state)
{
	gw_dext_disconnect(&client);
	return 0;
}

static void a_buffer_is_described_or_freed_again(void **state)
{
	static const uint64_t bad[][6] = {
		{ 8192, 0, 1, 0x1000, 8192, 0 },	/* smaller than asked for */
		{ 16384, 0, 0, 0x1000, 16384, 0 },	/* no segments */
		{ 16384, 0, 33, 0x1000, 4096, 0 },	/* more than the dext can have */
		{ 16384, 0, 1, 0x1000, 4096, 0 },	/* the only one does not cover it */
		{ 16384, 0, 2, 0x1000, 0, 0 },
		{ 16384, 0, 2, 0x1000, 32768, 0 },	/* longer than the buffer */
		{ 16384, 0, 1, UINT64_MAX - 16382, 16384, 0 },	/* wraps */
	};
	struct gw_dext_buffer buf;

	assert_int_equal(gw_dext_alloc_buffer(&client, 16384, 0, &buf), 0);
	assert_int_equal(buf.size, 16384);
	assert_int_equal(buf.nr_segments, 1);
	assert_int_equal(buf.first.iova.v, 0x90000000);
	assert_int_equal(gw_dext_free_buffer(&client), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		unsigned int freed = fake->calls[GW_DEXT_FREE_BUFFER];

		fake_reply(fake, GW_DEXT_ALLOC_BUFFER, 6, bad[i]);
		assert_int_equal(gw_dext_alloc_buffer(&client, 16384, 0, &buf), -EPROTO);
		assert_int_equal(fake->calls[GW_DEXT_FREE_BUFFER], freed + 1);
	}
	assert_int_equal(gw_dext_alloc_buffer(&client, 0, 0, &buf), -EINVAL);
	assert_int_equal(gw_dext_alloc_buffer(&client, 4096, 24, &buf), -EINVAL);
}

static void a_region_is_registered_under_a_new_key_each_time(void **state)
{
	const struct gw_memory mem = { .addr = fake->memory };
	struct gw_dext_region a, b;
	uint64_t val;

	assert_int_equal(gw_dext_register(&client, &mem, 16384, NULL, &a), 0);
	assert_int_equal(fake->room, 3);
	assert_int_equal(fake->nr_in, 3);
	assert_int_equal(gw_dext_register(&client, &mem, 16384, NULL, &b), 0);
	assert_int_not_equal(a.key, b.key);
	assert_int_equal(a.nr_segments, 1);
	assert_int_equal(a.seg[0].iova.v, 0x80000000);
	assert_int_equal(a.seg[0].size, 16384);
	fake->memory[2] = 77;
	assert_int_equal(gw_dext_probe(&client, a.key, 16, &val), 0);
	assert_int_equal(val, 77);
	assert_int_equal(gw_dext_probe(&client, a.key, 16377, &val), -ERANGE);
	assert_int_equal(gw_dext_unregister(&client, a.key), 0);
	assert_int_equal(gw_dext_unregister(&client, a.key), -ENOENT);
	assert_int_equal(gw_dext_unregister(&client, b.key), 0);
}

static void segments_come_up_to_the_limit(void **state)
{
	const struct gw_memory mem = { .addr = fake->memory };
	struct gw_dext_region r;

	client.limits.max_segments = GW_MAX_SEGMENTS;
	fake->split = GW_MAX_SEGMENTS;
	assert_int_equal(gw_dext_register(&client, &mem, 7 * 16384, NULL, &r), 0);
	assert_int_equal(fake->room, 15);	/* IOKit carries 16 */
	assert_int_equal(r.nr_segments, 7);
	for (unsigned int i = 0; i < 7; i++)
		assert_int_equal(r.seg[i].size, 16384);
	assert_int_equal(gw_dext_unregister(&client, r.key), 0);
	client.limits.max_segments = 6;
	assert_int_equal(gw_dext_register(&client, &mem, 7 * 16384, NULL, &r), -EMLINK);
	assert_int_equal(fake_regions(fake), 0);
}

/* Replies to the registration of 32 KiB with up to 3 segments. */
static void a_bad_registration_is_refused_and_undone(void **state)
{
	static const struct { unsigned int nr; uint64_t out[20]; } bad[] = {
		{ 3, { 0, 0x10000, 0x8000 } },				/* none */
		{ 7, { 4, 0x10000, 0x4000, 0x20000, 0x4000 } },		/* too many */
		{ 7, { UINT64_MAX, 0, 0x8000 } },
		{ 7, { 0x8000000000000001, 0, 0x8000 } },
		{ 3, { 2, 0x10000, 0x4000, 0x20000, 0x4000 } },		/* more than came */
		{ 4, { 2, 0x10000, 0x4000, 0x20000, 0x4000 } },
		{ 5, { 3, 0x10000, 0x4000, 0x20000, 0x2000, 0x30000, 0x2000 } },
		{ 3, { 1, 0x10000, 0 } },				/* empty */
		{ 5, { 2, 0x10000, 0x8000, 0x20000, 0 } },
		{ 3, { 1, UINT64_MAX - 0x7ffe, 0x8000 } },		/* wraps */
		{ 3, { 1, 0x10000, 0x7fff } },				/* too little */
		{ 5, { 2, 0x10000, 0x4000, 0x20000, 0x3000 } },
		{ 3, { 1, 0x10000, 0x8001 } },				/* too much */
		{ 3, { 1, 0x10000, UINT64_MAX } },
		{ 5, { 2, 0x10000, 0x8000, 0x20000, 0x1000 } },
		{ 7, { 3, 0x10000, UINT64_MAX - 0xffff, 0x20000, 0x8000, 0x30000, 0x10000 } },
		{ 5, { 2, 0x10000, 0x4000, 0x10000, 0x4000 } },		/* overlap */
		{ 5, { 2, 0x10000, 0x4000, 0x13fff, 0x4000 } },
		{ 5, { 2, 0x13fff, 0x4000, 0x10000, 0x4000 } },
		{ 3, { 1, 0xfff, 0x8000 } },				/* below the first */
		{ 3, { 1, 0xfffff000, 0x8000 } },			/* above the last */
		{ 3, { 1, 0x10010, 0x8000 } },				/* off the granule */
		{ 3, { 1, 0x10800, 0x8000 } },
		{ 5, { 2, 0x10000, 0x1234, 0x20000, 0x6dcc } },
		{ 5, { 2, 0x10000, 0x4000, 0x20800, 0x4000 } },
	};
	const struct gw_memory mem = { .addr = fake->memory };
	struct gw_dext_region r = { .key = 12345 };

	client.limits.granule = 0x1000;
	client.limits.max_segments = 3;
	client.limits.iova_first.v = 0x1000;
	client.limits.iova_last.v = 0xffffffff;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		fake_reply(fake, GW_DEXT_REGISTER_REGION, 20, bad[i].out);
		fake->answer[GW_DEXT_REGISTER_REGION].nr = bad[i].nr;
		assert_int_equal(gw_dext_register(&client, &mem, 0x8000, NULL, &r), -EPROTO);
		assert_int_equal(fake_regions(fake), 0);
		assert_int_equal(r.key, 12345);
	}
	fake_fail(fake, GW_DEXT_UNREGISTER_REGION, GW_IORETURN_IO_ERROR, 0);
	assert_int_equal(gw_dext_register(&client, &mem, 0x8000, NULL, &r), -EPROTO);
	assert_non_null(strstr(fake_lines, "could not be unregistered"));
}

static void segments_may_end_at_the_last_address(void **state)
{
	const uint64_t top[] = { 1, UINT64_MAX - 0x7fff, 0x8000 };
	const struct gw_memory mem = { .addr = fake->memory };
	struct gw_dext_region r;

	fake_reply(fake, GW_DEXT_REGISTER_REGION, 3, top);
	assert_int_equal(gw_dext_register(&client, &mem, 0x8000, NULL, &r), 0);
	assert_int_equal(r.seg[0].iova.v, UINT64_MAX - 0x7fff);
}

static void what_only_an_extended_dext_can_do_is_not_asked_of_others(void **state)
{
	const struct gw_memory ro = { .addr = fake->memory, .read_only = true };
	const struct gw_memory remote = { .remote = (struct gw_remote *)fake->memory };
	const struct gw_memory mem = { .addr = fake->memory };
	const gw_iova want = { 0x40000 };
	unsigned int before = fake->nr_trace;
	struct gw_dext_region r;

	assert_int_equal(gw_dext_register(&client, &ro, 0x4000, NULL, &r), -EOPNOTSUPP);
	assert_int_equal(gw_dext_register(&client, &remote, 0x4000, NULL, &r), -EOPNOTSUPP);
	assert_int_equal(gw_dext_register(&client, &mem, 0x4000, &want, &r), -EOPNOTSUPP);
	assert_int_equal(fake->nr_trace, before);
}

static void an_extended_dext_is_given_address_flags_and_remote(void **state)
{
	const struct gw_memory ro = { .addr = fake->memory, .read_only = true };
	const struct gw_memory remote = { .remote = (struct gw_remote *)fake->memory,
					  .remote_addr.v = 0x5000 };
	const gw_iova want = { 0x40000 };
	struct gw_dext_region r;

	fake->extended = true;
	assert_int_equal(gw_dext_get_limits(&client), 0);
	assert_int_equal(gw_dext_register(&client, &ro, 0x4000, &want, &r), 0);
	assert_int_equal(r.seg[0].iova.v, want.v);
	assert_int_equal(fake->trace[fake->nr_trace - 1], GW_DEXT_REGISTER_AT);
	assert_int_equal(fake->nr_in, 5);
	assert_int_equal(fake->in[3], GW_DEXT_REGION_READ_ONLY | GW_DEXT_REGION_FIXED);
	assert_int_equal(fake->in[4], want.v);
	assert_int_equal(gw_dext_register(&client, &remote, 0x4000, NULL, &r), 0);
	assert_int_equal(fake->trace[fake->nr_trace - 1], GW_DEXT_REGISTER_REMOTE);
	assert_int_equal(fake->nr_in, 6);
	assert_int_equal(fake->in[1], (uintptr_t)fake->memory);
	assert_int_equal(fake->in[3], 0);
	assert_int_equal(fake->in[5], 0x5000);
}

static void an_address_asked_for_is_the_address_given_in_one_piece(void **state)
{
	static const uint64_t other[] = { 1, 0x44000, 0x8000 };
	static const uint64_t apart[] = { 2, 0x40000, 0x4000, 0x48000, 0x4000 };
	static const uint64_t whole[] = { 2, 0x40000, 0x4000, 0x44000, 0x4000 };
	const struct gw_memory mem = { .addr = fake->memory };
	const gw_iova want = { 0x40000 };
	struct gw_dext_region r;

	fake->extended = true;
	assert_int_equal(gw_dext_get_limits(&client), 0);
	fake_reply(fake, GW_DEXT_REGISTER_AT, 3, other);
	assert_int_equal(gw_dext_register(&client, &mem, 0x8000, &want, &r), -EPROTO);
	fake_reply(fake, GW_DEXT_REGISTER_AT, 5, apart);
	assert_int_equal(gw_dext_register(&client, &mem, 0x8000, &want, &r), -EPROTO);
	assert_int_equal(fake_regions(fake), 0);
	fake_reply(fake, GW_DEXT_REGISTER_AT, 5, whole);
	assert_int_equal(gw_dext_register(&client, &mem, 0x8000, &want, &r), 0);
	fake_fail(fake, GW_DEXT_REGISTER_AT, GW_IORETURN_STILL_OPEN, 0);
	assert_int_equal(gw_dext_register(&client, &mem, 0x8000, &want, &r), -EEXIST);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_buffer_is_described_or_freed_again),
		T(a_region_is_registered_under_a_new_key_each_time),
		T(segments_come_up_to_the_limit),
		T(a_bad_registration_is_refused_and_undone),
		T(segments_may_end_at_the_last_address),
		T(what_only_an_extended_dext_can_do_is_not_asked_of_others),
		T(an_extended_dext_is_given_address_flags_and_remote),
		T(an_address_asked_for_is_the_address_given_in_one_piece),
	};

	return cmocka_run_group_tests_name("dext_region", tests, NULL, NULL);
}
