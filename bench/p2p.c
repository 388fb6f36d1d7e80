/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The first verdict on a pair of functions of a machine that has 500, everything read anew from
 * its files, beside what reading the whole machine takes.
 *
 * Usage: bench-p2p [ROUNDS]
 */
#include <gangway/p2p.h>

#include "../tests/unit/pci_tree.h"
#include "base/util.h"
#include "bench.h"

#define FUNCTIONS	500u
#define SWITCHES	40u

static struct gw_p2p_hosts *hosts;

/*
 * Root ports, and below each a switch of five ports with a function each; what lacks in number
 * is on the root bus. Domains 1 and 2 make up for bus numbers that one domain does not have.
 */
static void build(void)
{
	char root[64], up[128], down[192], fn[256];
	unsigned int nr = 1;

	tree_init();
	tree_text("proc/cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\n\n");
	tree_add((struct tree_fn){ "pci0000:00/0000:00:00.0", GW_PCI_CONVENTIONAL });
	for (unsigned int s = 0; s < SWITCHES; s++) {
		unsigned int bus = 1 + 6 * s;

		snprintf(root, sizeof(root), "pci0000:00/0000:00:%02x.%x", 1 + s / 8, s % 8);
		tree_add((struct tree_fn){ root, GW_PCI_ROOT_PORT, .acs = true, .multi = true });
		snprintf(up, sizeof(up), "%s/0000:%02x:00.0", root, bus);
		tree_add((struct tree_fn){ up, GW_PCI_UPSTREAM_PORT });
		nr += 2;
		for (unsigned int d = 0; d < 5; d++) {
			snprintf(down, sizeof(down), "%s/0001:%02x:%02x.0", up, bus, d);
			tree_add((struct tree_fn){ down, GW_PCI_DOWNSTREAM_PORT, .acs = true,
						   .acs_ctrl = d == 1 ? GW_ACS_ISOLATION : 0 });
			snprintf(fn, sizeof(fn), "%s/0002:%02x:%02x.0", down, bus, d);
			tree_add((struct tree_fn){ fn, GW_PCI_ENDPOINT });
			nr += 2;
		}
	}
	for (; nr < FUNCTIONS; nr++) {
		snprintf(fn, sizeof(fn), "pci0000:00/0000:00:%02x.%x", 8 + nr % 16, nr / 16 % 8);
		tree_add((struct tree_fn){ fn, GW_PCI_RC_ENDPOINT, .multi = true });
	}
}

static uint64_t verdict(void)
{
	static const struct gw_pci_addr provider = { 2, 1, 0, 0 }, client = { 2, 1, 1, 0 };
	struct gw_pci_node *p, *c;
	struct gw_p2p_verdict v;
	struct gw_topology *t;
	uint64_t begun = gw_now_ns();

	if (gw_topology_open(tree_dir, NULL, &t) || gw_topology_find(t, &provider, &p) ||
	    gw_topology_find(t, &client, &c) || gw_p2p_verdict(t, hosts, p, c, &v) ||
	    v.distance != 4 || v.classic.map != GW_P2P_NOT_SUPPORTED)
		bench_die("verdict");
	begun = gw_now_ns() - begun;
	gw_topology_close(t);
	return begun;
}

static uint64_t everything(void)
{
	uint64_t begun = gw_now_ns();
	struct gw_topology *t;
	struct gw_groups g;

	if (gw_topology_open(tree_dir, NULL, &t) || gw_topology_scan(t) || gw_groups_compute(t, &g))
		bench_die("groups");
	begun = gw_now_ns() - begun;
	gw_groups_fini(&g);
	gw_topology_close(t);
	return begun;
}

int main(int argc, char **argv)
{
	unsigned int rounds = bench_rounds(argc, argv, 0, "bench-p2p [ROUNDS]");

	if (gw_p2p_hosts_new(&hosts))
		bench_die("hosts");
	build();
	bench_pair_run(&(struct bench_pair){ .name = "p2p-verdict-500", .unit = "us",
		.peer = "reading all 500 functions", .ours.round = verdict,
		.theirs.round = everything, .per = 1e3 }, rounds);
	gw_p2p_hosts_free(hosts);
	tree_fini();
	return 0;
}
