/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim_rig.h"

#include "host/sim/config.h"

/* The device's side of config space, by the specification's offsets and not by our names. */

static struct gw_config built(const struct gw_endpoint_desc *desc)
{
	struct gw_config c;
	const char *why;

	assert_int_equal(gw_config_check(desc, &why), 0);
	gw_config_build(&c, desc);
	return c;
}

static struct gw_endpoint_desc rig_desc(void)
{
	struct rig_ep *ep = rig_ep_new();
	struct gw_endpoint_desc desc = ep->ep.desc;

	free(ep);
	return desc;
}

static unsigned int cap_find(const struct gw_config *c, uint8_t id)
{
	unsigned int at = c->byte[0x34], left = 48;

	for (; at && left && c->byte[at] != id; left--)
		at = c->byte[at + 1];
	return at;
}

static void the_header_is_what_the_endpoint_says(void **state)
{
	struct gw_endpoint_desc d = rig_desc();
	struct gw_config c = built(&d);

	assert_int_equal(gw_config_get(&c, 0, 4), 0xabcd1234);
	assert_int_equal(gw_config_get(&c, 8, 4), 0xff010203);
	assert_int_equal(gw_config_get(&c, 0x2c, 4), 0x00011af4);
	assert_int_equal(gw_config_get(&c, 0x0e, 1), 0);
	assert_int_equal(gw_config_get(&c, 0x3d, 1), 0);	/* no interrupt pin */
	assert_int_equal(gw_config_get(&c, 0x06, 2) & 0x10, 0x10);
	assert_int_equal(gw_config_get(&c, 0x100, 4), 0x00010003);
	assert_int_equal(gw_config_get(&c, 0x104, 4), 0x55667788);
	assert_int_equal(gw_config_get(&c, 0x108, 4), 0x11223344);
}

static void only_the_capabilities_it_has_are_linked(void **state)
{
	struct gw_endpoint_desc d = rig_desc();
	struct gw_config c = built(&d);

	assert_int_not_equal(cap_find(&c, 0x01), 0);
	assert_int_not_equal(cap_find(&c, 0x05), 0);
	assert_int_not_equal(cap_find(&c, 0x10), 0);
	assert_int_not_equal(cap_find(&c, 0x11), 0);
	assert_int_equal(gw_config_get(&c, cap_find(&c, 0x11) + 2, 2), RIG_VECTORS - 1);
	assert_int_equal(gw_config_get(&c, cap_find(&c, 0x11) + 4, 4), 4);
	assert_int_equal(gw_config_get(&c, cap_find(&c, 0x11) + 8, 4), 2048 | 4);
	assert_int_equal(gw_config_get(&c, cap_find(&c, 0x05) + 2, 2), 0x84);
	d.msi_vectors = 0;
	d.msix_vectors = 0;
	d.serial = 0;
	c = built(&d);
	assert_int_not_equal(cap_find(&c, 0x01), 0);
	assert_int_not_equal(cap_find(&c, 0x10), 0);
	assert_int_equal(cap_find(&c, 0x05), 0);
	assert_int_equal(cap_find(&c, 0x11), 0);
	assert_int_equal(gw_config_get(&c, 0x100, 4), 0);
}

static void a_bar_answers_with_its_size(void **state)
{
	struct gw_endpoint_desc d = rig_desc();
	struct gw_config c = built(&d);

	for (unsigned int off = 0x10; off < 0x28; off += 4)
		gw_config_write(&c, off, 4, 0xffffffff);
	assert_int_equal(gw_config_get(&c, 0x10, 4), 0xfffff000);
	assert_int_equal(gw_config_get(&c, 0x14, 4), 0);
	assert_int_equal(gw_config_get(&c, 0x18, 4), 0xffff000c);
	assert_int_equal(gw_config_get(&c, 0x1c, 4), 0xffffffff);
	assert_int_equal(gw_config_get(&c, 0x20, 4), 0xfffff000);
	assert_int_equal(gw_config_get(&c, 0x24, 4), 0);
	gw_config_write(&c, 0x30, 4, 0xffffffff);
	assert_int_equal(gw_config_get(&c, 0x30, 4), 0);	/* no ROM */
	d.bar[2].size = 8ull << 30;
	c = built(&d);
	gw_config_write(&c, 0x18, 4, 0xffffffff);
	gw_config_write(&c, 0x1c, 4, 0xffffffff);
	assert_int_equal(gw_config_get(&c, 0x18, 4), 0x0000000c);
	assert_int_equal(gw_config_get(&c, 0x1c, 4), 0xfffffffe);
	gw_config_set_bar(&c, &d, 2, 0x600000000);
	assert_int_equal(gw_config_bar(&c, &d, 2), 0x600000000);
	assert_int_equal(gw_config_get(&c, 0x18, 4), 0x0000000c);
}

static void status_bits_clear_by_writing_one(void **state)
{
	struct gw_endpoint_desc d = rig_desc();
	struct gw_config c = built(&d);

	gw_config_set(&c, 0x06, 2, 0xf910);
	gw_config_write(&c, 0x06, 2, 0x0900);
	assert_int_equal(gw_config_get(&c, 0x06, 2), 0xf010);
	gw_config_write(&c, 0x04, 4, 0xf0000006);	/* both halves at once */
	assert_int_equal(gw_config_get(&c, 0x04, 4), 0x00100006);
}

static void only_d0_and_d3_can_be_entered(void **state)
{
	struct gw_endpoint_desc d = rig_desc();
	struct gw_config c = built(&d);
	unsigned int pm = cap_find(&c, 0x01);

	assert_int_equal(gw_config_get(&c, pm + 2, 2) & 0x0600, 0);	/* no D1, D2 */
	assert_true(gw_config_in_d0(&c));
	gw_config_write(&c, pm + 4, 2, 1);
	assert_true(gw_config_in_d0(&c));
	gw_config_write(&c, pm + 4, 2, 3);
	assert_false(gw_config_in_d0(&c));
	gw_config_write(&c, pm + 4, 1, 2);
	assert_int_equal(c.byte[pm + 4] & 3, 3);
	gw_config_write(&c, pm + 4, 2, 0);
	assert_true(gw_config_in_d0(&c));
}

static void msi_grants_no_more_than_was_asked_for(void **state)
{
	struct gw_endpoint_desc d = rig_desc();
	struct gw_config c = built(&d);
	unsigned int msi = cap_find(&c, 0x05);

	gw_config_write(&c, msi + 2, 2, 0x0071);
	assert_int_equal(gw_config_get(&c, msi + 2, 2), 0x00a5);	/* 4 of 4, enabled */
	gw_config_write(&c, msi + 2, 2, 0x0011);
	assert_int_equal(gw_config_get(&c, msi + 2, 2), 0x0095);
	gw_config_write(&c, msi + 4, 4, 0xffffffff);
	assert_int_equal(gw_config_get(&c, msi + 4, 4), 0xfffffffc);
}

static void a_function_level_reset_is_asked_for_by_one_bit_that_reads_zero(void **state)
{
	struct gw_endpoint_desc d = rig_desc();
	struct gw_config c = built(&d);
	unsigned int pcie = cap_find(&c, 0x10);

	assert_int_equal(gw_config_get(&c, pcie + 4, 4) >> 28 & 1, 1);
	assert_false(gw_config_write(&c, pcie + 8, 2, 0x2850));
	assert_true(gw_config_write(&c, pcie + 8, 2, 0xa850));
	assert_int_equal(gw_config_get(&c, pcie + 8, 2), 0x2850);
	assert_true(gw_config_write(&c, pcie + 9, 1, 0x80));
	gw_config_write(&c, pcie + 8, 2, 0x2850);
	gw_config_write(&c, 0x04, 2, 0x0006);
	gw_config_write(&c, pcie + 16, 2, 0x0040);
	gw_config_reset(&c, &d);
	assert_int_equal(gw_config_get(&c, 0x04, 2), 0);
	/* payload size and link control stay (PCI Express 4.0, 6.6.2) */
	assert_int_equal(gw_config_get(&c, pcie + 8, 2) & 0x00e0, 0x0040);
	assert_int_equal(gw_config_get(&c, pcie + 16, 2), 0x0040);
	d.no_flr = true;
	c = built(&d);
	assert_int_equal(gw_config_get(&c, pcie + 4, 4) >> 28 & 1, 0);
	assert_false(gw_config_write(&c, pcie + 8, 2, 0x8000));
}

/* Whatever is written, wherever: what cannot be written stays. */
static void read_only_bits_survive_any_write(void **state)
{
	struct gw_endpoint_desc d = rig_desc();
	struct gw_config c = built(&d), was = c;
	unsigned int seed = 5;

	for (int i = 0; i < 200000; i++) {
		unsigned int width = 1u << rand_r(&seed) % 3;
		unsigned int off = (unsigned int)rand_r(&seed) % 0x120 / width * width;

		gw_config_write(&c, off, width, (uint32_t)rand_r(&seed) * 2654435761u);
	}
	gw_config_write(&c, 4092, 4, 0xffffffff);
	for (unsigned int i = 0; i < 4096; i++) {
		uint8_t fixed = (uint8_t)~(c.wmask[i] | c.w1c[i]);

		assert_int_equal(c.byte[i] & fixed, was.byte[i] & fixed);
		assert_int_equal(c.wmask[i] & c.w1c[i], 0);
	}
}

static void an_impossible_description_is_refused_with_the_reason(void **state)
{
	const struct gw_endpoint_desc good = rig_desc();
	struct gw_endpoint_desc d;
	const char *why;

#define refuse(change)                                                                           \
	do {                                                                                     \
		d = good;                                                                        \
		change;                                                                          \
		assert_int_equal(gw_config_check(&d, &why), -EINVAL);                            \
		assert_true(strlen(why) > 10);                                                   \
	} while (0)
	refuse(d.class_code = 0x1000000);
	refuse(d.msi_vectors = 3);
	refuse(d.msi_vectors = 64);
	refuse(d.bar[0].size = 8);
	refuse(d.bar[0].size = 4097);
	refuse(d.bar[0].size = 2ull << 30);
	refuse(d.bar[2].size = 2ull << 40);
	refuse(d.bar[3].size = 4096);
	refuse(d.bar[5] = ((struct gw_endpoint_bar){ .size = 4096, .is_64bit = true }));
	refuse((d.bar[0].size = 2048, d.bar[0].mapped = true));
	refuse(d.msix_vectors = 257);
	refuse(d.msix_bar = 6);
	refuse(d.msix_bar = 1);
	refuse(d.msix_bar = 3);
	refuse(d.msix_table = 4);
	refuse(d.msix_pba = 2052);
	refuse(d.msix_table = 4096 - 16);
	refuse(d.msix_pba = 4096);
	refuse(d.msix_pba = 8);
	refuse(d.msix_table = 0xfffffff8);
#undef refuse
	d = good;
	assert_int_equal(gw_config_check(&d, &why), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_header_is_what_the_endpoint_says),
		cmocka_unit_test(only_the_capabilities_it_has_are_linked),
		cmocka_unit_test(a_bar_answers_with_its_size),
		cmocka_unit_test(status_bits_clear_by_writing_one),
		cmocka_unit_test(only_d0_and_d3_can_be_entered),
		cmocka_unit_test(msi_grants_no_more_than_was_asked_for),
		cmocka_unit_test(a_function_level_reset_is_asked_for_by_one_bit_that_reads_zero),
		cmocka_unit_test(read_only_bits_survive_any_write),
		cmocka_unit_test(an_impossible_description_is_refused_with_the_reason),
	};

	return cmocka_run_group_tests_name("sim_config", tests, NULL, NULL);
}
