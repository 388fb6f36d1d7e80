/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "fake_function.h"
#include "function/function.h"

static int setup(void **state)
{
	*state = guest_open(fake_new());
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	guest_close(*state);
	return 0;
}

static void identity_is_the_functions(void **state)
{
	struct guest *g = *state;

	assert_int_equal(guest_get(g, 0, 4), 0x67771234);
	assert_int_equal(guest_get(g, 0x0a, 2), 0xff00);
	assert_int_equal(guest_get(g, 0x03, 1), 0x67);
	assert_int_equal(guest_get(g, GW_PCI_SUBSYSTEM, 4), 0x00021af4);
	guest_put(g, 0, 4, 0);
	assert_int_equal(guest_get(g, 0, 4), 0x67771234);
}

/* The fake ends the program at any write of the host's but COMMAND's forwarded bits. */
static void command_is_forwarded_and_status_never(void **state)
{
	struct guest *g = *state;

	guest_put(g, GW_PCI_COMMAND, 4, 0xffffffff);
	assert_int_equal(gw_pci_get(g->f->cfg, GW_PCI_COMMAND, 4), 0xf9100547);
	assert_int_equal(guest_get(g, GW_PCI_COMMAND, 2), 0x0557);
	assert_int_equal(guest_get(g, GW_PCI_STATUS, 2), 0xf910);
	guest_put(g, GW_PCI_COMMAND + 1, 1, 0);
	assert_int_equal(guest_get(g, GW_PCI_COMMAND, 2), 0x0057);
	guest_put(g, GW_PCI_COMMAND, 1, 0x02);
	assert_int_equal(guest_get(g, GW_PCI_COMMAND, 2), 0x0002);
}

static void a_write_across_status_still_reaches_command(void **state)
{
	static const uint8_t bytes[] = { 0x99, 0x06, 0x04, 0xff, 0xff, 0x99 };
	struct guest *g = *state;

	assert_int_equal(g->dev->ops->region_write(g->dev, GW_REGION_CONFIG, 3, bytes, 6), 0);
	assert_int_equal(guest_get(g, GW_PCI_COMMAND, 2), 0x0406);
	assert_int_equal(guest_get(g, GW_PCI_STATUS, 2), 0xf910);
}

static void bars_size_as_on_a_bus(void **state)
{
	static const uint32_t sized[] = { 0xfffff000, 0, 0xfff0000c, 0xffffffff, 0xffffc000, 0 };
	static const uint32_t type[] = { 0, 0, 0xc, 0, 0, 0 };
	struct guest *g = *state;

	for (unsigned int i = 0; i < GW_NR_BARS; i++) {
		assert_int_equal(guest_get(g, GW_PCI_BAR0 + 4 * i, 4), type[i]);
		guest_put(g, GW_PCI_BAR0 + 4 * i, 4, UINT32_MAX);
		assert_int_equal(guest_get(g, GW_PCI_BAR0 + 4 * i, 4), sized[i]);
		guest_put(g, GW_PCI_BAR0 + 4 * i, 4, 0);
		assert_int_equal(guest_get(g, GW_PCI_BAR0 + 4 * i, 4), type[i]);
	}
}

static void io_and_huge_bars_size_too(void **state)
{
	struct fake *f = fake_new();
	struct guest *g;

	f->bar[0] = (struct gw_bar_info){ .size = 32, .io = true };
	f->bar[2].mappable = false;
	f->bar[2].size = 1ull << 36;
	g = guest_open(f);
	guest_put(g, GW_PCI_BAR0, 4, UINT32_MAX);
	assert_int_equal(guest_get(g, GW_PCI_BAR0, 4), 0xffffffe1);
	guest_put(g, GW_PCI_BAR0 + 8, 4, UINT32_MAX);
	guest_put(g, GW_PCI_BAR0 + 12, 4, UINT32_MAX);
	assert_int_equal(guest_get(g, GW_PCI_BAR0 + 8, 4), 0xc);
	assert_int_equal(guest_get(g, GW_PCI_BAR0 + 12, 4), 0xfffffff0);
	f->bar[0].size = FAKE_BAR0_SIZE;
	f->bar[2].size = FAKE_BAR2_SIZE;
	guest_close(g);
}

static void the_rom_is_absent_whatever_is_written(void **state)
{
	struct guest *g = *state;

	assert_int_equal(guest_get(g, GW_PCI_ROM, 4), 0);
	guest_put(g, GW_PCI_ROM, 4, 0xfffff800);
	assert_int_equal(guest_get(g, GW_PCI_ROM, 4), 0);
}

static void there_is_no_interrupt_pin(void **state)
{
	struct guest *g = *state;

	assert_int_equal(guest_get(g, GW_PCI_INT_LINE, 2), 0);
	guest_put(g, GW_PCI_INT_LINE, 2, 0x040b);
	assert_int_equal(guest_get(g, GW_PCI_INT_LINE, 2), 0x000b);
}

static void device_control_is_the_hosts(void **state)
{
	struct guest *g = *state;

	guest_put(g, 0x88, 2, 0x0000);
	assert_int_equal(guest_get(g, 0x88, 2), 0x2910);
	guest_put(g, 0xa8, 2, 0);
	assert_int_equal(guest_get(g, 0xa8, 2), 0xffff);
	assert_int_equal(guest_get(g, 0x8a, 2), 0x0010);	/* no errors are shown */
}

static void messages_are_a_note_of_the_vmm(void **state)
{
	struct guest *g = *state;

	assert_int_equal(guest_get(g, 0x52, 2), 0x0086);
	assert_int_equal(guest_get(g, 0x54, 4), 0);
	guest_put(g, 0x54, 4, 0xfee0100f);
	guest_put(g, 0x58, 4, 0x1);
	guest_put(g, 0x5c, 4, 0xabcd4041);
	guest_put(g, 0x52, 2, 0xffff);
	assert_int_equal(guest_get(g, 0x54, 4), 0xfee0100c);
	assert_int_equal(guest_get(g, 0x5c, 4), 0x4041);
	assert_int_equal(guest_get(g, 0x52, 2), 0x00f7);
	assert_int_equal(guest_get(g, 0x60, 4), 0);	/* mask bits */
	guest_put(g, 0x72, 2, 0xffff);
	assert_int_equal(guest_get(g, 0x72, 2), 0xc000 | (FAKE_MSIX - 1));
	assert_int_equal(gw_pci_get(g->f->cfg, 0x72, 2), 0x8000 | (FAKE_MSIX - 1));
}

static void all_of_config_space_reads_at_once(void **state)
{
	struct guest *g = *state;
	uint8_t all[GW_PCI_CFG_SIZE];

	assert_int_equal(g->dev->ops->region_read(g->dev, GW_REGION_CONFIG, 0, all, sizeof(all)), 0);
	for (unsigned int off = 0; off < sizeof(all); off++)
		assert_int_equal(all[off], guest_get(g, off, 1));
}

static void an_access_past_the_end_is_refused(void **state)
{
	struct guest *g = *state;
	uint8_t b[8] = { 0 };

	assert_int_equal(g->dev->ops->region_read(g->dev, GW_REGION_CONFIG, 4095, b, 2), -EINVAL);
	assert_int_equal(g->dev->ops->region_write(g->dev, GW_REGION_CONFIG, 4096, b, 1), -EINVAL);
	assert_int_equal(g->dev->ops->region_read(g->dev, GW_REGION_CONFIG, UINT64_MAX, b, 2),
			 -EINVAL);
	assert_int_equal(g->dev->ops->region_read(g->dev, GW_REGION_ROM, 0, b, 1), -EINVAL);
	assert_int_equal(g->dev->ops->region_read(g->dev, 77, 0, b, 1), -EINVAL);
}

static void a_host_that_fails_a_read_gives_all_ones(void **state)
{
	struct guest *g = *state;

	g->f->fail_config = -EIO;
	assert_int_equal(guest_get(g, 0, 4), UINT32_MAX);
	assert_int_equal(guest_get(g, GW_PCI_ROM, 4), 0);	/* no question for the host */
	guest_put(g, GW_PCI_COMMAND, 2, 7);
	assert_int_equal(g->f->warnings, 2);
	g->f->fail_config = 0;
}

/* What a byte of config space reads as, bit by bit, from the kinds. */
static uint8_t model_read(struct guest *g, const uint8_t *copy, unsigned int off)
{
	uint8_t v = 0;

	for (unsigned int bit = 0; bit < 8; bit++) {
		uint8_t m = (uint8_t)(1u << bit);

		switch (gw_pci_policy_kind(&g->gf->policy, off, bit)) {
		case GW_PCI_READ_ONLY:
		case GW_PCI_FORWARDED:
			v |= g->f->cfg[off] & m;
			break;
		case GW_PCI_FIXED:
			v |= g->gf->policy.initial[off] & m;
			break;
		case GW_PCI_EMULATED:
			v |= copy[off] & m;
			break;
		default:
			break;
		}
	}
	return v;
}

static void model_write(struct guest *g, uint8_t *copy, uint8_t *host, unsigned int off, uint8_t v)
{
	uint8_t emulated = 0, forwarded = 0;

	for (unsigned int bit = 0; bit < 8; bit++) {
		enum gw_pci_kind kind = gw_pci_policy_kind(&g->gf->policy, off, bit);

		emulated |= (uint8_t)((kind == GW_PCI_EMULATED) << bit);
		forwarded |= (uint8_t)((kind == GW_PCI_FORWARDED) << bit);
	}
	copy[off] = (uint8_t)((copy[off] & ~emulated) | (v & emulated));
	host[off] = (uint8_t)((host[off] & ~forwarded) | (v & forwarded));
}

/* Keep away from bits that do something: power state and function level reset. */
static void calm(unsigned int off, size_t len, uint8_t *v)
{
	for (size_t i = 0; i < len; i++) {
		if (off + i == 0x44)
			v[i] &= 0xfc;
		if (off + i == 0x89)
			v[i] &= 0x7f;
	}
}

static void writes_of_any_size_anywhere_agree_with_a_model(void **state)
{
	struct guest *g = *state;
	uint8_t copy[GW_PCI_CFG_SIZE] = { 0 }, host[GW_PCI_CFG_SIZE], v[64];
	unsigned int seed = 3;

	memcpy(host, g->f->cfg, sizeof(host));
	for (int round = 0; round < 20000; round++) {
		unsigned int area = round % 3 ? 256 : GW_PCI_CFG_SIZE;
		unsigned int off = (unsigned int)rand_r(&seed) % area;
		size_t len = (size_t)rand_r(&seed) % (round % 2 ? 9 : sizeof(v) + 1);

		if (len > GW_PCI_CFG_SIZE - off)
			len = GW_PCI_CFG_SIZE - off;
		for (size_t i = 0; i < len; i++)
			v[i] = (uint8_t)rand_r(&seed);
		calm(off, len, v);
		assert_int_equal(g->dev->ops->region_write(g->dev, GW_REGION_CONFIG, off, v, len),
				 0);
		for (size_t i = 0; i < len; i++)
			model_write(g, copy, host, off + (unsigned int)i, v[i]);
		assert_memory_equal(g->f->cfg, host, sizeof(host));

		off = (unsigned int)rand_r(&seed) % (GW_PCI_CFG_SIZE - sizeof(v));
		if (round % 4)
			off %= 192;
		assert_int_equal(g->dev->ops->region_read(g->dev, GW_REGION_CONFIG, off, v,
							  sizeof(v)), 0);
		for (unsigned int i = 0; i < sizeof(v); i++)
			assert_int_equal(v[i], model_read(g, copy, off + i));
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(identity_is_the_functions),
		T(command_is_forwarded_and_status_never),
		T(a_write_across_status_still_reaches_command),
		T(bars_size_as_on_a_bus),
		cmocka_unit_test(io_and_huge_bars_size_too),
		T(the_rom_is_absent_whatever_is_written),
		T(there_is_no_interrupt_pin),
		T(device_control_is_the_hosts),
		T(messages_are_a_note_of_the_vmm),
		T(all_of_config_space_reads_at_once),
		T(an_access_past_the_end_is_refused),
		T(a_host_that_fails_a_read_gives_all_ones),
		T(writes_of_any_size_anywhere_agree_with_a_model),
	};

	return cmocka_run_group_tests_name("guest config", tests, NULL, NULL);
}
