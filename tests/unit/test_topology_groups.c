/* SPDX-License-Identifier: BSD-3-Clause */
#include "pci_tree.h"

#include <gangway/p2p.h>

static struct gw_topology *t;
static struct gw_groups g;

static int setup(void **state)
{
	tree_init();
	return 0;
}

static int teardown(void **state)
{
	gw_groups_fini(&g);
	gw_topology_close(t);
	t = NULL;
	tree_fini();
	return 0;
}

static void compute(void)
{
	assert_int_equal(gw_topology_open(tree_dir, NULL, &t), 0);
	assert_int_equal(gw_topology_scan(t), 0);
	assert_int_equal(gw_groups_compute(t, &g), 0);
}

static const struct gw_group_member *of(const char *name)
{
	struct gw_pci_node *n = tree_find(t, name);

	for (size_t i = 0; i < g.nr; i++)
		if (g.member[i].node == n)
			return &g.member[i];
	fail();
	return NULL;
}

static bool together(const char *a, const char *b)
{
	return of(a)->ours == of(b)->ours;
}

static void expect(const char *name, enum gw_group_why why, const char *hop, uint16_t missing)
{
	const struct gw_group_member *m = of(name);

	assert_int_equal(m->why, why);
	assert_int_equal(m->missing, missing);
	if (hop)
		assert_ptr_equal(m->hop, tree_find(t, hop));
	else
		assert_null(m->hop);
}

static void add(const char *path, int type, int ctrl)
{
	tree_add((struct tree_fn){ path, type, .acs = ctrl >= 0,
				   .acs_ctrl = (uint16_t)(ctrl < 0 ? 0 : ctrl) });
}

static void a_root_port_with_acs_keeps_what_is_below_apart(void **state)
{
	add("pci0000:00/0000:00:01.0", GW_PCI_ROOT_PORT, ACS_ON);
	add("pci0000:00/0000:00:01.0/0000:01:00.0", GW_PCI_ENDPOINT, -1);
	add("pci0000:00/0000:00:02.0", GW_PCI_ROOT_PORT, -1);
	add("pci0000:00/0000:00:02.0/0000:02:00.0", GW_PCI_ENDPOINT, -1);
	compute();
	assert_int_equal(g.nr_groups, 3);
	expect("01:00.0", GW_GROUP_OWN, NULL, 0);
	assert_true(together("00:02.0", "02:00.0"));
	expect("02:00.0", GW_GROUP_PATH, "00:02.0", GW_ACS_ISOLATION);
	assert_false(together("00:01.0", "01:00.0"));
}

static void a_switch_is_as_good_as_its_weakest_port(void **state)
{
	add("pci0000:00/0000:00:01.0", GW_PCI_ROOT_PORT, ACS_ON);
	add("pci0000:00/0000:00:01.0/0000:01:00.0", GW_PCI_UPSTREAM_PORT, -1);
	add("pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:00.0", GW_PCI_DOWNSTREAM_PORT, ACS_ON);
	add("pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:00.0/0000:03:00.0", 0, -1);
	add("pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:01.0", GW_PCI_DOWNSTREAM_PORT,
	    ACS_ON & ~GW_ACS_CR);
	add("pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:01.0/0000:04:00.0", 0, -1);
	compute();
	assert_int_equal(g.nr_groups, 5);
	expect("03:00.0", GW_GROUP_OWN, NULL, 0);
	expect("04:00.0", GW_GROUP_PATH, "02:01.0", GW_ACS_CR);
	assert_true(together("02:01.0", "04:00.0"));
}

static void a_leak_further_up_takes_all_with_it(void **state)
{
	char text[GW_P2P_TEXT_SIZE];

	add("pci0000:00/0000:00:01.0", GW_PCI_ROOT_PORT, 0);
	add("pci0000:00/0000:00:01.0/0000:01:00.0", GW_PCI_UPSTREAM_PORT, -1);
	add("pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:00.0", GW_PCI_DOWNSTREAM_PORT, ACS_ON);
	add("pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:00.0/0000:03:00.0", 0, -1);
	compute();
	assert_int_equal(g.nr_groups, 1);
	expect("03:00.0", GW_GROUP_PATH, "00:01.0", GW_ACS_ISOLATION);
	assert_string_equal(gw_group_why_text(of("03:00.0"), text),
			    "root port 0000:00:01.0 lets what "
			    "is below it reach peers (lacks ACS SV RR CR UF)");
}

static void below_a_bridge_to_pci_all_are_one(void **state)
{
	add("pci0000:00/0000:00:01.0", GW_PCI_ROOT_PORT, ACS_ON);
	add("pci0000:00/0000:00:01.0/0000:01:00.0", GW_PCI_TO_PCI_BRIDGE, -1);
	add("pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:01.0", GW_PCI_CONVENTIONAL, -1);
	add("pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:02.0", GW_PCI_CONVENTIONAL, -1);
	compute();
	assert_int_equal(g.nr_groups, 2);
	assert_true(together("02:01.0", "02:02.0"));
	assert_true(together("02:01.0", "01:00.0"));
	expect("02:02.0", GW_GROUP_ALIAS, "01:00.0", 0);
}

static void functions_of_one_device_go_together_unless_they_have_acs(void **state)
{
	tree_add((struct tree_fn){ "pci0000:00/0000:00:02.0", .multi = true });
	tree_add((struct tree_fn){ "pci0000:00/0000:00:02.1" });
	tree_add((struct tree_fn){ "pci0000:00/0000:00:02.2", .acs = true, .acs_cap = GW_ACS_EC,
				   .acs_ctrl = 0 });
	tree_add((struct tree_fn){ "pci0000:00/0000:00:02.3", .acs = true,
				   .acs_cap = GW_ACS_EC | GW_ACS_RR, .acs_ctrl = GW_ACS_RR });
	tree_add((struct tree_fn){ "pci0000:00/0000:00:03.0" });
	compute();
	assert_true(together("00:02.0", "00:02.1"));
	expect("00:02.1", GW_GROUP_SIBLING, "00:02.0", GW_ACS_ISOLATION);
	/* what the capability does not have is built in */
	assert_false(together("00:02.0", "00:02.2"));
	assert_false(together("00:02.0", "00:02.3"));
	assert_int_equal(g.nr_groups, 4);
}

/* Ports that share a slot, without ACS: what is below the one is with what is below the other. */
static void siblings_merge_what_is_below_them(void **state)
{
	tree_add((struct tree_fn){ "pci0000:00/0000:00:1c.0", GW_PCI_ROOT_PORT, .multi = true });
	tree_add((struct tree_fn){ "pci0000:00/0000:00:1c.4", GW_PCI_ROOT_PORT, .multi = true });
	add("pci0000:00/0000:00:1c.0/0000:01:00.0", 0, -1);
	add("pci0000:00/0000:00:1c.4/0000:02:00.0", 0, -1);
	compute();
	assert_int_equal(g.nr_groups, 1);
}

static void a_virtual_function_is_alone_below_a_port_with_acs(void **state)
{
	add("pci0000:00/0000:00:01.0", GW_PCI_ROOT_PORT, ACS_ON);
	add("pci0000:00/0000:00:01.0/0000:01:00.0", 0, -1);
	tree_add((struct tree_fn){ "pci0000:00/0000:00:01.0/0000:01:10.0",
				   .physfn = "0000:01:00.0" });
	tree_add((struct tree_fn){ "pci0000:00/0000:00:01.0/0000:02:10.1",
				   .physfn = "0000:01:00.0" });
	compute();
	assert_int_equal(g.nr_groups, 4);
}

static void unreadable_acs_is_said(void **state)
{
	tree_add(
		(struct tree_fn){ "pci0000:00/0000:00:01.0", GW_PCI_ROOT_PORT, .config_size = 64 });
	add("pci0000:00/0000:00:01.0/0000:01:00.0", 0, -1);
	compute();
	expect("01:00.0", GW_GROUP_PATH, "00:01.0", GW_ACS_ISOLATION);
	assert_true(of("01:00.0")->unreadable);
}

static void agreement_with_the_kernel_is_by_group(void **state)
{
	tree_add((struct tree_fn){ "pci0000:00/0000:00:02.0", .multi = true, .group = 9 });
	tree_add((struct tree_fn){ "pci0000:00/0000:00:02.1", .group = 9 });
	tree_add((struct tree_fn){ "pci0000:00/0000:00:03.0", .group = 4 });
	tree_add((struct tree_fn){ "pci0000:00/0000:00:04.0", .multi = true, .group = 5 });
	tree_add((struct tree_fn){ "pci0000:00/0000:00:04.1", .group = 6 });
	tree_add((struct tree_fn){ "pci0000:00/0000:00:05.0", .group = 7 });
	tree_add((struct tree_fn){ "pci0000:00/0000:00:06.0", .group = 7 });
	compute();
	assert_true(of("00:02.0")->agree && of("00:02.1")->agree && of("00:03.0")->agree);
	assert_false(of("00:04.0")->agree || of("00:04.1")->agree);
	assert_false(of("00:05.0")->agree || of("00:06.0")->agree);
}

static void an_empty_machine_has_no_groups(void **state)
{
	compute();
	assert_int_equal(g.nr_groups, 0);
	assert_int_equal(g.nr, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_root_port_with_acs_keeps_what_is_below_apart),
		T(a_switch_is_as_good_as_its_weakest_port),
		T(a_leak_further_up_takes_all_with_it),
		T(below_a_bridge_to_pci_all_are_one),
		T(functions_of_one_device_go_together_unless_they_have_acs),
		T(siblings_merge_what_is_below_them),
		T(a_virtual_function_is_alone_below_a_port_with_acs),
		T(unreadable_acs_is_said),
		T(agreement_with_the_kernel_is_by_group),
		T(an_empty_machine_has_no_groups),
	};

	return cmocka_run_group_tests_name("pci groups", tests, NULL, NULL);
}
