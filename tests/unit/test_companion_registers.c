/* SPDX-License-Identifier: BSD-3-Clause */
/* The companion as a PCI device: config space, registers, and the page that can be mapped. */
#include "unit.h"

#include "companion_rig.h"

static int setup(void **state)
{
	const struct gw_companion_options opt = { .guest_bdf = 0x0108 };

	return rig_setup(state, &opt);
}

/* Where the vendor capability is; 0 without one. */
static unsigned int vendor_cap(struct gw_device *d)
{
	unsigned int at = cfg_get(d, GW_PCI_CAP_PTR, 1);

	while (at && (cfg_get(d, at, 1) != GW_PCI_CAP_VENDOR ||
		      cfg_get(d, at + 4, 2) != GW_VENDOR_CAP_MAGIC))
		at = cfg_get(d, at + 1, 1);
	return at;
}

static void it_is_the_pci_device_that_drivers_know(void **state)
{
	struct rig *r = *state;
	struct gw_device *d = r->dev;

	assert_int_equal(cfg_get(d, 0, 4), 0x00151b36);
	assert_int_equal(cfg_get(d, 8, 4) >> 8, 0x088000);
	assert_int_equal(cfg_get(d, GW_PCI_HEADER_TYPE, 1), 0);
	assert_int_equal(cfg_get(d, GW_PCI_INT_PIN, 1), 0);
	assert_int_equal(cfg_get(d, GW_PCI_STATUS, 2), GW_PCI_STATUS_CAPS);
	assert_int_equal(cfg_get(d, GW_PCI_ROM, 4), 0);
	cfg_put(d, GW_PCI_BAR0, 4, UINT32_MAX);
	cfg_put(d, GW_PCI_BAR0 + 4, 4, UINT32_MAX);
	cfg_put(d, GW_PCI_BAR0 + 8, 4, UINT32_MAX);
	assert_int_equal(cfg_get(d, GW_PCI_BAR0, 4), 0xfffff000);
	assert_int_equal(cfg_get(d, GW_PCI_BAR0 + 4, 4), 0);
	assert_int_equal(cfg_get(d, GW_PCI_BAR0 + 8, 4), 0xffff0000);
	cfg_put(d, GW_PCI_COMMAND, 2, 0x6);
	assert_int_equal(cfg_get(d, GW_PCI_COMMAND, 2), 0x6);
	cfg_put(d, 0, 4, 0);
	assert_int_equal(cfg_get(d, 0, 4), 0x00151b36);
	d->ops->reset(d);
	assert_int_equal(cfg_get(d, GW_PCI_BAR0, 4), 0);
	assert_int_equal(cfg_get(d, GW_PCI_COMMAND, 2), 0);
}

static void both_functions_carry_the_same_cookie(void **state)
{
	struct rig *r = *state;
	unsigned int a = vendor_cap(r->dev), b = vendor_cap(r->fn);
	uint64_t cookie;

	assert_true(a && b);
	assert_int_equal(cfg_get(r->dev, a + 2, 2), GW_VENDOR_CAP_LEN | GW_VENDOR_ROLE_COMPANION << 8);
	assert_int_equal(cfg_get(r->fn, b + 2, 2), GW_VENDOR_CAP_LEN | GW_VENDOR_ROLE_FUNCTION << 8);
	cookie = cfg_get(r->dev, a + 8, 4) | (uint64_t)cfg_get(r->dev, a + 12, 4) << 32;
	assert_true(cookie);
	assert_true(cookie == (cfg_get(r->fn, b + 8, 4) | (uint64_t)cfg_get(r->fn, b + 12, 4) << 32));
	assert_true(cookie == rig_get64(r, GW_REG_COOKIE_LO));
}

static void the_registers_of_the_earlier_device_are_as_they_were(void **state)
{
	struct rig *r = *state;
	uint8_t page[0x20];
	static const uint8_t golden[0x20] = {
		2, 0, 0, 0, 0x08, 0x01, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0,
	};

	assert_int_equal(r->dev->ops->region_read(r->dev, 0, 0, page, sizeof(page)), 0);
	assert_memory_equal(page, golden, sizeof(golden));
	rig_put(r, GW_REG_VERSION, 7);
	rig_put(r, GW_REG_MANAGED_BDF, 7);
	rig_put(r, GW_REG_MAX_ENTRIES, 7);
	rig_put(r, GW_REG_STATUS, 7);
	assert_int_equal(r->dev->ops->region_read(r->dev, 0, 0, page, sizeof(page)), 0);
	assert_memory_equal(page, golden, sizeof(golden));
}

static void the_others_tell_what_the_host_has(void **state)
{
	struct rig *r = *state;

	assert_int_equal(rig_get(r, GW_REG_MAGIC), GW_COMPANION_MAGIC);
	assert_int_equal(rig_get(r, GW_REG_ABI), 1);
	assert_int_equal(rig_get(r, GW_REG_ABI_NEWEST), 2);
	assert_int_equal(rig_get(r, GW_REG_FEATURES),
			 GW_FEATURE_RING | GW_FEATURE_HIDDEN | GW_FEATURE_PAGE | GW_FEATURE_RESUME |
			 GW_FEATURE_DROPPED);
	r->f->fn.limits.places = true;
	assert_true(rig_get(r, GW_REG_FEATURES) & GW_FEATURE_PLACE);
	assert_int_equal(rig_get(r, GW_REG_DOORBELL_MS), 1000);
	assert_int_equal(rig_get64(r, GW_REG_LEFT_BYTES_LO), 1 << 30);
	assert_int_equal(rig_get64(r, GW_REG_IOVA_FIRST_LO), 0);
	assert_int_equal(rig_get(r, GW_REG_GRANULE_SHIFT), 12);
	assert_int_equal(rig_get64(r, GW_REG_BUDGET_BYTES_LO), 1 << 30);
	assert_int_equal(rig_get(r, GW_REG_BUDGET_MAPS), 65536);
	assert_int_equal(rig_get64(r, GW_REG_MAX_MAP_LO), 1 << 24);
	assert_int_equal(rig_get(r, GW_REG_IOVA_BITS), 40);
	assert_int_equal(rig_get(r, 0xa0), 0);
	assert_int_equal(rig_get(r, 0xffc), 0);
	assert_int_equal(rig_get(r, GW_REG_DOORBELL), 0);
}

static void a_wide_register_keeps_its_upper_half_for_the_next_read(void **state)
{
	struct rig *r = *state;
	uint32_t lo;
	uint64_t both;

	r->f->fn.limits.max_bytes = 5ull << 40 | 1 << 20;
	lo = rig_get(r, GW_REG_BUDGET_BYTES_LO);
	r->f->fn.limits.max_bytes = 1ull << 42;
	assert_int_equal(rig_get(r, GW_REG_BUDGET_BYTES_HI), 5 << 8);
	assert_int_equal(lo, 1 << 20);
	/* a read of both at once is that */
	assert_int_equal(r->dev->ops->region_read(r->dev, 0, GW_REG_BUDGET_BYTES_LO, &both, 8), 0);
	assert_true(both == 1ull << 42);
}

static void limits_beyond_a_register_are_cut(void **state)
{
	struct rig *r = *state;

	r->f->fn.limits.max_maps = UINT64_MAX;
	r->f->fn.limits.max_bytes = UINT64_MAX;
	r->f->fn.limits.max_map_bytes = UINT64_MAX;
	r->f->fn.limits.iova_last.v = UINT64_MAX;
	assert_int_equal(rig_get(r, GW_REG_BUDGET_MAPS), GW_DMA_GUEST_MAPS);
	assert_int_equal(rig_get(r, GW_REG_IOVA_BITS), 64);
	assert_true(rig_get64(r, GW_REG_MAX_MAP_LO) == (uint64_t)-4096);
}

static void accesses_of_other_widths_do_nothing(void **state)
{
	struct rig *r = *state;
	uint32_t one = 1;
	uint16_t half;
	uint8_t byte, some[7];

	assert_int_equal(r->dev->ops->region_read(r->dev, 0, 0, &half, 2), 0);
	assert_int_equal(half, 0xffff);
	assert_int_equal(r->dev->ops->region_read(r->dev, 0, 3, &byte, 1), 0);
	assert_int_equal(byte, 0xff);
	assert_int_equal(r->dev->ops->region_write(r->dev, 0, GW_REG_CONTROL, &one, 2), 0);
	assert_int_equal(rig_identity(r), UINT32_MAX);
	/* the word inside is one */
	assert_int_equal(r->dev->ops->region_read(r->dev, 0, 1, some, 7), 0);
	assert_memory_equal(some, "\xff\xff\xff\x08\x01\x00\x00", 7);
}

static void accesses_outside_are_refused(void **state)
{
	struct rig *r = *state;
	uint8_t buf[8] = { 0 };

	assert_int_equal(r->dev->ops->region_read(r->dev, 0, 4096, buf, 1), -EINVAL);
	assert_int_equal(r->dev->ops->region_read(r->dev, 0, 4092, buf, 8), -EINVAL);
	assert_int_equal(r->dev->ops->region_write(r->dev, 0, UINT64_MAX, buf, 8), -EINVAL);
	assert_int_equal(r->dev->ops->region_read(r->dev, 1, 0, buf, 4), -EINVAL);
	assert_int_equal(r->dev->ops->region_read(r->dev, GW_REGION_ROM, 0, buf, 4), -EINVAL);
	assert_int_equal(r->dev->ops->region_read(r->dev, GW_REGION_CONFIG, 256, buf, 4), -EINVAL);
	assert_int_equal(r->dev->ops->region_write(r->dev, GW_REGION_CONFIG, 254, buf, 4), -EINVAL);
}

/* BAR2 makes a VMM wait for writes to BAR0, which is what makes a doorbell synchronous. */
static void the_page_can_be_mapped_and_tells_what_is_used(void **state)
{
	struct rig *r = *state;
	struct gw_companion_page *page, copy;
	struct gw_region_info info;
	uint32_t junk = 0xdeadbeef;

	r->dev->ops->region_info(r->dev, 2, &info);
	assert_int_equal(info.flags, GW_REGION_F_READ | GW_REGION_F_WRITE | GW_REGION_F_MMAP);
	/* a VMM maps pages of its own size, and registers are not to be in any of them */
	assert_int_equal(info.size, 65536);
	assert_int_equal(info.fd_off, 0);
	assert_int_equal(info.nr_areas, 0);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, info.fd, (off_t)info.fd_off);
	assert_true(page != MAP_FAILED);
	assert_int_equal(page->generation, rig_get(r, GW_REG_GENERATION));
	assert_int_equal(page->used_maps, 0);
	assert_true(rig_ring_start(r, 6));
	rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 0x3000);
	assert_int_equal(page->used_maps, 1);
	assert_int_equal(page->used_bytes, 0x3000);
	assert_int_equal(r->dev->ops->region_write(r->dev, 2, 0, &junk, 4), 0);
	assert_int_equal(r->dev->ops->region_read(r->dev, 2, 0, &copy, sizeof(copy)), 0);
	assert_memory_equal(&copy, page, sizeof(copy));
	assert_int_equal(rig_control(r, GW_CONTROL_UNMAP_ALL), GW_STATUS_OK);
	assert_int_equal(page->generation, rig_get(r, GW_REG_GENERATION));
	assert_int_equal(page->generation, r->hdr->generation);
	assert_int_equal(page->used_maps, 0);
	assert_int_equal(ftruncate(info.fd, 0), -1);
	/* a guest that writes there confuses nobody but itself */
	memset(page, 0xff, 4096);
	assert_int_equal(rig_get(r, GW_REG_USED_MAPS), 0);
	munmap(page, 4096);
}

static struct gw_companion_page *page_of(struct rig *r)
{
	struct gw_region_info info;
	void *page;

	r->dev->ops->region_info(r->dev, 2, &info);
	page = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, info.fd, 0);
	assert_true(page != MAP_FAILED);
	return page;
}

static void each_vmm_has_a_page_of_its_own(void **state)
{
	struct rig *r = *state;
	struct gw_companion_page *old = page_of(r), *page;
	const uint8_t *bytes;

	memset(old, 0xff, 65536);
	r->dev->ops->detach(r->dev);
	assert_int_equal(r->dev->ops->attach(r->dev, &r->f->remote, NULL), 0);
	page = page_of(r);
	bytes = (const uint8_t *)page;
	assert_int_equal(page->generation, rig_get(r, GW_REG_GENERATION));
	for (size_t i = sizeof(*page); i < 65536; i++)
		assert_int_equal(bytes[i], 0);
	old->generation = old->used_maps = 0x666;
	assert_int_equal(page->generation, rig_get(r, GW_REG_GENERATION));
	rig_give_memory(r, r->dev);
	assert_true(rig_ring_start(r, 6));
	rig_ring_do(r, GW_RING_MAP, 0, RIG_RAM_GPA, 0x3000);
	assert_int_equal(page->used_maps, 1);
	assert_int_equal(old->used_maps, 0x666);	/* nor is the old one told anything */
	munmap(page, 65536);
	munmap(old, 65536);
}

static void it_has_one_message_interrupt(void **state)
{
	struct rig *r = *state;
	struct gw_irq_info info;

	for (unsigned int i = 0; i < GW_NR_IRQS; i++) {
		r->dev->ops->irq_info(r->dev, (enum gw_irq)i, &info);
		assert_int_equal(info.count, i == GW_IRQ_MSI || i == GW_IRQ_ERR || i == GW_IRQ_REQ);
	}
	assert_int_equal(cfg_get(r->dev, 0x40, 4) & 0xff, GW_PCI_CAP_MSI);
	assert_int_equal(cfg_get(r->dev, 0x42, 2), GW_PCI_MSI_64BIT);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(it_is_the_pci_device_that_drivers_know),
		T(both_functions_carry_the_same_cookie),
		T(the_registers_of_the_earlier_device_are_as_they_were),
		T(the_others_tell_what_the_host_has),
		T(a_wide_register_keeps_its_upper_half_for_the_next_read),
		T(limits_beyond_a_register_are_cut),
		T(accesses_of_other_widths_do_nothing),
		T(accesses_outside_are_refused),
		T(the_page_can_be_mapped_and_tells_what_is_used),
		T(each_vmm_has_a_page_of_its_own),
		T(it_has_one_message_interrupt),
	};

	return cmocka_run_group_tests_name("companion_registers", tests, NULL, NULL);
}
