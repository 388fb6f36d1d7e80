/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "fake_function.h"
#include "config/policy.h"

struct env {
	struct fake *f;
	struct gw_pci_policy p;
};

static int setup(void **state)
{
	struct env *e = calloc(1, sizeof(*e));

	e->f = fake_new();
	gw_pci_policy_compile(e->f->cfg, e->f->bar, e->f->vectors, &e->p);
	*state = e;
	return 0;
}

static int teardown(void **state)
{
	struct env *e = *state;

	fake_free(e->f);
	free(e);
	return 0;
}

static void compile(struct env *e)
{
	gw_pci_policy_compile(e->f->cfg, e->f->bar, e->f->vectors, &e->p);
}

static bool in(const uint8_t *mask, unsigned int bit)
{
	return mask[bit / 8] >> bit % 8 & 1;
}

/* Each bit is in one mask at most, and one that has a value at reset is fixed (or zero). */
static void check_masks(const struct gw_pci_policy *p)
{
	for (unsigned int bit = 0; bit < GW_PCI_CFG_SIZE * 8; bit++) {
		int masks = in(p->read_only, bit) + in(p->fixed, bit) + in(p->emulated, bit) +
			    in(p->forwarded, bit);

		assert_true(masks <= 1);
		assert_true(!in(p->initial, bit) || in(p->fixed, bit));
	}
}

static void count_kinds(const struct gw_pci_policy *p, unsigned int first, unsigned int end,
			unsigned int count[GW_PCI_NR_KINDS])
{
	memset(count, 0, GW_PCI_NR_KINDS * sizeof(*count));
	for (unsigned int off = first; off < end; off++)
		for (unsigned int bit = 0; bit < 8; bit++)
			count[gw_pci_policy_kind(p, off, bit)]++;
}

#define assert_kinds(p, first, end, dropped, read_only, fixed_, emulated_, forwarded_) do { \
	unsigned int n_[GW_PCI_NR_KINDS]; \
	count_kinds(p, first, end, n_); \
	assert_int_equal(n_[GW_PCI_DROPPED], dropped); \
	assert_int_equal(n_[GW_PCI_READ_ONLY], read_only); \
	assert_int_equal(n_[GW_PCI_FIXED], fixed_); \
	assert_int_equal(n_[GW_PCI_EMULATED], emulated_); \
	assert_int_equal(n_[GW_PCI_FORWARDED], forwarded_); \
} while (0)

/* The summary by which a change of the rules is noticed. */
static void every_bit_has_one_kind(void **state)
{
	struct env *e = *state;

	check_masks(&e->p);
	assert_kinds(&e->p, 0x00, 0x10, 18, 86, 1, 19, 4);
	/* BARs: 4 KiB and 16 KiB of 32 bits, 1 MiB of 64 bits; type bits fixed */
	assert_kinds(&e->p, 0x10, 0x28, 98, 0, 12, 82, 0);
	assert_kinds(&e->p, 0x28, 0x40, 128, 48, 8, 8, 0);
	/* PM, the 8 bytes behind it, MSI with its mask bits hidden */
	assert_kinds(&e->p, 0x40, 0x48, 41, 0, 21, 2, 0);
	assert_kinds(&e->p, 0x48, 0x50, 64, 0, 0, 0, 0);
	assert_kinds(&e->p, 0x50, 0x70, 154, 0, 20, 82, 0);
	/* MSI-X, PCI Express, VPD hidden, vendor, and the end of it */
	assert_kinds(&e->p, 0x70, 0x80, 35, 0, 91, 2, 0);
	assert_kinds(&e->p, 0x80, 0xc0, 267, 228, 16, 1, 0);
	assert_kinds(&e->p, 0xc0, 0xd0, 128, 0, 0, 0, 0);
	assert_kinds(&e->p, 0xd0, 0x100, 256, 104, 24, 0, 0);
	/* a list of no kind at first, serial number, vendor; all else does not exist */
	assert_kinds(&e->p, 0x100, 0x1000, 30464, 96, 160, 0, 0);
}

static void no_two_rules_speak_of_one_bit(void **state)
{
	const struct gw_pci_rule *r;
	size_t nr;

	r = gw_pci_rules(&nr);
	for (size_t i = 0; i < nr; i++) {
		assert_non_null(r[i].reason);
		assert_true(r[i].mask && r[i].nr && r[i].off % 4 == 0);
		assert_true(r[i].kind < GW_PCI_NR_KINDS);
		for (size_t j = i + 1; j < nr; j++) {
			if (r[i].where != r[j].where || r[i].id != r[j].id ||
			    r[i].off >= r[j].off + 4u * r[j].nr ||
			    r[j].off >= r[i].off + 4u * r[i].nr)
				continue;
			assert_int_equal(r[i].mask & r[j].mask, 0);
		}
	}
}

/* The header and the shown capabilities have a rule for all of their bits, so a reason too. */
static void rules_leave_no_bit_of_the_header_out(void **state)
{
	uint32_t seen[16] = { 0 };
	const struct gw_pci_rule *r;
	size_t nr;

	r = gw_pci_rules(&nr);
	for (size_t i = 0; i < nr; i++)
		if (r[i].where == GW_PCI_HEADER)
			seen[r[i].off / 4] |= r[i].mask;
	for (unsigned int i = 0; i < 16; i++)
		assert_int_equal(seen[i], i >= 4 && i < 10 ? 0 : UINT32_MAX);
}

static void command_is_the_only_register_forwarded(void **state)
{
	struct env *e = *state;

	for (unsigned int off = 0; off < GW_PCI_CFG_SIZE; off++)
		assert_int_equal(e->p.forwarded[off], off == 4 ? 0x07 : off == 5 ? 0x04 : 0);
}

static void hidden_capabilities_are_unlinked(void **state)
{
	static const uint16_t shown[] = { 0x40, 0x50, 0x70, 0x80, 0xd0 };
	struct env *e = *state;
	struct gw_pci_caps caps;

	assert_int_equal(e->p.initial[GW_PCI_STATUS], GW_PCI_STATUS_CAPS);
	gw_pci_caps_walk(e->p.initial, &caps);
	assert_int_equal(caps.nr, 5);
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(caps.cap[i].off, shown[i]);
	gw_pci_caps_walk_ext(e->p.initial, &caps);
	assert_int_equal(caps.nr, 3);
	assert_int_equal(caps.cap[0].id, 0);
	assert_int_equal(caps.cap[1].off, 0x150);
	assert_int_equal(caps.cap[2].off, 0x1a0);
	assert_false(caps.broken);
	assert_int_equal(e->p.size, 4096);
}

static void a_conventional_function_has_no_extended_list_and_that_is_not_broken(void **state)
{
	struct env *e = *state;

	assert_false(e->p.broken);
	memset(e->f->cfg + GW_PCI_EXT_FIRST, 0xff, GW_PCI_CFG_SIZE - GW_PCI_EXT_FIRST);
	compile(e);
	assert_false(e->p.broken);
	assert_int_equal(gw_pci_get(e->p.initial, GW_PCI_EXT_FIRST, 4), 0);
}

static void a_shown_capability_may_come_first(void **state)
{
	struct env *e = *state;
	struct gw_pci_caps caps;

	fake_ext(e->f, 0x100, GW_PCI_EXT_SERIAL, 0);
	compile(e);
	gw_pci_caps_walk_ext(e->p.initial, &caps);
	assert_int_equal(caps.nr, 1);
	assert_int_equal(caps.cap[0].id, GW_PCI_EXT_SERIAL);
}

static void without_pci_express_there_is_no_extended_space(void **state)
{
	struct env *e = *state;

	e->f->cfg[0x80] = 0x03;
	compile(e);
	assert_int_equal(e->p.size, 256);
	assert_int_equal(e->p.pcie, 0);
	assert_false(e->p.flr);
	assert_kinds(&e->p, 0x100, 0x1000, 0xf00 * 8, 0, 0, 0, 0);
}

static void a_capability_outside_the_list_can_only_be_read(void **state)
{
	struct env *e = *state;

	e->f->cfg[0xc1] = 0xd0;		/* 0x80 is an orphan now, behind MSI-X at 0x70 */
	e->f->cfg[0x71] = 0;
	compile(e);
	assert_int_equal(e->p.pcie, 0);
	assert_kinds(&e->p, 0x80, 0x100, 128 * 8, 0, 0, 0, 0);
	e->f->cfg[GW_PCI_CAP_PTR] = 0xd0;
	compile(e);
	assert_kinds(&e->p, 0x40, 0xd0, 0, 0x90 * 8, 0, 0, 0);
}

static void no_list_is_shown_where_none_is_left(void **state)
{
	struct env *e = *state;

	e->f->cfg[GW_PCI_CAP_PTR] = 0xc0;
	e->f->cfg[0xc1] = 0;
	compile(e);
	assert_int_equal(e->p.initial[GW_PCI_STATUS], 0);
	assert_int_equal(e->p.initial[GW_PCI_CAP_PTR], 0);
}

static void message_numbers_are_what_the_host_delivers(void **state)
{
	struct env *e = *state;

	assert_int_equal(e->p.msix_vectors, FAKE_MSIX);
	assert_int_equal(e->p.msi_vectors, 8);		/* the function has them */
	e->f->vectors = 3;
	compile(e);
	assert_int_equal(e->p.msix_vectors, 3);
	assert_int_equal(gw_pci_get(e->p.initial, 0x72, 2), 2);
	assert_int_equal(e->p.msi_vectors, 2);
	assert_int_equal(gw_pci_get(e->p.initial, 0x52, 2), 0x82);
	/* the whole table of the function stays out of reach all the same */
	assert_int_equal(e->p.msix_table.size, FAKE_MSIX * 16);
	e->f->vectors = 0;
	compile(e);
	assert_int_equal(e->p.msix, 0);
	assert_int_equal(e->p.msi, 0);
	assert_int_equal(e->p.msix_table.size, FAKE_MSIX * 16);
	gw_pci_put(e->f->cfg, 0x52, 2, 0x8e);		/* a reserved number of messages */
	e->f->vectors = 256;
	compile(e);
	assert_int_equal(e->p.msi_vectors, 32);
}

static void msi_of_32_bits_has_its_data_sooner(void **state)
{
	struct env *e = *state;

	gw_pci_put(e->f->cfg, 0x52, 2, 0x0000);
	compile(e);
	assert_int_equal(gw_pci_get(e->p.emulated, 0x58, 4), 0xffff);
	assert_int_equal(gw_pci_get(e->p.emulated, 0x5c, 4), 0);
}

static void an_msix_table_outside_its_bar_is_hidden(void **state)
{
	static const uint32_t bad[] = { 6, 7, 1, 3, 0x4000 | 4, 0x3fc0 | 4, 0xfffffff8 | 4 };
	struct env *e = *state;

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		gw_pci_put(e->f->cfg, 0x74, 4, bad[i]);
		compile(e);
		assert_int_equal(e->p.msix, 0);
		assert_int_equal(e->p.msix_vectors, 0);
		/* what is inside the BAR is out of reach even so */
		assert_true(!e->p.msix_table.size ||
			    e->p.msix_table.off + e->p.msix_table.size <= FAKE_BAR4_SIZE);
	}
	gw_pci_put(e->f->cfg, 0x74, 4, 0x1000 | 4);
	gw_pci_put(e->f->cfg, 0x78, 4, 0x1078 | 4);	/* pending bits in the table */
	compile(e);
	assert_int_equal(e->p.msix, 0);
}

static void a_second_capability_of_a_kind_is_hidden(void **state)
{
	struct env *e = *state;

	e->f->cfg[0xc0] = GW_PCI_CAP_PM;
	e->f->cfg[0xd0] = GW_PCI_CAP_MSIX;
	compile(e);
	assert_int_equal(e->p.pm, 0x40);
	assert_int_equal(e->p.msix, 0x70);
	assert_kinds(&e->p, 0xc0, 0x100, 64 * 8, 0, 0, 0, 0);
}

static void a_capability_that_runs_into_the_next_is_hidden(void **state)
{
	struct env *e = *state;
	struct gw_pci_caps caps;

	fake_cap(e->f, 0x40, GW_PCI_CAP_PM, 0x44);
	fake_cap(e->f, 0x44, 0x0d, 0x50);
	e->f->cfg[0xd2] = 0x31;			/* longer than config space */
	compile(e);
	assert_int_equal(e->p.pm, 0);
	gw_pci_caps_walk(e->p.initial, &caps);
	assert_int_equal(caps.nr, 3);
	check_masks(&e->p);
}

/* Nothing of MSI, BARs, STATUS or the ROM is ever the function's to be written. */
static void random_functions_compile_to_sound_masks(void **state)
{
	struct env *e = *state;
	unsigned int seed = 5;
	struct gw_pci_caps caps;

	for (int round = 0; round < 2000; round++) {
		for (unsigned int i = 0x34; i < GW_PCI_CFG_SIZE; i++)
			if (rand_r(&seed) % 4 == 0)
				e->f->cfg[i] = (uint8_t)rand_r(&seed);
		e->f->vectors = (unsigned int)rand_r(&seed) % 257;
		compile(e);
		check_masks(&e->p);
		command_is_the_only_register_forwarded(state);
		gw_pci_caps_walk(e->p.initial, &caps);
		assert_false(caps.broken);
		gw_pci_caps_walk_ext(e->p.initial, &caps);
		assert_false(caps.broken);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_bit_has_one_kind),
		T(no_two_rules_speak_of_one_bit),
		T(rules_leave_no_bit_of_the_header_out),
		T(command_is_the_only_register_forwarded),
		T(hidden_capabilities_are_unlinked),
		T(a_conventional_function_has_no_extended_list_and_that_is_not_broken),
		T(a_shown_capability_may_come_first),
		T(without_pci_express_there_is_no_extended_space),
		T(a_capability_outside_the_list_can_only_be_read),
		T(no_list_is_shown_where_none_is_left),
		T(message_numbers_are_what_the_host_delivers),
		T(msi_of_32_bits_has_its_data_sooner),
		T(an_msix_table_outside_its_bar_is_hidden),
		T(a_second_capability_of_a_kind_is_hidden),
		T(a_capability_that_runs_into_the_next_is_hidden),
		T(random_functions_compile_to_sound_masks),
	};

	return cmocka_run_group_tests_name("pci policy", tests, NULL, NULL);
}
