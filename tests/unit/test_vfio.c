/* SPDX-License-Identifier: BSD-3-Clause */
/* What can be opened, and the registers, BARs, resets and options of what is. */
#include "vfio_rig.h"

#include <unistd.h>

/* @name cannot be opened: the error, and the lines that say why and what to do. */
static void refused(const char *name, int err, const char *why, const char *hint)
{
	struct gw_host *host = host_new(false);
	struct gw_function *f;

	fake.log[0] = '\0';
	assert_int_equal(host->ops->open(host, name, &f), err);
	if (!fake_logged(why) || !fake_logged(hint))
		fail_msg("'%s' and '%s' are not in: %s", why, hint, fake.log);
	host->ops->free(host);
}

static void what_cannot_be_handed_out_is_refused_with_the_way_out(void **state)
{
	refused("nonsense", -EINVAL, "not a PCI address", "0000:01:00.0");
	refused("09:00.0", -ENOENT, "no such PCI function", "gangway list");

	fake_link("sys/bus/pci/devices/0000:01:00.0/driver", "../drivers/nvme");
	refused("01:00.0", -EOPNOTSUPP, "the driver nvme has", "gangway bind 0000:01:00.0");
	fake_remove("sys/bus/pci/devices/0000:01:00.0/driver");
	refused("01:00.0", -EOPNOTSUPP, "no driver has", "gangway bind");
	fake_link("sys/bus/pci/devices/0000:01:00.0/driver", "../drivers/vfio-pci");

	fake_write("sys/kernel/iommu_groups/7/name", "vfio-noiommu\n");
	refused("01:00.0", -EOPNOTSUPP, "without an IOMMU", "enable_unsafe_noiommu_mode");
	fake_remove("sys/kernel/iommu_groups/7/name");

	fake.fail_set_iommu = -EPERM;
	refused("01:00.0", -EOPNOTSUPP, "does not remap interrupts", "allow_unsafe_interrupts");
	fake.fail_set_iommu = 0;
	fake.no_type1 = true;
	refused("01:00.0", -EOPNOTSUPP, "no type1 v2", "modprobe vfio_iommu_type1");
	fake.no_type1 = false;
	fake.fail_device_fd = -EACCES;
	refused("01:00.0", -EACCES, "does not hand it out", "VF token");
	fake.fail_device_fd = 0;
	fake_remove("dev/vfio/7");
	refused("01:00.0", -EOPNOTSUPP, "cannot open", "modprobe vfio-pci");
	fake_remove("sys/bus/pci/devices/0000:01:00.0/iommu_group");
	refused("01:00.0", -EOPNOTSUPP, "no IOMMU covers", "dmesg");
	fake_remove("sys/class/iommu/dmar0/name");
}

static void a_group_that_is_not_viable_names_who_is_in_the_way(void **state)
{
	fake_function("0000:01:00.1", 7);
	fake_link("sys/bus/pci/devices/0000:01:00.1/driver", "../drivers/e1000e");
	fake.not_viable = true;
	refused("01:00.0", -EOPNOTSUPP, "0000:01:00.1 is in the same IOMMU group 7 and is driven by "
		"e1000e", "gangway bind 0000:01:00.1");
	fake_write("sys/bus/pci/devices/0000:01:00.1/class", "0x060100\n");
	refused("01:00.0", -EOPNOTSUPP, "driven by e1000e", "belongs to the machine itself");
	/* a variant of vfio-pci is not in the way, nor is what drives nothing */
	fake_write("sys/bus/pci/devices/0000:01:00.1/vfio-dev/vfio3/dev", "");
	refused("01:00.0", -EOPNOTSUPP, "cannot be handed out", "");
	assert_false(fake_logged("e1000e"));
}

static void what_no_guest_can_have_is_not_opened(void **state)
{
	uint8_t bridge[256] = { [0x0e] = 1 };

	for (unsigned int class = 0x060000; class <= 0x060100; class += 0x100) {
		char text[16];

		snprintf(text, sizeof(text), "%#08x\n", class);
		fake_write("sys/bus/pci/devices/0000:01:00.0/class", text);
		refused("01:00.0", -EOPNOTSUPP, "a part of the machine itself", "");
	}
	fake_write("sys/bus/pci/devices/0000:01:00.0/class", "0x068000\n");
	fake_bytes("sys/bus/pci/devices/0000:01:00.0/config", bridge, sizeof(bridge));
	refused("01:00.0", -EOPNOTSUPP, "is a bridge", "");
}

static void opens(const char *name)
{
	struct gw_host *host = host_new(false);
	struct gw_function_info *list;
	struct gw_function *f;
	size_t nr;

	assert_int_equal(host->ops->list(host, &list, &nr), 0);
	assert_int_equal(nr, 2);
	assert_true(strstr(list[0].name, name) || strstr(list[1].name, name));
	free(list);
	assert_int_equal(host->ops->open(host, name, &f), 0);
	f->ops->close(f);
	host->ops->free(host);
}

static void endpoints_of_a_bridge_class_and_variant_drivers_are_passable(void **state)
{
	fake_write("sys/bus/pci/devices/0000:01:00.0/class", "0x068000\n");
	opens("01:00.0");
	fake_link("sys/bus/pci/devices/0000:01:00.0/driver", "../drivers/nvgrace_gpu_vfio_pci");
	fake_write("sys/bus/pci/devices/0000:01:00.0/vfio-dev/vfio0/dev", "");
	opens("01:00.0");
	/* without a group its own node is worth nothing: there is no IOMMU */
	fake_remove("sys/bus/pci/devices/0000:01:00.0/iommu_group");
	refused("01:00.0", -EOPNOTSUPP, "no IOMMU covers", "dmesg");
}

static void functions_of_vfio_pci_are_listed(void **state)
{
	struct gw_host *host = host_new(false);
	struct gw_function_info *list;
	size_t nr;

	fake_link("sys/bus/pci/devices/0000:02:00.0/driver", "../drivers/nvme");
	assert_int_equal(host->ops->list(host, &list, &nr), 0);
	assert_int_equal(nr, 1);
	assert_string_equal(list[0].name, "0000:01:00.0");
	assert_int_equal(list[0].class_code, 0x010802);
	free(list);
	host->ops->free(host);
}

static void registers_and_config_reach_the_function(void **state)
{
	struct rig *r = *state;
	struct gw_bar_info info;
	struct gw_bar_map bar;
	uint32_t val;
	uint64_t reg;

	assert_int_equal(r->f->ops->bar_info(r->f, 0, &info), 0);
	assert_true(info.size == 0x4000 && !info.mappable);
	assert_int_equal(r->f->ops->bar_map(r->f, 0, &bar), -EOPNOTSUPP);
	for (unsigned int b = 0; b <= 2; b += 2) {	/* mapped here, and by system call */
		assert_int_equal(r->f->ops->reg_write(r->f, b, (gw_bar_off){ 8 }, 4, 0xabcd1234), 0);
		assert_int_equal(r->f->ops->reg_read(r->f, b, (gw_bar_off){ 8 }, 8, &reg), 0);
		assert_true(reg == 0xabcd1234);
	}
	assert_int_equal(r->f->ops->reg_read(r->f, 2, (gw_bar_off){ 0x20 }, 4, &reg), -EINVAL);
	assert_int_equal(r->f->ops->reg_read(r->f, 2, (gw_bar_off){ 2 }, 4, &reg), -EINVAL);
	assert_int_equal(r->f->ops->reg_read(r->f, 6, (gw_bar_off){ 0 }, 4, &reg), -EINVAL);
	assert_int_equal(r->f->ops->config_write(r->f, 0x100, 2, 0xbeef), 0);
	assert_int_equal(r->f->ops->config_read(r->f, 0x100, 4, &val), 0);
	assert_int_equal(val, 0xbeef);
	assert_int_equal(r->f->ops->config_read(r->f, 4096, 1, &val), -EINVAL);
	assert_int_equal(r->f->ops->config_read(r->f, 2, 4, &val), -EINVAL);
}

static void the_bus_is_reset_only_where_nobody_else_is_on_it(void **state)
{
	struct rig *r = *state;

	assert_int_equal(r->f->ops->reset(r->f), 0);
	assert_true(fake.resets == 1 && fake.hot_resets == 0);
	fake.fail_reset = -ENOTTY;
	assert_int_equal(r->f->ops->reset(r->f), 0);
	assert_int_equal(fake.hot_resets, 1);
	fake.hot_reset_shared = true;
	assert_int_equal(r->f->ops->reset(r->f), -EOPNOTSUPP);
	assert_true(fake_logged("0000:01:00.1 of IOMMU group 9"));
	assert_int_equal(fake.hot_resets, 1);
}

static void a_bar_that_can_be_shared_alone_is(void **state)
{
	struct rig *r;
	const struct gw_bar_range range = { { 0x1000 }, 0x1000 }, odd = { { 0x800 }, 0x1000 },
				  beyond = { { 0x3000 }, 0x2000 };
	struct gw_bar_map bar;
	int fd = -1;

	fake.dma_buf = memfd_create("buf", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fake.dma_buf, 0x4000), 0);
	r = rig_open(false);
	assert_int_equal(r->f->ops->bar_map(r->f, 0, &bar), 0);
	assert_int_equal(bar.unit, sysconf(_SC_PAGESIZE));
	assert_true(bar.size == 0x4000 && bar.fd >= 0);
	r->f->ops->bar_unmap(r->f, 0);
	assert_int_equal(r->f->ops->peer->bar_export(r->f, 0, &range, 1, &fd), 0);
	assert_int_equal(fake.feature_flags & 0xffff, 11);
	close(fd);
	assert_int_equal(r->f->ops->peer->bar_export(r->f, 0, &odd, 1, &fd), -EINVAL);
	assert_int_equal(r->f->ops->peer->bar_export(r->f, 0, &beyond, 1, &fd), -EINVAL);
	assert_int_equal(r->f->ops->peer->bar_export(r->f, 0, &range, 0, &fd), -EINVAL);
	rig_close(r);
	assert_int_equal(fake.nr_maps, 0);
	close(fake.dma_buf);
}

static void *map_and_unmap(void *arg)
{
	struct gw_function *f = arg;
	struct gw_bar_map map;

	for (unsigned int i = 0; i < 2000; i++) {
		if (f->ops->bar_map(f, 0, &map))
			abort();
		(void)*(volatile char *)map.addr;	/* it is there while it is ours */
		f->ops->bar_unmap(f, 0);
	}
	return NULL;
}

static void a_bar_is_mapped_and_unmapped_by_any_thread(void **state)
{
	const struct gw_vfio_options opt = { .tree = fake.tree, .bar_resource = true };
	struct gw_bar_map map[2];
	struct gw_host *host;
	struct gw_function *f;
	pthread_t thread[3];

	fake_bytes("sys/bus/pci/devices/0000:01:00.0/resource0", (char[0x4000]){ 0 }, 0x4000);
	assert_int_equal(gw_vfio_host_new(&opt, &fake.sink, &host), 0);
	assert_int_equal(host->ops->open(host, "01:00.0", &f), 0);
	for (size_t i = 0; i < ARRAY_SIZE(thread); i++)
		assert_int_equal(pthread_create(&thread[i], NULL, map_and_unmap, f), 0);
	for (size_t i = 0; i < ARRAY_SIZE(thread); i++)
		pthread_join(thread[i], NULL);
	/* mapped once, whoever asks, and there as long as anyone has it */
	assert_int_equal(f->ops->bar_map(f, 0, &map[0]), 0);
	assert_int_equal(f->ops->bar_map(f, 0, &map[1]), 0);
	assert_ptr_equal(map[0].addr, map[1].addr);
	f->ops->bar_unmap(f, 0);
	assert_int_equal(*(volatile char *)map[0].addr, 0);
	f->ops->bar_unmap(f, 0);
	/* what is not mapped is not unmapped */
	f->ops->bar_unmap(f, 0);
	f->ops->bar_unmap(f, GW_NR_BARS);
	assert_int_equal(f->ops->bar_map(f, GW_NR_BARS, &map[0]), -EINVAL);
	f->ops->close(f);
	host->ops->free(host);
}

static void options_say_what_is_possible(void **state)
{
	static const char *const bad[][2] = {
		{ "max-bytes", "0" }, { "max-bytes", "1K" }, { "max-bytes", "much" }, { "max-maps", "0" },
		{ "max-maps", "-1" }, { "max-maps", "" }, { "max-maps", "4294967296" },
	};
	struct gw_vfio_options o = { 0 };

	assert_int_equal(gw_vfio_set_option(&o, "hide-caller-iova", "on", &fake.sink), 0);
	assert_true(o.hide_caller_iova);
	assert_int_equal(gw_vfio_set_option(&o, "iommufd", "off", &fake.sink), 0);
	assert_int_equal(o.iommufd, GW_VFIO_OFF);
	assert_int_equal(gw_vfio_set_option(&o, "iommufd", "maybe", &fake.sink), -EINVAL);
	assert_true(fake_logged("not auto, on or off"));
	assert_int_equal(gw_vfio_set_option(&o, "bar-resource", "auto", &fake.sink), -EINVAL);
	assert_int_equal(gw_vfio_set_option(&o, "granule", "4K", &fake.sink), -ENOENT);
	assert_true(fake_logged("hide-caller-iova, bar-resource, iommufd, max-bytes and max-maps"));
	assert_int_equal(gw_vfio_set_option(&o, "max-bytes", "1G", &fake.sink), 0);
	assert_int_equal(gw_vfio_set_option(&o, "max-maps", "7", &fake.sink), 0);
	assert_true(o.max_bytes == 1ull << 30 && o.max_maps == 7);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(gw_vfio_set_option(&o, bad[i][0], bad[i][1], &fake.sink), -EINVAL);
	assert_true(fake_logged("not a size such as 4G"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_cannot_be_handed_out_is_refused_with_the_way_out),
		TEST(a_group_that_is_not_viable_names_who_is_in_the_way),
		TEST(what_no_guest_can_have_is_not_opened),
		TEST(endpoints_of_a_bridge_class_and_variant_drivers_are_passable),
		TEST(functions_of_vfio_pci_are_listed),
		OPEN(registers_and_config_reach_the_function),
		OPEN(the_bus_is_reset_only_where_nobody_else_is_on_it),
		TEST(a_bar_that_can_be_shared_alone_is),
		TEST(a_bar_is_mapped_and_unmapped_by_any_thread),
		TEST(options_say_what_is_possible),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
