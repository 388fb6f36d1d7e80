/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "config/caps.h"

static uint8_t cfg[GW_PCI_CFG_SIZE];
static struct gw_pci_caps caps;

static int setup(void **state)
{
	memset(cfg, 0, sizeof(cfg));
	cfg[GW_PCI_STATUS] = GW_PCI_STATUS_CAPS;
	cfg[GW_PCI_CAP_PTR] = 0x40;
	return 0;
}

static void cap(unsigned int off, uint8_t id, uint8_t next)
{
	cfg[off] = id;
	cfg[off + 1] = next;
}

static void ext(unsigned int off, uint32_t id, uint32_t next)
{
	gw_pci_put(cfg, off, 4, next << 20 | 1u << 16 | id);
}

static void a_list_is_walked_in_its_own_order(void **state)
{
	cap(0x40, 1, 0x80);
	cap(0x80, 5, 0x60);
	cap(0x60, 9, 0);
	gw_pci_caps_walk(cfg, &caps);
	assert_int_equal(caps.nr, 3);
	assert_false(caps.broken);
	assert_int_equal(caps.cap[1].off, 0x80);
	assert_int_equal(caps.cap[0].room, 0x20);	/* up to 0x60, which is later in the list */
	assert_int_equal(caps.cap[1].room, 0x80);
	assert_int_equal(caps.cap[2].room, 0x20);
	assert_ptr_equal(gw_pci_caps_find(&caps, 9), &caps.cap[2]);
	assert_null(gw_pci_caps_find(&caps, 3));
}

static void without_the_status_bit_there_is_no_list(void **state)
{
	cap(0x40, 1, 0);
	cfg[GW_PCI_STATUS] = 0;
	gw_pci_caps_walk(cfg, &caps);
	assert_int_equal(caps.nr, 0);
	assert_false(caps.broken);
}

static void low_bits_of_a_pointer_are_masked(void **state)
{
	cfg[GW_PCI_CAP_PTR] = 0x43;
	cap(0x40, 1, 0x52);
	cap(0x50, 5, 3);
	gw_pci_caps_walk(cfg, &caps);
	assert_int_equal(caps.nr, 2);
	assert_int_equal(caps.cap[1].off, 0x50);
	assert_false(caps.broken);
}

static void a_loop_ends_the_list(void **state)
{
	cap(0x40, 1, 0x40);
	gw_pci_caps_walk(cfg, &caps);
	assert_int_equal(caps.nr, 1);
	assert_true(caps.broken);
	cap(0x40, 1, 0x50);
	cap(0x50, 5, 0x60);
	cap(0x60, 9, 0x50);
	gw_pci_caps_walk(cfg, &caps);
	assert_int_equal(caps.nr, 3);
	assert_true(caps.broken);
}

static void a_pointer_into_the_header_ends_the_list(void **state)
{
	for (unsigned int to = 4; to < 0x40; to += 4) {
		cap(0x40, 1, (uint8_t)to);
		gw_pci_caps_walk(cfg, &caps);
		assert_int_equal(caps.nr, 1);
		assert_true(caps.broken);
	}
}

static void the_last_dword_may_hold_a_capability(void **state)
{
	cap(0x40, 1, 0xfc);
	cap(0xfc, 9, 0);
	gw_pci_caps_walk(cfg, &caps);
	assert_int_equal(caps.nr, 2);
	assert_int_equal(caps.cap[1].room, 4);
}

static void a_list_may_fill_all_there_is(void **state)
{
	for (unsigned int off = 0x40; off < 0x100; off += 4)
		cap(off, 9, (uint8_t)(off + 4));
	gw_pci_caps_walk(cfg, &caps);
	assert_int_equal(caps.nr, (0x100 - 0x40) / 4);
	assert_false(caps.broken);
	for (unsigned int off = 0x100; off < 0x1000; off += 4)
		ext(off, 0xb, (off + 4) & 0xfff);
	gw_pci_caps_walk_ext(cfg, &caps);
	assert_int_equal(caps.nr, GW_PCI_MAX_EXT_CAPS);
	assert_false(caps.broken);
}

static void a_function_that_is_gone_has_no_capabilities(void **state)
{
	memset(cfg, 0xff, sizeof(cfg));
	gw_pci_caps_walk(cfg, &caps);
	assert_int_equal(caps.nr, 0);
	assert_true(caps.broken);
	gw_pci_caps_walk_ext(cfg, &caps);
	assert_int_equal(caps.nr, 0);
	assert_true(caps.broken);
}

static void extended_lists_are_bounded_likewise(void **state)
{
	gw_pci_caps_walk_ext(cfg, &caps);
	assert_int_equal(caps.nr, 0);
	assert_false(caps.broken);
	ext(0x100, 1, 0xffc);
	ext(0xffc, 3, 0x100);
	gw_pci_caps_walk_ext(cfg, &caps);
	assert_int_equal(caps.nr, 2);
	assert_int_equal(caps.cap[1].room, 4);
	assert_true(caps.broken);
	ext(0x100, 1, 0x0fc);
	gw_pci_caps_walk_ext(cfg, &caps);
	assert_int_equal(caps.nr, 1);
	assert_true(caps.broken);
}

/* Whatever the bytes are: the walk ends, stays inside, and no two capabilities share a byte. */
static void random_bytes_give_disjoint_capabilities(void **state)
{
	static uint8_t owner[GW_PCI_CFG_SIZE];
	unsigned int seed = 11;

	for (int round = 0; round < 3000; round++) {
		bool extended = round & 1;

		for (unsigned int i = 0; i < sizeof(cfg); i++)
			cfg[i] = (uint8_t)rand_r(&seed);
		cfg[GW_PCI_STATUS] |= GW_PCI_STATUS_CAPS;
		if (extended)
			gw_pci_caps_walk_ext(cfg, &caps);
		else
			gw_pci_caps_walk(cfg, &caps);
		memset(owner, 0, sizeof(owner));
		for (unsigned int i = 0; i < caps.nr; i++) {
			const struct gw_pci_cap *c = &caps.cap[i];

			assert_in_range(c->off, extended ? 0x100 : 0x40, extended ? 0xffc : 0xfc);
			assert_in_range(c->room, 4, (extended ? 0x1000u : 0x100u) - c->off);
			for (unsigned int at = c->off; at < c->off + c->room; at++)
				assert_int_equal(owner[at]++, 0);
		}
	}
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_list_is_walked_in_its_own_order),
		T(without_the_status_bit_there_is_no_list),
		T(low_bits_of_a_pointer_are_masked),
		T(a_loop_ends_the_list),
		T(a_pointer_into_the_header_ends_the_list),
		T(the_last_dword_may_hold_a_capability),
		T(a_list_may_fill_all_there_is),
		T(a_function_that_is_gone_has_no_capabilities),
		T(extended_lists_are_bounded_likewise),
		T(random_bytes_give_disjoint_capabilities),
	};

	return cmocka_run_group_tests_name("pci caps", tests, NULL, NULL);
}
