/* SPDX-License-Identifier: BSD-3-Clause */
#include "pci_tree.h"

#include <gangway/p2p.h>

#include "alloc_sweep.h"

/* Reading a machine, deciding and grouping, with each allocation failing in turn. */

static int work(struct gw_topology *t, struct gw_p2p_hosts *h)
{
	static const struct gw_pci_addr a = { 0, 1, 0, 0 }, b = { 0, 2, 0, 0 };
	struct gw_pci_node *p, *c;
	struct gw_p2p_verdict v;
	struct gw_groups g;
	int ret = gw_topology_scan(t);

	if (!ret)
		ret = gw_topology_find(t, &a, &p);
	if (!ret)
		ret = gw_topology_find(t, &b, &c);
	if (!ret)
		ret = gw_p2p_verdict(t, h, p, c, &v);
	if (!ret)
		ret = gw_groups_compute(t, &g);
	if (ret)
		return ret;
	assert_int_equal(g.nr, 5);
	gw_groups_fini(&g);
	return gw_p2p_hosts_load(h, tree_path("list"), NULL);
}

static int everything(void)
{
	struct gw_p2p_hosts *h = NULL;
	struct gw_topology *t = NULL;
	int ret = gw_topology_open(tree_dir, NULL, &t);

	if (!ret)
		ret = gw_p2p_hosts_new(&h);
	if (!ret)
		ret = work(t, h);
	gw_p2p_hosts_free(h);
	gw_topology_close(t);
	return ret;
}

static void each_allocation_that_fails_is_reported_and_nothing_is_kept(void **state)
{
	unsigned int nth = 0;
	int ret, err;

	tree_init();
	tree_add((struct tree_fn){ "pci0000:00/0000:00:01.0", GW_PCI_ROOT_PORT, .multi = true });
	tree_add((struct tree_fn){ "pci0000:00/0000:00:01.1", GW_PCI_ROOT_PORT });
	tree_add((struct tree_fn){ "pci0000:00/0000:00:01.0/0000:01:00.0" });
	tree_add((struct tree_fn){ "pci0000:00/0000:00:01.1/0000:02:00.0" });
	tree_add((struct tree_fn){ .path = "pci0000:00/0000:00:01.1/0000:02:00.1",
				   .physfn = "0000:02:00.0" });
	tree_text("list", "8086 6f00\n");
	do {
		alloc_fail(++nth);
		ret = everything();
		err = alloc_end();
		assert_int_equal(ret, err);
	} while (err);
	assert_in_range(nth, 10, 99);
	tree_fini();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_allocation_that_fails_is_reported_and_nothing_is_kept),
	};

	return cmocka_run_group_tests_name("topology alloc", tests, NULL, NULL);
}
