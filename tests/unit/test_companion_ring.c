/* SPDX-License-Identifier: BSD-3-Clause */
/* The ring: its entries, its indices, and who tells whom. */
#include "unit.h"

#include "companion_rig.h"

static int setup(void **state)
{
	struct rig *r = rig_new(NULL);

	*state = r;
	return rig_ring_start(r, GW_RING_MIN_SHIFT) ? 0 : -1;
}

static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

static void an_entry_maps_where_the_host_says_and_unmaps(void **state)
{
	struct rig *r = *state;
	struct gw_ring_cqe cqe = rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA + 0x3000, 0x2000);

	assert_int_equal(cqe.status, GW_STATUS_OK);
	assert_int_equal(cqe.flags, 0);
	assert_int_equal(r->nr, 1);
	assert_true(cqe.iova == r->map[0].iova);
	assert_int_equal(cqe.len, 0x2000);
	assert_int_equal(r->map[0].size, 0x2000);
	assert_false(r->map[0].ro);
	assert_int_equal(rig_get64(r, GW_REG_USED_BYTES_LO), 0x2000);
	assert_int_equal(rig_get(r, GW_REG_USED_MAPS), 1);
	cqe = rig_ring_do(r, GW_RING_UNMAP, 0, cqe.handle, 0);
	assert_int_equal(cqe.status, GW_STATUS_OK);
	assert_int_equal(r->nr, 0);
	assert_int_equal(rig_get64(r, GW_REG_USED_BYTES_LO), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_entry_maps_where_the_host_says_and_unmaps, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("companion_ring", tests, NULL, NULL);
}
