/* SPDX-License-Identifier: BSD-3-Clause */
#include "pci_tree.h"

#include "topology/topology.h"

static struct gw_topology *t;

static int setup(void **state)
{
	tree_init();
	assert_int_equal(gw_topology_open(tree_dir, NULL, &t), 0);
	return 0;
}

static int teardown(void **state)
{
	gw_topology_close(t);
	tree_fini();
	return 0;
}

static int find(const char *name, struct gw_pci_node **n)
{
	struct gw_pci_addr a;

	assert_int_equal(gw_pci_addr_parse(name, &a), 0);
	return gw_topology_find(t, &a, n);
}

static void addresses_are_read_as_lspci_writes_them(void **state)
{
	struct gw_pci_addr a;
	char text[GW_PCI_ADDR_SIZE];

	assert_int_equal(gw_pci_addr_parse("00:1f.3", &a), 0);
	assert_string_equal(gw_pci_addr_format(&a, text), "0000:00:1f.3");
	assert_int_equal(gw_pci_addr_parse("10000:E1:00.7", &a), 0);
	assert_string_equal(gw_pci_addr_format(&a, text), "10000:e1:00.7");
	assert_int_equal(gw_pci_addr_parse("ffffffff:ff:1f.7", &a), 0);
	assert_int_equal(a.domain, UINT32_MAX);
	assert_string_equal(gw_pci_addr_format(&a, text), "ffffffff:ff:1f.7");
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "1f.3", "00:1f", "00:20.0", "00:1f.8", "00:1f.3x", "0:0:0:0.0", "100:00.0",
		"123456789:00:00.0", ":00.0", "00:.0", "00:00.", "-1:00.0", "00:00.10", "0x0:00.0",
	};
	struct gw_pci_addr a;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(gw_pci_addr_parse(bad[i], &a), -EINVAL);
}

static void a_function_is_found_with_the_bridges_above_it(void **state)
{
	struct gw_pci_node *n;

	tree_add((struct tree_fn){ "pci0000:00/0000:00:1c.0", GW_PCI_ROOT_PORT });
	tree_add((struct tree_fn){ "pci0000:00/0000:00:1c.0/0000:01:00.0", GW_PCI_ENDPOINT });
	assert_int_equal(find("01:00.0", &n), 0);
	assert_string_equal(n->root->name, "pci0000:00");
	assert_int_equal(n->up->addr.dev, 0x1c);
	assert_null(n->up->up);
	assert_ptr_equal(n->up, tree_find(t, "00:1c.0"));
	assert_int_equal(find("01:00.1", &n), -ENOENT);
}

static void a_host_bridge_below_a_function_starts_anew(void **state)
{
	struct gw_pci_node *n;

	tree_add((struct tree_fn){
		"platform/x.pcie/pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:06.0",
		GW_PCI_ROOT_PORT });
	assert_int_equal(find("10000:e0:06.0", &n), 0);
	assert_string_equal(n->root->name, "pci10000:e0");
	assert_null(n->up);
}

static void identity_group_and_driver_are_read(void **state)
{
	struct gw_pci_node *n;

	tree_add((struct tree_fn){ .path = "pci0000:00/0000:00:02.0", .vendor = 0x8086,
				   .device = 0x10c9, .group = 7, .driver = "igb" });
	tree_add((struct tree_fn){ .path = "pci0000:00/0000:00:02.1", .physfn = "0000:00:02.0",
				   .vendor = 0x8086, .device = 0x10ca });
	n = tree_find(t, "00:02.0");
	assert_int_equal(gw_pci_node_config(t, n), 0);
	assert_int_equal(n->vendor, 0x8086);
	assert_int_equal(n->device, 0x10c9);
	assert_int_equal(n->class_code, 0x010802);
	assert_int_equal(n->group, 7);
	assert_string_equal(n->driver, "igb");
	assert_null(n->physfn);
	n = tree_find(t, "00:02.1");
	assert_int_equal(gw_pci_node_config(t, n), 0);
	assert_int_equal(n->device, 0x10ca);		/* not what its config space says */
	assert_ptr_equal(n->physfn, tree_find(t, "00:02.0"));
	assert_false(n->multifunction);
	assert_int_equal(n->group, -1);
}

static void type_and_acs_come_from_config_space(void **state)
{
	struct gw_pci_node *n;

	tree_add((struct tree_fn){ "pci0000:00/0000:00:01.0", GW_PCI_ROOT_PORT, .acs = true,
				   .acs_ctrl = ACS_ON, .multi = true });
	tree_add((struct tree_fn){ "pci0000:00/0000:00:02.0", GW_PCI_CONVENTIONAL });
	tree_add((struct tree_fn){ "pci0000:00/0000:00:03.0", GW_PCI_RC_ENDPOINT });
	n = tree_find(t, "00:01.0");
	assert_int_equal(gw_pci_node_config(t, n), 0);
	assert_int_equal(n->type, GW_PCI_ROOT_PORT);
	assert_true(n->bridge && n->multifunction);
	assert_int_equal(n->acs.state, GW_ACS_PRESENT);
	assert_int_equal(n->acs.cap, ACS_ALL);
	assert_int_equal(n->acs.ctrl, ACS_ON);
	n = tree_find(t, "00:02.0");
	assert_int_equal(gw_pci_node_config(t, n), 0);
	assert_int_equal(n->type, GW_PCI_CONVENTIONAL);
	assert_int_equal(n->acs.state, GW_ACS_ABSENT);
	n = tree_find(t, "00:03.0");
	assert_int_equal(gw_pci_node_config(t, n), 0);
	assert_int_equal(n->type, GW_PCI_RC_ENDPOINT);
	assert_int_equal(n->acs.state, GW_ACS_ABSENT);
	assert_false(n->bridge || n->multifunction);
}

/* What an unprivileged reader gets, a system without ECAM, a cut file, a function that is gone. */
static void what_cannot_be_read_is_no_absence(void **state)
{
	static const struct {
		unsigned int size;
		enum gw_pci_type type;
		enum gw_acs_state acs;
	} v[] = {
		{ 1, GW_PCI_TYPE_UNKNOWN, GW_ACS_UNREADABLE },
		{ 64, GW_PCI_TYPE_UNKNOWN, GW_ACS_UNREADABLE },
		{ 256, GW_PCI_ENDPOINT, GW_ACS_UNREACHABLE },
		{ 0x103, GW_PCI_ENDPOINT, GW_ACS_UNREADABLE },
		{ 0x140, GW_PCI_ENDPOINT, GW_ACS_UNREADABLE },
		{ 0x146, GW_PCI_ENDPOINT, GW_ACS_UNREADABLE },
		{ 0x148, GW_PCI_ENDPOINT, GW_ACS_PRESENT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		struct gw_pci_node *n;

		tree_add((struct tree_fn){ "pci0000:00/0000:00:01.0", .acs = true,
					   .config_size = v[i].size });
		gw_topology_close(t);
		assert_int_equal(gw_topology_open(tree_dir, NULL, &t), 0);
		n = tree_find(t, "00:01.0");
		assert_int_equal(gw_pci_node_config(t, n), 0);
		assert_int_equal(n->type, v[i].type);
		assert_int_equal(n->acs.state, v[i].acs);
	}
}

static void lists_that_loop_or_lead_nowhere_are_unreadable(void **state)
{
	static const struct { unsigned int off, width; uint32_t v; bool ext; } poke[] = {
		{ 0x41, 1, 0x40, false }, { 0x41, 1, 0x20, false }, { 0x40, 1, 0xff, false },
		{ 0x140, 4, 0x10010u << 4, true }, { 0x100, 4, UINT32_MAX, true },
		{ 0x100, 4, 0x10010003, true }, { 0x140, 4, 0x0f010003, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(poke); i++) {
		struct gw_pci_node *n;

		tree_add((struct tree_fn){ "pci0000:00/0000:00:01.0", GW_PCI_ENDPOINT });
		tree_poke("0000:00:01.0", poke[i].off, poke[i].width, poke[i].v);
		gw_topology_close(t);
		assert_int_equal(gw_topology_open(tree_dir, NULL, &t), 0);
		n = tree_find(t, "00:01.0");
		assert_int_equal(gw_pci_node_config(t, n), 0);
		assert_int_equal(n->type, poke[i].ext ? GW_PCI_ENDPOINT : GW_PCI_TYPE_UNKNOWN);
		if (poke[i].v != 0x10010u << 4)
			assert_int_equal(n->acs.state, GW_ACS_UNREADABLE);
	}
}

static void links_that_contradict_each_other_are_refused(void **state)
{
	struct gw_pci_node *n;

	tree_add((struct tree_fn){ "pci0000:00/0000:00:01.0", GW_PCI_ROOT_PORT });
	tree_link("sys/bus/pci/devices/0000:01:00.0",
		  "../../../devices/pci0000:00/0000:00:02.0/0000:01:00.0");
	tree_link("sys/bus/pci/devices/0000:02:00.0",
		  "../../../devices/pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:00.0");
	tree_link("sys/bus/pci/devices/0000:03:00.0", "../../../devices/pci0000:00/0000:03:00.1");
	tree_link("sys/bus/pci/devices/0000:04:00.0", "../../../devices/0000:04:00.0");
	tree_link("sys/bus/pci/devices/0000:05:00.0",
		  "/pci0000:00/0000:05:00.0/0000:06:00.0/0000:05:00.0");
	tree_link("sys/bus/pci/devices/0000:07:00.0", "pci0000:00/0000:00:01.0/x/0000:07:00.0");
	tree_text("sys/bus/pci/devices/0000:08:00.0", "no link");
	assert_int_equal(find("01:00.0", &n), 0);
	assert_int_equal(find("02:00.0", &n), -EBADMSG);
	assert_int_equal(find("03:00.0", &n), -EBADMSG);
	assert_int_equal(find("04:00.0", &n), -EBADMSG);
	assert_int_equal(find("05:00.0", &n), -EBADMSG);
	assert_int_equal(find("07:00.0", &n), -EBADMSG);
	assert_int_equal(find("08:00.0", &n), -EBADMSG);
	assert_int_equal(gw_topology_scan(t), 0);
}

static void no_chain_of_bridges_is_longer_than_the_limit(void **state)
{
	char link[PATH_MAX] = "pci0000:00";
	struct gw_pci_node *n;
	unsigned int depth = 0;

	for (unsigned int i = 0; i < GW_PCI_MAX_DEPTH + 1; i++) {
		char name[64], path[128];

		snprintf(name, sizeof(name), "0000:%02x:00.0", i);
		snprintf(link + strlen(link), sizeof(link) - strlen(link), "/%s", name);
		snprintf(path, sizeof(path), "sys/bus/pci/devices/%s", name);
		tree_link(path, link);
	}
	assert_int_equal(find("1f:00.0", &n), 0);
	for (struct gw_pci_node *up = n; up; up = up->up)
		depth++;
	assert_int_equal(depth, GW_PCI_MAX_DEPTH);
	assert_int_equal(find("20:00.0", &n), -ENOSPC);
}

static void files_that_make_no_sense_are_refused(void **state)
{
	static const struct { const char *file, *text; } bad[] = {
		{ "vendor", "" }, { "vendor", "0x12345\n" }, { "vendor", "-1\n" },
		{ "device", "0x1 0x2\n" }, { "class", "0x1000000\n" },
		{ "class", "0x00000000000000000000000000000000001\n" },
	};
	struct gw_pci_node *n;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		tree_add((struct tree_fn){ "pci0000:00/0000:00:01.0", GW_PCI_ENDPOINT });
		tree_file("0000:00:01.0", bad[i].file, bad[i].text);
		n = tree_find(t, "00:01.0");
		assert_int_equal(gw_pci_node_ident(t, n), -EBADMSG);
		assert_int_equal(n->group, -1);
	}
	tree_add((struct tree_fn){ "pci0000:00/0000:00:01.0", GW_PCI_ENDPOINT });
	tree_fn_link("pci0000:00/0000:00:01.0", "iommu_group", "/x/y");
	assert_int_equal(gw_pci_node_ident(t, tree_find(t, "00:01.0")), -EBADMSG);
	tree_fn_link("pci0000:00/0000:00:01.0", "iommu_group", "/x/99999999999");
	assert_int_equal(gw_pci_node_ident(t, tree_find(t, "00:01.0")), -EBADMSG);
	tree_fn_link("pci0000:00/0000:00:01.0", "iommu_group", "/x/1");
	tree_fn_link("pci0000:00/0000:00:01.0", "physfn", "../0000:00:01.0");
	assert_int_equal(gw_pci_node_ident(t, tree_find(t, "00:01.0")), -EBADMSG);
	tree_fn_link("pci0000:00/0000:00:01.0", "physfn", "../0000:00:02.0");
	assert_int_equal(gw_pci_node_ident(t, tree_find(t, "00:01.0")), -EBADMSG);
}

static void a_pipe_in_place_of_config_space_is_not_waited_for(void **state)
{
	tree_add((struct tree_fn){ "pci0000:00/0000:00:01.0", GW_PCI_ENDPOINT });
	unlink(tree_path("sys/devices/pci0000:00/0000:00:01.0/config"));
	assert_int_equal(mkfifo(tree_path("sys/devices/pci0000:00/0000:00:01.0/config"), 0600), 0);
	assert_int_equal(gw_pci_node_config(t, tree_find(t, "00:01.0")), -EBADMSG);
}

static void a_function_that_went_away_is_told_from_a_broken_one(void **state)
{
	struct gw_pci_node *n;

	tree_add((struct tree_fn){ "pci0000:00/0000:00:01.0", GW_PCI_ENDPOINT });
	n = tree_find(t, "00:01.0");
	unlink(tree_path("sys/bus/pci/devices/0000:00:01.0"));
	assert_int_equal(gw_pci_node_config(t, n), -ENODEV);
}

static void the_lowest_function_of_a_root_bus_stands_for_it(void **state)
{
	struct gw_pci_node *n, *first;

	tree_add((struct tree_fn){ "pci0000:40/0000:40:03.2", GW_PCI_ROOT_PORT });
	tree_add((struct tree_fn){ "pci0000:40/0000:40:05.0", GW_PCI_ENDPOINT });
	n = tree_find(t, "40:05.0");
	assert_int_equal(gw_pci_root_first(t, n->root, &first), 0);
	assert_ptr_equal(first, tree_find(t, "40:03.2"));
}

#define RES(first, last) "0x" first " 0x" last " 0x000000000014220c\n"
#define NONE "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"

/* A host bridge that puts CPU address 0x60000000000000 at bus address 0. */
static void the_bus_address_of_a_bar_is_what_its_register_holds(void **state)
{
	struct gw_pci_bar bar;
	struct gw_pci_node *n;

	tree_add((struct tree_fn){ "pci0001:00/0001:00:01.0", GW_PCI_ENDPOINT });
	tree_file("0001:00:01.0", "resource", RES("0060000010000000", "006000001fffffff") NONE
		  RES("0060000080000000", "006000008fffffff") NONE NONE NONE NONE);
	tree_poke("0001:00:01.0", GW_PCI_BAR0, 4, 0x10000000);
	tree_poke("0001:00:01.0", GW_PCI_BAR0 + 8, 4, 0x8000000c);
	tree_poke("0001:00:01.0", GW_PCI_BAR0 + 12, 4, 0x00600000);
	n = tree_find(t, "0001:00:01.0");
	assert_int_equal(gw_pci_node_bar(t, n, 0, &bar), 0);
	assert_true(bar.has_bus);
	assert_int_equal(bar.bus.v, 0x10000000);
	assert_int_equal(bar.first, 0x0060000010000000);
	assert_int_equal(bar.bus.v - bar.first, 0xffa0000000000000);
	assert_int_equal(gw_pci_node_bar(t, n, 1, &bar), -ENOENT);
	assert_int_equal(gw_pci_node_bar(t, n, 2, &bar), 0);
	assert_int_equal(bar.bus.v - bar.first, 0);	/* moved to the 64-bit window */
	assert_int_equal(gw_pci_node_bar(t, n, 6, &bar), -EINVAL);
}

static void a_virtual_functions_bar_lies_in_its_physical_functions(void **state)
{
	struct gw_pci_bar bar;

	tree_add((struct tree_fn){ "pci0001:00/0001:00:01.0", GW_PCI_ENDPOINT });
	tree_add((struct tree_fn){ .path = "pci0001:00/0001:01:02.1", .physfn = "0001:00:01.0" });
	tree_file("0001:00:01.0", "resource", NONE NONE NONE NONE NONE NONE NONE
		  RES("0060000010000000", "006000001fffffff") NONE NONE NONE NONE NONE);
	tree_poke("0001:00:01.0", 0x140, 4, 1u << 16 | GW_PCI_EXT_SRIOV);
	tree_poke("0001:00:01.0", 0x140 + GW_PCI_SRIOV_BAR0, 4, 0x10000000);
	tree_file("0001:01:02.1", "resource", RES("0060000014000000", "0060000014ffffff"));
	assert_int_equal(gw_pci_node_bar(t, tree_find(t, "0001:01:02.1"), 0, &bar), 0);
	assert_true(bar.has_bus);
	assert_int_equal(bar.bus.v, 0x14000000);
	tree_file("0001:01:02.1", "resource", RES("0060000024000000", "0060000024ffffff"));
	assert_int_equal(gw_pci_node_bar(t, tree_find(t, "0001:01:02.1"), 0, &bar), 0);
	assert_false(bar.has_bus);
}

static void resource_lines_are_checked(void **state)
{
	struct gw_pci_bar bar;

	assert_int_equal(gw_pci_resource_parse("", 0, &bar), -ENOENT);
	assert_int_equal(gw_pci_resource_parse(NONE, 0, &bar), -ENOENT);
	assert_int_equal(gw_pci_resource_parse(NONE, 1, &bar), -ENOENT);
	assert_int_equal(gw_pci_resource_parse("rubbish\n", 0, &bar), -EBADMSG);
	assert_int_equal(gw_pci_resource_parse("0x2 0x1 0x200\n", 0, &bar), -EBADMSG);
	assert_int_equal(gw_pci_resource_parse("0xe000 0xe01f 0x40101\n", 0, &bar), 0);
	assert_true(bar.io);
}

static void a_tree_without_pci_is_refused(void **state)
{
	struct gw_topology *none;

	assert_int_equal(gw_topology_open("/nonexistent", NULL, &none), -ENOENT);
	assert_int_equal(gw_topology_open(tree_path("proc"), NULL, &none), -ENOENT);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(addresses_are_read_as_lspci_writes_them),
		T(what_is_no_address_is_refused),
		T(a_function_is_found_with_the_bridges_above_it),
		T(a_host_bridge_below_a_function_starts_anew),
		T(identity_group_and_driver_are_read),
		T(type_and_acs_come_from_config_space),
		T(what_cannot_be_read_is_no_absence),
		T(lists_that_loop_or_lead_nowhere_are_unreadable),
		T(links_that_contradict_each_other_are_refused),
		T(no_chain_of_bridges_is_longer_than_the_limit),
		T(files_that_make_no_sense_are_refused),
		T(a_pipe_in_place_of_config_space_is_not_waited_for),
		T(a_function_that_went_away_is_told_from_a_broken_one),
		T(the_lowest_function_of_a_root_bus_stands_for_it),
		T(the_bus_address_of_a_bar_is_what_its_register_holds),
		T(a_virtual_functions_bar_lies_in_its_physical_functions),
		T(resource_lines_are_checked),
		T(a_tree_without_pci_is_refused),
	};

	return cmocka_run_group_tests_name("topology", tests, NULL, NULL);
}
