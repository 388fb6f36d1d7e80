/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "base/util.h"
#include "fake_dext.h"

static struct fake_dext dext;
static struct fake_fn *fake;
static struct gw_host *host;
static struct gw_function *fn;
static char memory[8][16384] __attribute__((aligned(16384)));

static int setup(bool extended)
{
	fake_init(&dext);
	fake = fake_add(&dext, "pcic0", 1, 2, 3);
	fake->extended = extended;
	if (gw_dext_host_new(&dext.services, &fake_log, &host))
		return -1;
	return host->ops->open(host, "01:02.3", &fn);
}

static int setup_plain(void **state)
{
	return setup(false);
}

/* With the limits of the fake's extended dext: 4 KiB, 1 MiB, 8 maps, 512 KiB, 4 segments. */
static int setup_extended(void **state)
{
	return setup(true);
}

static int teardown(void **state)
{
	fn->ops->close(fn);
	host->ops->free(host);
	assert_int_equal(fake_regions(fake), 0);
	return 0;
}

static int map(void *addr, uint64_t size, struct gw_mapping *m)
{
	const struct gw_memory mem = { .addr = addr };

	return gw_function_map(fn, &mem, size, NULL, m);
}

static void a_handle_is_good_once(void **state)
{
	struct gw_mapping a, b;

	assert_int_equal(map(memory, 16384, &a), 0);
	assert_int_equal(map(memory, 32768, &b), 0);	/* the same memory again is fine */
	assert_int_not_equal(a.handle, b.handle);
	assert_int_equal(a.nr_segments, 1);
	assert_int_equal(b.seg[0].size, 32768);
	assert_int_equal(fn->ops->dma_unmap(fn, a.handle), 0);
	assert_int_equal(fn->ops->dma_unmap(fn, a.handle), -ENOENT);
	assert_int_equal(fn->ops->dma_unmap(fn, 0), -ENOENT);
	assert_int_equal(fn->ops->dma_unmap(fn, UINT64_MAX), -ENOENT);
	assert_int_equal(fn->ops->dma_unmap(fn, (uintptr_t)memory), -ENOENT);
	assert_int_equal(fake_regions(fake), 1);
	assert_int_equal(fn->ops->dma_unmap(fn, b.handle), 0);
}

static void a_map_that_cannot_be_is_refused_without_a_call(void **state)
{
	const struct {
		struct gw_memory mem;
		uint64_t size;
		const gw_iova *want;
		int err;
	} bad[] = {
		{ { .addr = memory }, 0, NULL, -EINVAL },
		{ { .addr = memory }, 4095, NULL, -EINVAL },
		{ { .addr = memory[0] + 1 }, 4096, NULL, -EINVAL },
		{ { .addr = NULL }, 4096, NULL, -EINVAL },
		{ { .addr = (void *)(UINTPTR_MAX - 4095) }, 8192, NULL, -EINVAL },
		{ { .addr = memory }, UINT64_MAX - 4095, NULL, -E2BIG },
		{ { .addr = memory }, (1 << 19) + 4096, NULL, -E2BIG },
		{ { .addr = memory }, 4096, &(gw_iova){ 0x1001 }, -EINVAL },
		{ { .addr = memory }, 4096, &(gw_iova){ 0 }, -EINVAL },
		{ { .addr = memory }, 8192, &(gw_iova){ 0xfffffffff000 }, -EINVAL },
		{ { .addr = memory }, 8192, &(gw_iova){ UINT64_MAX - 4095 }, -EINVAL },
		{ { .remote = (void *)memory, .remote_addr.v = 1 }, 4096, NULL, -EINVAL },
	};
	const gw_iova last = { 0xfffffffff000 };
	unsigned int before = fake->nr_trace;
	struct gw_mapping m;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(gw_function_map(fn, &bad[i].mem, bad[i].size, bad[i].want, &m),
				 bad[i].err);
	assert_int_equal(fake->nr_trace, before);
	/* up to the very last address is fine */
	assert_int_equal(gw_function_map(fn, &bad[0].mem, 4096, &last, &m), 0);
}

static void a_host_that_chooses_is_not_told_where(void **state)
{
	const struct gw_memory remote = { .remote = (void *)memory };
	const struct gw_memory ro = { .addr = memory, .read_only = true };
	const struct gw_memory mem = { .addr = memory };
	const gw_iova want = { 0x10000 };
	struct gw_mapping m;

	assert_int_equal(gw_function_map(fn, &mem, 16384, &want, &m), -EOPNOTSUPP);
	assert_int_equal(gw_function_map(fn, &remote, 16384, NULL, &m), -EOPNOTSUPP);
	/* never writable where read only was asked for */
	assert_int_equal(gw_function_map(fn, &ro, 16384, NULL, &m), -EOPNOTSUPP);
	assert_int_equal(fake_regions(fake), 0);
	assert_int_equal(map(memory, 16384, &m), 0);
}

static void the_budget_of_mappings_is_kept_and_given_back(void **state)
{
	struct gw_mapping m[9];

	for (unsigned int i = 0; i < 8; i++)
		assert_int_equal(map(memory, 4096, &m[i]), 0);
	assert_int_equal(map(memory, 4096, &m[8]), -ENOSPC);
	assert_int_equal(fake_regions(fake), 8);
	assert_int_equal(gw_function_unmap(fn, m[3].handle, 4096), 0);
	assert_int_equal(map(memory, 4096, &m[8]), 0);
	fake_fail(fake, GW_DEXT_REGISTER_REGION, GW_IORETURN_NO_MEMORY, 0);
	assert_int_equal(gw_function_unmap(fn, m[8].handle, 4096), 0);
	for (unsigned int i = 0; i < 20; i++)
		assert_int_equal(map(memory, 4096, &m[8]), -ENOMEM);
	fake_heal(fake, GW_DEXT_REGISTER_REGION);
	assert_int_equal(map(memory, 4096, &m[8]), 0);	/* failures took nothing */
}

static void the_budget_of_bytes_is_kept_and_given_back(void **state)
{
	struct gw_mapping a, b, c;

	assert_int_equal(map(memory, 1 << 19, &a), 0);
	assert_int_equal(map(memory, 1 << 18, &b), 0);
	assert_int_equal(map(memory, (1 << 18) + 4096, &c), -ENOSPC);
	assert_int_equal(map(memory, 1 << 18, &c), 0);
	assert_int_equal(gw_function_unmap(fn, a.handle, 1 << 19), 0);
	assert_int_equal(map(memory, 1 << 19, &a), 0);
}

static void an_unmap_that_fails_keeps_the_handle(void **state)
{
	struct gw_account account;
	struct gw_mapping m;

	assert_int_equal(map(memory, 16384, &m), 0);
	fake_fail(fake, GW_DEXT_UNREGISTER_REGION, GW_IORETURN_IO_ERROR, 0);
	assert_int_equal(gw_function_unmap(fn, m.handle, 16384), -EIO);
	gw_function_mapped(fn, &account);
	assert_int_equal(account.bytes, 16384);		/* it still counts */
	fake_heal(fake, GW_DEXT_UNREGISTER_REGION);
	assert_int_equal(gw_function_unmap(fn, m.handle, 16384), 0);
	gw_function_mapped(fn, &account);
	assert_int_equal(account.bytes + account.maps, 0);
	assert_int_equal(account.peak_maps, 1);
	assert_int_equal(map(memory, 16384, &m), 0);
	fake->region[0] = (struct fake_region){ 0 };	/* the dext has lost it */
	assert_int_equal(fn->ops->dma_unmap(fn, m.handle), 0);
	assert_int_equal(fn->ops->dma_unmap(fn, m.handle), -ENOENT);
}

static void segments_are_passed_on(void **state)
{
	struct gw_mapping m;

	fake->split = 4;
	assert_int_equal(map(memory, 16384, &m), 0);
	assert_int_equal(m.nr_segments, 4);
	assert_int_equal(m.seg[3].size, 4096);
	fake->split = 5;
	assert_int_equal(map(memory, 5 * 4096, &m), -EMLINK);
}

static void many_mappings_are_found_again(void **state)
{
	uint64_t handle[FAKE_REGIONS];
	struct gw_mapping m;
	unsigned int at = 0;

	for (unsigned int i = 0; i < FAKE_REGIONS; i++) {
		assert_int_equal(map(memory[i % 8], 16384, &m), 0);
		handle[i] = m.handle;
	}
	assert_int_equal(map(memory, 16384, &m), -ENOSPC);	/* the dext's own table */
	for (unsigned int i = 0; i < FAKE_REGIONS; i++, at = (at + 29) % FAKE_REGIONS)
		assert_int_equal(fn->ops->dma_unmap(fn, handle[at]), 0);
	assert_int_equal(fake_regions(fake), 0);
}

#define T(s, f) cmocka_unit_test_setup_teardown(f, s, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(setup_plain, a_handle_is_good_once),
		T(setup_extended, a_map_that_cannot_be_is_refused_without_a_call),
		T(setup_plain, a_host_that_chooses_is_not_told_where),
		T(setup_extended, the_budget_of_mappings_is_kept_and_given_back),
		T(setup_extended, the_budget_of_bytes_is_kept_and_given_back),
		T(setup_plain, an_unmap_that_fails_keeps_the_handle),
		T(setup_extended, segments_are_passed_on),
		T(setup_plain, many_mappings_are_found_again),
	};

	return cmocka_run_group_tests_name("dext_dma", tests, NULL, NULL);
}
