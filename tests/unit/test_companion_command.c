/* SPDX-License-Identifier: BSD-3-Clause */
/* The command page, as the earlier device's driver uses it: bytes at offsets, no structs. */
#include "unit.h"

#include "companion_rig.h"

#define PAGE	RIG_RAM_GPA
#define REQ	(RIG_RAM_GPA + 0x10000)
#define RESP	(RIG_RAM_GPA + 0x40000)
#define TARGET	(RIG_RAM_GPA + 0x100000)

static int setup(void **state)
{
	struct rig *r = rig_new(NULL);

	rig_put(r, 0x10, (uint32_t)PAGE);
	rig_put(r, 0x14, (uint32_t)(PAGE >> 32));
	*state = r;
	return 0;
}

static void put(struct rig *r, uint64_t gpa, unsigned int width, uint64_t val)
{
	memcpy(rig_at(r, gpa), &val, width);
}

static uint64_t get(struct rig *r, uint64_t gpa, unsigned int width)
{
	uint64_t val = 0;

	memcpy(&val, rig_at(r, gpa), width);
	return val;
}

static uint32_t doorbell(struct rig *r, uint32_t type, uint32_t count, uint64_t req, uint64_t resp)
{
	put(r, PAGE, 4, type);
	put(r, PAGE + 4, 4, count);
	put(r, PAGE + 8, 4, 0xaaaaaaaa);
	put(r, PAGE + 0x10, 8, req);
	put(r, PAGE + 0x18, 8, resp);
	rig_put(r, 0x18, 1);
	return rig_get(r, 0x0c);
}

static void put_map(struct rig *r, unsigned int i, uint64_t gpa, uint64_t len)
{
	put(r, REQ + 20 * i, 8, gpa);
	put(r, REQ + 20 * i + 8, 8, len);
	put(r, REQ + 20 * i + 16, 4, 0);
}

static void put_unmap(struct rig *r, unsigned int i, uint64_t id, uint64_t size)
{
	put(r, REQ + 16 * i, 8, id);
	put(r, REQ + 16 * i + 8, 8, size);
}

static void a_map_and_its_unmap_are_answered_byte_for_byte(void **state)
{
	struct rig *r = *state;
	uint8_t golden[29];
	uint64_t v;

	memset(rig_at(r, RESP), 0xee, 4096);
	put_map(r, 0, TARGET, 0x5000);
	assert_int_equal(doorbell(r, 1, 1, REQ, RESP), 0);
	assert_int_equal(get(r, PAGE + 8, 4), 0);
	assert_int_equal(r->nr, 1);
	v = TARGET;
	memcpy(golden, &v, 8);
	v = r->map[0].iova;
	memcpy(golden + 8, &v, 8);
	v = 0x5000;
	memcpy(golden + 16, &v, 8);
	memset(golden + 24, 0, 4);
	golden[28] = 0xee;			/* nothing behind it is touched */
	assert_memory_equal(rig_at(r, RESP), golden, sizeof(golden));

	memset(rig_at(r, RESP), 0xee, 4096);
	put_unmap(r, 0, TARGET, 0x5000);
	assert_int_equal(doorbell(r, 2, 1, REQ, RESP), 0);
	v = TARGET;
	memcpy(golden, &v, 8);
	memset(golden + 8, 0, 8);
	golden[16] = 0xee;
	assert_memory_equal(rig_at(r, RESP), golden, 17);
	assert_int_equal(r->nr, 0);
}

static void a_failed_entry_gets_its_status_only_and_the_rest_is_done(void **state)
{
	struct rig *r = *state;

	memset(rig_at(r, RESP), 0xee, 4096);
	put_map(r, 0, TARGET, 0x1000);
	put_map(r, 1, RIG_BAR_GPA, 0x1000);
	put_map(r, 2, TARGET + 1, 0x1000);
	put_map(r, 3, TARGET + 0x1000, 0x1000);
	assert_int_equal(doorbell(r, 1, 4, REQ, RESP), GW_STATUS_IOERR);
	assert_int_equal(get(r, PAGE + 8, 4), GW_STATUS_IOERR);
	assert_int_equal(r->nr, 2);
	for (unsigned int i = 1; i < 3; i++) {
		for (unsigned int off = 0; off < 24; off += 8)
			assert_true(get(r, RESP + 28 * i + off, 8) == 0xeeeeeeeeeeeeeeee);
		assert_int_equal(get(r, RESP + 28 * i + 24, 4), GW_STATUS_IOERR);
	}
	assert_int_equal(get(r, RESP + 24, 4), 0);
	assert_int_equal(get(r, RESP + 28 * 3 + 24, 4), 0);

	memset(rig_at(r, RESP), 0xee, 4096);
	put_unmap(r, 0, TARGET, 0x1000);
	put_unmap(r, 1, TARGET + 0x8000, 0x1000);
	put_unmap(r, 2, TARGET + 0x1000, 0x1000);
	assert_int_equal(doorbell(r, 2, 3, REQ, RESP), GW_STATUS_IOERR);
	assert_int_equal(r->nr, 0);
	assert_true(get(r, RESP + 16, 8) == 0xeeeeeeeeeeeeeeee);
	assert_int_equal(get(r, RESP + 16 + 8, 4), GW_STATUS_IOERR);
	assert_int_equal(get(r, RESP + 16 + 12, 4), 0xeeeeeeee);
}

static void a_command_that_is_none_is_refused_whole(void **state)
{
	struct rig *r = *state;
	static const struct { uint32_t type, count; uint64_t req, resp; } bad[] = {
		{ 0, 1, REQ, RESP }, { 3, 1, REQ, RESP }, { UINT32_MAX, 1, REQ, RESP },
		{ 1, 0, REQ, RESP }, { 1, 4097, REQ, RESP }, { 1, UINT32_MAX, REQ, RESP },
		{ 1, 1, 0, RESP }, { 1, 1, REQ, 0 },
		{ 1, 1, RIG_BAR_GPA, RESP }, { 1, 1, REQ, RIG_BAR_GPA },
		{ 1, 1, REQ, RIG_ROM_GPA },
		{ 1, 1, UINT64_MAX - 3, RESP }, { 1, 1, REQ, UINT64_MAX },
		{ 1, 2, RIG_RAM_GPA + RIG_RAM_SIZE - 39, RESP },
		{ 1, 2, REQ, RIG_RAM_GPA + RIG_RAM_SIZE - 55 },
		{ 2, 1, REQ, RIG_RAM_GPA + RIG_RAM_SIZE - 15 },
		{ 1, 4096, RIG_RAM_GPA + RIG_RAM_SIZE - 4096, RESP },
	};

	put_map(r, 0, TARGET, 0x1000);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(doorbell(r, bad[i].type, bad[i].count, bad[i].req, bad[i].resp),
				 GW_STATUS_INVAL);
		assert_int_equal(get(r, PAGE + 8, 4), GW_STATUS_INVAL);
	}
	assert_int_equal(r->steps, 0);
	/* the last bytes of RAM are as good as any */
	assert_int_equal(doorbell(r, 1, 1, REQ, RIG_RAM_GPA + RIG_RAM_SIZE - 28), 0);
}

static void without_a_readable_page_there_is_only_the_register(void **state)
{
	static const uint64_t at[] = { 0, RIG_BAR_GPA, RIG_ROM_GPA, RIG_RAM_GPA + RIG_RAM_SIZE - 31,
				       UINT64_MAX };
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		rig_put64(r, 0x10, at[i]);
		rig_put(r, 0x18, 1);
		assert_int_equal(rig_get(r, 0x0c), GW_STATUS_INVAL);
	}
	rig_put64(r, 0x10, RIG_RAM_GPA + 0x333);	/* it need not be aligned */
	memset(rig_at(r, RIG_RAM_GPA + 0x333), 0, 32);
	rig_put(r, 0x18, 1);
	assert_int_equal(get(r, RIG_RAM_GPA + 0x333 + 8, 4), GW_STATUS_INVAL);
}

static void as_many_entries_as_the_register_says(void **state)
{
	struct rig *r = *state;

	assert_int_equal(rig_get(r, 0x08), 4096);
	for (unsigned int i = 0; i < 4096; i++)
		put_map(r, i, RIG_RAM_GPA + 4096 * (i % 4096), 4096);
	/* RAM has as many pages, so every name differs */
	assert_int_equal(doorbell(r, 1, 4096, REQ, RESP), 0);
	assert_int_equal(r->nr, 4096);
	for (unsigned int i = 0; i < 4096; i++)
		put_unmap(r, i, RIG_RAM_GPA + 4096 * i, 4096);
	assert_int_equal(doorbell(r, 2, 4096, REQ, RESP), 0);
	assert_int_equal(r->nr, 0);
}

static void a_split_mapping_fails_and_is_not_left(void **state)
{
	struct rig *r = *state;

	r->split = 2;
	put_map(r, 0, TARGET, 0x2000);
	assert_int_equal(doorbell(r, 1, 1, REQ, RESP), GW_STATUS_IOERR);
	assert_int_equal(r->nr, 0);
	assert_int_equal(rig_get(r, GW_REG_USED_MAPS), 0);
}

/* As two jobs have it that write from one buffer. */
static void memory_mapped_twice_has_two_names(void **state)
{
	static const uint64_t size[] = { 0x40000, 0x4000, 0x40000, 0x1000 };
	uint64_t id[ARRAY_SIZE(size) + 1];
	struct rig *r = *state;

	for (unsigned int i = 0; i < ARRAY_SIZE(size); i++)
		put_map(r, i, TARGET, size[i]);
	put_map(r, ARRAY_SIZE(size), TARGET + 0x1000, 0x1000);
	assert_int_equal(doorbell(r, 1, ARRAY_SIZE(id), REQ, RESP), 0);
	assert_int_equal(r->nr, ARRAY_SIZE(id));
	for (unsigned int i = 0; i < ARRAY_SIZE(id); i++) {
		id[i] = get(r, RESP + 28 * i, 8);
		for (unsigned int j = 0; j < i; j++)
			assert_true(id[j] != id[i]);
	}
	/* the second goes, and no other */
	put_unmap(r, 0, id[1], size[1]);
	assert_int_equal(doorbell(r, 2, 1, REQ, RESP), 0);
	assert_int_equal(r->map[1].size, 0);
	assert_int_equal(r->nr, ARRAY_SIZE(id) - 1);
	put_map(r, 0, TARGET, 0x2000);
	assert_int_equal(doorbell(r, 1, 1, REQ, RESP), 0);
	id[1] = get(r, RESP, 8);
	for (unsigned int i = 0; i < ARRAY_SIZE(id); i++)
		put_unmap(r, i, id[i], 0);
	assert_int_equal(doorbell(r, 2, ARRAY_SIZE(id), REQ, RESP), 0);
	assert_int_equal(r->nr, 0);
}

static void an_address_has_as_many_names_as_a_granule_has_bytes(void **state)
{
	struct rig *r = *state;

	for (unsigned int i = 0; i < 4096; i++)
		put_map(r, i, TARGET, 0x1000);
	assert_int_equal(doorbell(r, 1, 4096, REQ, RESP), 0);
	assert_int_equal(doorbell(r, 1, 1, REQ, RESP), GW_STATUS_IOERR);
	assert_int_equal(r->nr, 4096);
	put_map(r, 0, TARGET + 0x1000, 0x1000);
	assert_int_equal(doorbell(r, 1, 1, REQ, RESP), 0);
	assert_int_equal(rig_control(r, GW_CONTROL_UNMAP_ALL), GW_STATUS_OK);
	assert_int_equal(r->nr, 0);
}

static void what_is_refused_is_counted_by_kind_and_logged(void **state)
{
	struct rig *r = *state;
	struct gw_companion_stats s;
	unsigned int warnings = r->f->warnings;

	put_map(r, 0, RIG_BAR_GPA, 0x1000);
	put_map(r, 1, TARGET + 1, 0x1000);
	put_map(r, 2, TARGET, 0x1000);
	assert_int_equal(doorbell(r, 1, 3, REQ, RESP), GW_STATUS_IOERR);
	assert_int_equal(r->f->warnings, warnings + 2);
	assert_int_equal(doorbell(r, 7, 1, REQ, RESP), GW_STATUS_INVAL);
	r->f->fn.limits.max_bytes = 0x1000;
	put_map(r, 0, TARGET, 0x1000);
	doorbell(r, 1, 1, REQ, RESP);
	put_unmap(r, 0, 0x1234, 0x1000);
	doorbell(r, 2, 1, REQ, RESP);
	r->fail_unmap = -EIO;
	put_unmap(r, 0, TARGET, 0x1000);
	doorbell(r, 2, 1, REQ, RESP);
	r->fail_unmap = 0;
	for (unsigned int i = 0; i < 100; i++)
		doorbell(r, 7, 1, REQ, RESP);
	gw_companion_stats(r->c, &s);
	assert_int_equal(s.refused[GW_REFUSED_INVALID], 3 + 100);
	assert_int_equal(s.refused[GW_REFUSED_BUDGET], 1);
	assert_int_equal(s.refused[GW_REFUSED_UNKNOWN], 1);
	assert_int_equal(s.refused[GW_REFUSED_FAILED], 1);
	assert_int_equal(s.refused[GW_REFUSED_BUSY], 0);
	assert_int_equal(s.maps, 1);
	assert_in_range(r->f->warnings, warnings + 6, warnings + 60);
}

static void a_name_is_free_again_when_its_memory_has_gone(void **state)
{
	struct rig *r = *state;
	uint64_t bytes;

	put_map(r, 0, TARGET, 0x1000);
	assert_int_equal(doorbell(r, 1, 1, REQ, RESP), 0);
	assert_int_equal(r->fn->ops->dma_unmap(r->fn, (gw_vmm_addr){ 0 },
					       (gw_vmm_addr){ UINT64_MAX }, &bytes),
			 0);
	assert_int_equal(r->nr, 0);
	put_unmap(r, 0, TARGET, 0x1000);
	assert_int_equal(doorbell(r, 2, 1, REQ, RESP), GW_STATUS_IOERR);
	rig_give_memory(r, r->fn);
	put_map(r, 0, TARGET, 0x1000);
	assert_int_equal(doorbell(r, 1, 1, REQ, RESP), 0);
	assert_int_equal(r->fn->ops->dma_unmap(r->fn, (gw_vmm_addr){ 0 },
					       (gw_vmm_addr){ UINT64_MAX }, &bytes),
			 0);
	rig_give_memory(r, r->fn);
	put_map(r, 0, TARGET, 0x1000);
	assert_int_equal(doorbell(r, 1, 1, REQ, RESP), 0);
	assert_int_equal(r->nr, 1);
}

static void names_of_mappings_that_went_do_not_pile_up(void **state)
{
	struct rig *r = *state;
	uint64_t bytes;

	for (unsigned int round = 0; round < 40; round++) {
		for (unsigned int i = 0; i < 100; i++)
			put_map(r, i, TARGET + 4096ull * (100 * round % 3000 + i), 4096);
		assert_int_equal(doorbell(r, 1, 100, REQ, RESP), 0);
		assert_int_equal(r->fn->ops->dma_unmap(r->fn, (gw_vmm_addr){ 0 },
						       (gw_vmm_addr){ UINT64_MAX }, &bytes), 0);
		rig_give_memory(r, r->fn);
	}
	assert_int_equal(r->nr, 0);
}

static void a_reset_forgets_the_names(void **state)
{
	struct rig *r = *state;

	put_map(r, 0, TARGET, 0x1000);
	assert_int_equal(doorbell(r, 1, 1, REQ, RESP), 0);
	r->dev->ops->reset(r->dev);
	assert_int_equal(r->nr, 0);
	rig_put(r, 0x18, 1);
	assert_int_equal(rig_get(r, 0x0c), GW_STATUS_INVAL);	/* the page's address too */
	rig_put64(r, 0x10, PAGE);
	assert_int_equal(doorbell(r, 1, 1, REQ, RESP), 0);
}

static void an_unmap_that_the_host_fails_keeps_the_name(void **state)
{
	struct rig *r = *state;

	put_map(r, 0, TARGET, 0x1000);
	assert_int_equal(doorbell(r, 1, 1, REQ, RESP), 0);
	put_unmap(r, 0, TARGET, 0x1000);
	r->fail_unmap = -EIO;
	assert_int_equal(doorbell(r, 2, 1, REQ, RESP), GW_STATUS_IOERR);
	r->fail_unmap = 0;
	assert_int_equal(doorbell(r, 2, 1, REQ, RESP), 0);
	assert_int_equal(r->nr, 0);
}

static void a_slow_host_fails_what_takes_too_long(void **state)
{
	struct rig *r = *state;
	uint64_t begun;

	for (unsigned int i = 0; i < 4096; i++)
		put_map(r, i, RIG_RAM_GPA + 4096 * i, 4096);
	r->delay_us = 20000;
	begun = gw_now_ns();
	assert_int_equal(doorbell(r, 1, 4096, REQ, RESP), GW_STATUS_IOERR);
	assert_true(gw_now_ns() - begun < 4500000000ull);
	r->delay_us = 0;
	assert_true(r->nr && r->nr < 4096);
	assert_int_equal(get(r, RESP + 28 * 4095 + 24, 4), GW_STATUS_IOERR);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(a_map_and_its_unmap_are_answered_byte_for_byte),
		T(a_failed_entry_gets_its_status_only_and_the_rest_is_done),
		T(a_command_that_is_none_is_refused_whole),
		T(without_a_readable_page_there_is_only_the_register),
		T(as_many_entries_as_the_register_says),
		T(a_split_mapping_fails_and_is_not_left),
		T(memory_mapped_twice_has_two_names),
		T(an_address_has_as_many_names_as_a_granule_has_bytes),
		T(what_is_refused_is_counted_by_kind_and_logged),
		T(a_name_is_free_again_when_its_memory_has_gone),
		T(names_of_mappings_that_went_do_not_pile_up),
		T(a_reset_forgets_the_names),
		T(an_unmap_that_the_host_fails_keeps_the_name),
		T(a_slow_host_fails_what_takes_too_long),
	};

	return cmocka_run_group_tests_name("companion_command", tests, NULL, NULL);
}
