/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <libfdt.h>

#include <gangway/zone.h>

#include "base/util.h"

#define MiB	(1ull << 20)
#define GiB	(1ull << 30)

static const gw_gpa ram = { 0x40000000 };	/* as QEMU's machine virt has it */

static void a_zone_ends_at_a_power_of_two_where_that_is_large_enough(void **state)
{
	static const struct {
		uint64_t ram, budget, size;
	} cases[] = {
		{ 4 * GiB, 1536 * MiB, 1 * GiB },
		{ 8 * GiB, 4 * GiB, 3 * GiB },
		{ 4 * GiB, 1 * GiB, 992 * MiB },	/* what is spare would be missing */
		{ 4 * GiB, 512 * MiB, 480 * MiB },
		{ 4 * GiB, 512 * MiB + 4096, 480 * MiB },
		/* a kernel has no use for less */
		{ 4 * GiB, 256 * MiB, 0 },
		{ 4 * GiB, 0, 0 },
		/* all of RAM can be mapped */
		{ 1 * GiB, 1 * GiB, 0 },
		{ 1 * GiB, UINT64_MAX, 0 },
		{ UINT64_MAX, UINT64_MAX - 1, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct gw_zone z = { 0 };

		gw_zone_fit(&z, ram, cases[i].ram, cases[i].budget);
		assert_int_equal(z.size, cases[i].size);
		assert_true(!z.size || z.gpa.v == ram.v);
	}
}

static void a_zone_suits_all_functions(void **state)
{
	struct gw_zone z = { 0 };

	gw_zone_fit(&z, ram, 8 * GiB, 4 * GiB);
	gw_zone_fit(&z, ram, 8 * GiB, 1536 * MiB);
	gw_zone_fit(&z, ram, 8 * GiB, 4 * GiB);
	gw_zone_fit(&z, ram, 8 * GiB, 16 * GiB);
	assert_int_equal(z.size, 1 * GiB);
}

static void a_zone_is_a_bus_of_the_tree_without_devices(void **state)
{
	static const uint32_t want[] = { 0, 0x40000000, 0, 0x40000000, 0, 0x20000000 };
	const struct gw_zone z = { .gpa = ram, .size = 512 * MiB };
	const fdt32_t *cells;
	int node, len = 0;
	char fdt[4096];

	assert_int_equal(gw_fdt_put_zone(memset(fdt, 0, sizeof(fdt)), &z, NULL), -EINVAL);
	assert_int_equal(fdt_create_empty_tree(fdt, sizeof(fdt)), 0);
	assert_int_equal(gw_fdt_put_zone(fdt, &z, NULL), 0);
	node = fdt_path_offset(fdt, "/gangway-zone");
	cells = fdt_getprop(fdt, node, "dma-ranges", &len);
	assert_int_equal(len, sizeof(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_int_equal(fdt32_to_cpu(cells[i]), want[i]);
	assert_int_equal(fdt_address_cells(fdt, node), 2);
	assert_int_equal(fdt_size_cells(fdt, node), 2);
	assert_null(fdt_getprop(fdt, node, "compatible", NULL));
	assert_int_equal(gw_fdt_put_zone(fdt, &z, NULL), -EEXIST);
	/* without room */
	assert_int_equal(fdt_create_empty_tree(fdt, 96), 0);
	assert_int_equal(gw_fdt_put_zone(fdt, &z, NULL), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_zone_ends_at_a_power_of_two_where_that_is_large_enough),
		cmocka_unit_test(a_zone_suits_all_functions),
		cmocka_unit_test(a_zone_is_a_bus_of_the_tree_without_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
