/* SPDX-License-Identifier: BSD-3-Clause */
#include "pci_tree.h"

#include <gangway/p2p.h>

static struct gw_topology *t;
static struct gw_p2p_hosts *hosts;
static struct gw_p2p_verdict v;

#define NO	GW_P2P_NOT_SUPPORTED
#define THRU	GW_P2P_THRU_HOST_BRIDGE
#define BUS	GW_P2P_BUS_ADDR
#define UNKNOWN	GW_P2P_UNKNOWN

/*
 *	00:00.0 host bridge
 *	00:1c.0 root port ── 01:00.0 upstream ── 02:00.0 downstream ── 03:00.0, 03:00.1
 *	                                      └─ 02:01.0 downstream ── 04:00.0
 *	00:1d.0 root port ── 05:00.0 PF, 05:10.0 and 06:00.1 its VFs, the latter on the next bus
 *	40:00.0 host bridge of another root
 *	40:01.0 root port ── 41:00.0
 */
#define RP1	"pci0000:00/0000:00:1c.0"
#define UP	RP1 "/0000:01:00.0"
#define DN1	UP "/0000:02:00.0"
#define DN2	UP "/0000:02:01.0"
#define RP2	"pci0000:00/0000:00:1d.0"
#define RP3	"pci0000:40/0000:40:01.0"

static void add_port(const char *path, int type, int ctrl)
{
	tree_add((struct tree_fn){ path, type, .acs = ctrl >= 0, .acs_cap = ACS_ALL | GW_ACS_EC,
				   .acs_ctrl = (uint16_t)(ctrl < 0 ? 0 : ctrl) });
}

static int setup(void **state)
{
	tree_init();
	tree_add((struct tree_fn){ "pci0000:00/0000:00:00.0", GW_PCI_CONVENTIONAL });
	tree_add((struct tree_fn){ "pci0000:40/0000:40:00.0", GW_PCI_CONVENTIONAL });
	add_port(RP1, GW_PCI_ROOT_PORT, GW_ACS_UF);
	add_port(UP, GW_PCI_UPSTREAM_PORT, -1);
	add_port(DN1, GW_PCI_DOWNSTREAM_PORT, 0);
	add_port(DN2, GW_PCI_DOWNSTREAM_PORT, 0);
	add_port(RP2, GW_PCI_ROOT_PORT, 0);
	add_port(RP3, GW_PCI_ROOT_PORT, 0);
	tree_add((struct tree_fn){ DN1 "/0000:03:00.0", .multi = true });
	tree_add((struct tree_fn){ DN1 "/0000:03:00.1" });
	tree_add((struct tree_fn){ DN2 "/0000:04:00.0" });
	tree_add((struct tree_fn){ RP2 "/0000:05:00.0" });
	tree_add((struct tree_fn){ RP2 "/0000:05:10.0", .physfn = "0000:05:00.0" });
	tree_add((struct tree_fn){ RP2 "/0000:06:00.1", .physfn = "0000:05:00.0" });
	tree_add((struct tree_fn){ RP3 "/0000:41:00.0" });
	assert_int_equal(gw_topology_open(tree_dir, NULL, &t), 0);
	assert_int_equal(gw_p2p_hosts_new(&hosts), 0);
	return 0;
}

static int teardown(void **state)
{
	gw_p2p_hosts_free(hosts);
	gw_topology_close(t);
	tree_fini();
	return 0;
}

static void reopen(void)
{
	gw_topology_close(t);
	assert_int_equal(gw_topology_open(tree_dir, NULL, &t), 0);
}

static void set_host(const char *path, uint16_t vendor, uint16_t device)
{
	tree_add((struct tree_fn){ path, GW_PCI_CONVENTIONAL, .vendor = vendor, .device = device });
}

/* The host bridge of domain 0 passes traffic on. */
static void allow(void)
{
	set_host("pci0000:00/0000:00:00.0", 0x8086, 0x09a2);
}

static void ask(const char *provider, const char *client)
{
	reopen();
	assert_int_equal(gw_p2p_verdict(t, hosts, tree_find(t, provider), tree_find(t, client), &v),
			 0);
}

static void expect(enum gw_p2p_map classic, enum gw_p2p_map strict, unsigned int distance)
{
	enum gw_p2p_map worse = classic < strict ? classic : strict;

	assert_int_equal(v.classic.map, classic);
	assert_int_equal(v.strict.map, strict);
	assert_int_equal(v.map, worse);
	assert_int_equal(v.distance, distance);
}

static void ports_of_a_switch_turn_traffic_round(void **state)
{
	ask("03:00.0", "04:00.0");
	expect(BUS, BUS, 4);
	assert_ptr_equal(v.common, tree_find(t, "01:00.0"));
	assert_int_equal(v.address, GW_P2P_BUS_ADDRESS);
	assert_int_equal(v.nr_hops, 5);
	assert_true(v.hop[1].parts && v.hop[3].parts);
	assert_int_equal(v.hop[2].side, GW_P2P_COMMON);
	assert_ptr_equal(v.hop[4].node, v.client);
}

static void redirection_where_the_paths_part_sends_it_to_the_root_complex(void **state)
{
	add_port(DN2, GW_PCI_DOWNSTREAM_PORT, GW_ACS_RR);
	ask("03:00.0", "04:00.0");
	expect(NO, NO, 4);
	assert_int_equal(v.strict.why, GW_P2P_REDIRECTED);
	/* the provider's port decides about completions only */
	ask("04:00.0", "03:00.0");
	expect(NO, BUS, 4);
	allow();
	ask("03:00.0", "04:00.0");
	expect(THRU, THRU, 4);
	assert_int_equal(v.address, GW_P2P_PHYS);
	add_port(DN2, GW_PCI_DOWNSTREAM_PORT, GW_ACS_CR);
	ask("03:00.0", "04:00.0");
	expect(THRU, BUS, 4);
	ask("04:00.0", "03:00.0");
	expect(THRU, THRU, 4);
	add_port(DN2, GW_PCI_DOWNSTREAM_PORT, GW_ACS_EC);
	ask("03:00.0", "04:00.0");
	expect(THRU, THRU, 4);
}

static void what_turns_round_at_the_root_passes_shared_ports_that_forward_only(void **state)
{
	static const int control[] = { 0, 0x0d, -1 };

	allow();
	add_port(DN1, GW_PCI_DOWNSTREAM_PORT, GW_ACS_RR | GW_ACS_CR);
	add_port(DN2, GW_PCI_DOWNSTREAM_PORT, GW_ACS_RR | GW_ACS_CR);
	for (size_t i = 0; i < ARRAY_SIZE(control); i++) {
		add_port(RP1, GW_PCI_ROOT_PORT, control[i]);
		ask("03:00.0", "04:00.0");
		expect(THRU, NO, 4);
		assert_int_equal(v.strict.why, GW_P2P_DEAD_END);
		assert_ptr_equal(v.dead_end, tree_find(t, "00:1c.0"));
		assert_int_equal(v.address, GW_P2P_NO_ADDRESS);
		/* functions of one device go the same way */
		add_port(DN1, GW_PCI_DOWNSTREAM_PORT, ACS_ON);
		ask("03:00.0", "03:00.1");
		expect(THRU, NO, 2);
		assert_int_equal(v.strict.why, GW_P2P_NO_FORWARDING);
		add_port(DN1, GW_PCI_DOWNSTREAM_PORT, GW_ACS_RR | GW_ACS_CR);
	}
	add_port(RP1, GW_PCI_ROOT_PORT, 0x1d);
	ask("03:00.0", "04:00.0");
	expect(THRU, THRU, 4);
	assert_null(v.dead_end);
	tree_add((struct tree_fn){ RP1, GW_PCI_ROOT_PORT, .config_size = 256 });
	ask("03:00.0", "04:00.0");
	expect(THRU, NO, 4);
	assert_int_equal(v.strict.why, GW_P2P_ACS_UNREADABLE);
	/* the ports that decide are those that both share; a direct way does not lead there */
	add_port(RP1, GW_PCI_ROOT_PORT, 0);
	ask("04:00.0", "05:00.0");
	expect(THRU, THRU, 6);
	add_port(DN1, GW_PCI_DOWNSTREAM_PORT, 0);
	add_port(DN2, GW_PCI_DOWNSTREAM_PORT, 0);
	ask("03:00.0", "04:00.0");
	expect(BUS, BUS, 4);
}

static void a_switch_below_a_switch_has_two_ports_that_forward(void **state)
{
	allow();
	add_port(DN1 "/0000:03:00.0", GW_PCI_UPSTREAM_PORT, -1);
	add_port(DN1 "/0000:03:00.0/0000:08:00.0", GW_PCI_DOWNSTREAM_PORT, GW_ACS_RR);
	add_port(DN1 "/0000:03:00.0/0000:08:01.0", GW_PCI_DOWNSTREAM_PORT, GW_ACS_RR);
	tree_add((struct tree_fn){ DN1 "/0000:03:00.0/0000:08:00.0/0000:09:00.0" });
	tree_add((struct tree_fn){ DN1 "/0000:03:00.0/0000:08:01.0/0000:0a:00.0" });
	ask("09:00.0", "0a:00.0");
	expect(THRU, NO, 4);
	assert_ptr_equal(v.dead_end, tree_find(t, "02:00.0"));
	add_port(DN1, GW_PCI_DOWNSTREAM_PORT, GW_ACS_UF);
	ask("09:00.0", "0a:00.0");
	expect(THRU, THRU, 4);
}

static void what_to_clear_for_a_direct_way_is_told_where_there_is_none(void **state)
{
	add_port(DN1, GW_PCI_DOWNSTREAM_PORT, GW_ACS_SV | GW_ACS_RR | GW_ACS_CR);
	add_port(DN2, GW_PCI_DOWNSTREAM_PORT, GW_ACS_RR | GW_ACS_UF);
	ask("03:00.0", "04:00.0");
	expect(NO, NO, 4);
	for (unsigned int i = 0; i < v.nr_hops; i++)
		assert_int_equal(v.hop[i].clear, v.hop[i].redirects);
	assert_int_equal(v.hop[1].clear, GW_ACS_RR | GW_ACS_CR);
	assert_int_equal(v.hop[3].clear, GW_ACS_RR);
	/* what they have is a way */
	allow();
	ask("03:00.0", "04:00.0");
	expect(THRU, THRU, 4);
	assert_int_equal(v.hop[1].clear, 0);
	/* no port would help: functions of one device, and none above both */
	set_host("pci0000:00/0000:00:00.0", 0x1234, 0x5678);
	ask("03:00.0", "03:00.1");
	expect(NO, NO, 2);
	assert_int_equal(v.hop[1].clear, 0);
	ask("03:00.0", "05:00.0");
	expect(NO, NO, 6);
	for (unsigned int i = 0; i < v.nr_hops; i++)
		assert_int_equal(v.hop[i].clear, 0);
}

static void only_the_classic_rule_minds_redirection_above_the_parting(void **state)
{
	add_port(UP, GW_PCI_UPSTREAM_PORT, GW_ACS_RR | GW_ACS_CR);
	ask("03:00.0", "04:00.0");
	expect(NO, BUS, 4);
	add_port(UP, GW_PCI_UPSTREAM_PORT, -1);
	add_port(RP1, GW_PCI_ROOT_PORT, ACS_ON);
	ask("03:00.0", "04:00.0");
	expect(BUS, BUS, 4);		/* neither: it is above the switch */
}

static void source_validation_and_upstream_forwarding_redirect_nothing(void **state)
{
	add_port(DN1, GW_PCI_DOWNSTREAM_PORT, GW_ACS_SV | GW_ACS_UF | GW_ACS_TB | GW_ACS_DT);
	ask("03:00.0", "04:00.0");
	expect(BUS, BUS, 4);
}

static void functions_of_one_device_need_a_port_that_forwards(void **state)
{
	ask("03:00.0", "03:00.1");
	expect(BUS, NO, 2);
	assert_int_equal(v.strict.why, GW_P2P_NO_FORWARDING);
	allow();
	add_port(DN1, GW_PCI_DOWNSTREAM_PORT, GW_ACS_UF);
	ask("03:00.0", "03:00.1");
	expect(BUS, THRU, 2);
	assert_int_equal(v.strict.why, GW_P2P_ONE_DEVICE);
	add_port(DN1, GW_PCI_DOWNSTREAM_PORT, ACS_ON);
	ask("03:00.0", "03:00.1");
	expect(THRU, THRU, 2);
	ask("03:00.0", "03:00.0");
	expect(BUS, THRU, 0);
}

static void a_virtual_function_has_no_way_inside_its_device(void **state)
{
	ask("05:00.0", "05:10.0");
	expect(BUS, NO, 2);
	/* also where it spilled to the next bus number */
	ask("05:00.0", "06:00.1");
	expect(BUS, NO, 2);
	assert_ptr_equal(v.common, tree_find(t, "00:1d.0"));
	ask("05:10.0", "06:00.1");
	expect(BUS, NO, 2);
	/* as with an IOMMU: the root port redirects, and all hangs on the host bridge */
	add_port(RP2, GW_PCI_ROOT_PORT, ACS_ON);
	ask("05:00.0", "06:00.1");
	expect(NO, NO, 2);
	allow();
	ask("05:00.0", "06:00.1");
	expect(THRU, THRU, 2);
}

static void below_different_root_ports_the_host_bridge_decides(void **state)
{
	add_port(RP1, GW_PCI_ROOT_PORT, ACS_ON);
	ask("05:00.0", "04:00.0");
	expect(NO, NO, 6);
	assert_null(v.common);
	assert_int_equal(v.strict.why, GW_P2P_NO_COMMON);
	assert_int_equal(v.address, GW_P2P_NO_ADDRESS);
	allow();
	ask("05:00.0", "04:00.0");
	expect(THRU, THRU, 6);
	assert_int_equal(v.permit, GW_P2P_LISTED);
}

static void a_port_on_the_way_has_nothing_to_turn_round(void **state)
{
	add_port(DN1, GW_PCI_DOWNSTREAM_PORT, GW_ACS_RR);
	ask("01:00.0", "03:00.0");
	expect(NO, BUS, 2);
	assert_ptr_equal(v.common, v.provider);
}

static void unreadable_acs_is_refused_where_it_decides(void **state)
{
	/* no root: the kernel may know, we do not */
	tree_add((struct tree_fn){ DN2, GW_PCI_DOWNSTREAM_PORT, .config_size = 64 });
	ask("03:00.0", "04:00.0");
	expect(UNKNOWN, NO, 4);
	assert_int_equal(v.strict.why, GW_P2P_ACS_UNREADABLE);
	/* something else redirects, so that it does not matter to the classic rule */
	add_port(DN1, GW_PCI_DOWNSTREAM_PORT, GW_ACS_RR);
	ask("03:00.0", "04:00.0");
	expect(NO, NO, 4);
	/* no ECAM: the kernel cannot read it either, and goes on as if there were none */
	add_port(DN1, GW_PCI_DOWNSTREAM_PORT, 0);
	tree_add((struct tree_fn){ DN2, GW_PCI_DOWNSTREAM_PORT, .config_size = 256 });
	ask("03:00.0", "04:00.0");
	expect(BUS, NO, 4);
	/* above the parting it decides nothing */
	add_port(DN2, GW_PCI_DOWNSTREAM_PORT, 0);
	tree_add((struct tree_fn){ RP1, GW_PCI_ROOT_PORT, .config_size = 64 });
	ask("03:00.0", "04:00.0");
	expect(BUS, BUS, 4);
}

static void conventional_functions_share_their_bus(void **state)
{
	tree_add((struct tree_fn){ "pci0000:00/0000:00:1e.0", GW_PCI_TO_PCI_BRIDGE });
	tree_add((struct tree_fn){ "pci0000:00/0000:00:1e.0/0000:07:01.0", GW_PCI_CONVENTIONAL });
	tree_add((struct tree_fn){ "pci0000:00/0000:00:1e.0/0000:07:02.0", GW_PCI_CONVENTIONAL });
	ask("07:01.0", "07:02.0");
	expect(BUS, BUS, 2);
}

static void an_iommu_that_translates_wants_an_iova(void **state)
{
	allow();
	tree_add((struct tree_fn){ DN2 "/0000:04:00.0", .group = 5 });
	ask("05:00.0", "04:00.0");
	assert_int_equal(v.address, GW_P2P_IOVA);
	tree_text("sys/kernel/iommu_groups/5/type", "identity\n");
	ask("05:00.0", "04:00.0");
	assert_int_equal(v.address, GW_P2P_PHYS);
	ask("04:00.0", "05:00.0");
	assert_int_equal(v.address, GW_P2P_PHYS);
}

/* Every row of the list, in and across host bridges. */
static void each_listed_host_bridge_is_allowed(void **state)
{
	static const struct {
		uint16_t vendor, device; bool same;
	} row[] = {
		{ 0x8086, 0x3c00, true }, { 0x8086, 0x3c01, true }, { 0x8086, 0x2f00, true },
		{ 0x8086, 0x2f01, true }, { 0x8086, 0x2030 },	    { 0x8086, 0x2031 },
		{ 0x8086, 0x2032 },	  { 0x8086, 0x2033 },	    { 0x8086, 0x2020 },
		{ 0x8086, 0x09a2 },	  { 0x1ae0, 0x0001 },	    { 0x1ae0, 0xffff },
		{ 0x8086, 0x0b25 },	  { 0x8086, 0x0cfe },	    { 0x8086, 0x11fb },
		{ 0x8086, 0x1212 },	  { 0x8086, 0x1216 },	    { 0x8086, 0x4940 },
		{ 0x8086, 0x4942 },	  { 0x8086, 0x4944 },	    { 0x8086, 0x4946 },
		{ 0x8086, 0x4948 },	  { 0x10de, 0x2f95 },	    { 0x10de, 0x2f96 },
		{ 0x10de, 0x2f97 },	  { 0x10de, 0x2f98 },	    { 0x1d17, 0x1003, true },
		{ 0x1d17, 0x1005, true }, { 0x1d17, 0x1006, true }, { 0x1d17, 0x1007, true },
		{ 0x1d17, 0x1008 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		set_host("pci0000:00/0000:00:00.0", row[i].vendor, row[i].device);
		set_host("pci0000:40/0000:40:00.0", 0x1234, 0x5678);
		ask("05:00.0", "04:00.0");
		expect(THRU, THRU, 6);
		ask("05:00.0", "41:00.0");
		expect(NO, NO, 4);
		assert_int_equal(v.permit, GW_P2P_NOT_LISTED);
		set_host("pci0000:40/0000:40:00.0", row[i].vendor, row[i].device);
		ask("05:00.0", "41:00.0");
		expect(row[i].same ? NO : THRU, row[i].same ? NO : THRU, 4);
		assert_int_equal(v.permit, row[i].same ? GW_P2P_LISTED_FOR_SAME : GW_P2P_LISTED);
	}
}

static void one_host_bridge_for_itself_only_bars_the_other(void **state)
{
	set_host("pci0000:00/0000:00:00.0", 0x8086, 0x09a2);
	set_host("pci0000:40/0000:40:00.0", 0x8086, 0x3c00);
	ask("05:00.0", "41:00.0");
	expect(NO, NO, 4);
	ask("41:00.0", "05:00.0");
	expect(NO, NO, 4);
}

static void bridges_that_are_not_listed_are_refused(void **state)
{
	static const uint16_t id[][2] = { { 0x8086, 0x6f00 }, { 0x8086, 0x3c02 },
					  { 0x1022, 0x1450 }, { 0x1d17, 0x1004 },
					  { 0x10de, 0x2f94 }, { 0x10de, 0x2f99 } };

	for (size_t i = 0; i < ARRAY_SIZE(id); i++) {
		set_host("pci0000:00/0000:00:00.0", id[i][0], id[i][1]);
		ask("05:00.0", "04:00.0");
		expect(NO, NO, 6);
	}
}

static void where_no_function_is_first_a_root_port_may_stand_for_the_host_bridge(void **state)
{
	tree_add((struct tree_fn){ "pci0000:60/0000:60:02.0", GW_PCI_ROOT_PORT, .vendor = 0x8086,
				   .device = 0x2032 });
	tree_add((struct tree_fn){ "pci0000:60/0000:60:03.0", GW_PCI_ROOT_PORT, .vendor = 0x8086,
				   .device = 0x2033 });
	tree_add((struct tree_fn){ "pci0000:60/0000:60:02.0/0000:61:00.0" });
	tree_add((struct tree_fn){ "pci0000:60/0000:60:03.0/0000:62:00.0" });
	ask("61:00.0", "62:00.0");
	expect(THRU, THRU, 4);
	/* an endpoint with that identity does not count */
	tree_add((struct tree_fn){ "pci0000:60/0000:60:01.0", GW_PCI_RC_ENDPOINT, .vendor = 0x8086,
				   .device = 0x2032 });
	ask("61:00.0", "62:00.0");
	expect(NO, NO, 4);
}

static void zen_and_later_processors_are_allowed_whatever_the_bridge(void **state)
{
	static const struct {
		const char *cpuinfo; bool allowed;
	} cpu[] = {
		{ "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 23\nmodel\t\t: 1\n\n",
		  true },
		{ "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 26\n\n", true },
		{ "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 22\n\n", false },
		{ "processor\t: 0\nvendor_id\t: HygonGenuine\ncpu family\t: 24\n\n", false },
		{ "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 25\n\n", false },
		{ "processor\t: 0\nCPU implementer\t: 0x41\n\n", false },
		{ "processor\t: 0\n\nvendor_id\t: AuthenticAMD\ncpu family\t: 23\n\n", false },
		{ "", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cpu); i++) {
		enum gw_p2p_map want = cpu[i].allowed ? THRU : NO;

		tree_text("proc/cpuinfo", cpu[i].cpuinfo);
		ask("05:00.0", "41:00.0");
		expect(want, want, 4);
		assert_int_equal(v.permit, cpu[i].allowed ? GW_P2P_BY_CPU : GW_P2P_NOT_LISTED);
	}
}

static void a_site_adds_host_bridges_of_its_own(void **state)
{
	unsigned int line;

	set_host("pci0000:00/0000:00:00.0", 0x8086, 0x6f00);
	assert_int_equal(gw_p2p_hosts_add(hosts, "# ours\n\n 8086\t6f00 same # tested", &line), 0);
	ask("05:00.0", "04:00.0");
	expect(THRU, THRU, 6);
	set_host("pci0000:40/0000:40:00.0", 0x8086, 0x6f00);
	ask("05:00.0", "41:00.0");
	expect(NO, NO, 4);
	assert_int_equal(gw_p2p_hosts_add(hosts, "8086 6f00\n", &line), 0);
	ask("05:00.0", "41:00.0");
	expect(THRU, THRU, 4);
}

static void lines_that_make_no_sense_are_named(void **state)
{
	static const char *const bad[] = {
		"8086",
		"8086 zz",
		"10000 1",
		"8086 10000",
		"8086 1 maybe",
		"8086 1 same same",
		"* 1",
		"cpu AuthenticAMD",
		"cpu AuthenticAMD 0x17",
		"cpu AVendorNameThatIsTooLong 1",
		"cpu AuthenticAMD -1",
		"8086 1 2 3 4 5",
		"-1 1",
	};
	unsigned int line;
	char text[600];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), "8086 1111\n%s\n8086 2222\n", bad[i]);
		assert_int_equal(gw_p2p_hosts_add(hosts, text, &line), -EINVAL);
		assert_int_equal(line, 2);
	}
	memset(text, 'a', 300);
	text[300] = '\0';
	assert_int_equal(gw_p2p_hosts_add(hosts, text, &line), -EINVAL);
	for (unsigned int i = 0; i < 5000; i++) {
		int ret = gw_p2p_hosts_add(hosts, "8086 1111\n", &line);

		assert_true(!ret || (ret == -ENOSPC && i > 4000));
	}
}

static void a_list_is_loaded_from_a_file(void **state)
{
	tree_text("list", "8086 6f00\n");
	assert_int_equal(gw_p2p_hosts_load(hosts, tree_path("list"), NULL), 0);
	tree_text("list", "what?\n");
	assert_int_equal(gw_p2p_hosts_load(hosts, tree_path("list"), NULL), -EINVAL);
	assert_int_equal(gw_p2p_hosts_load(hosts, tree_path("none"), NULL), -ENOENT);
	assert_int_equal(truncate(tree_path("list"), 1 << 20), 0);
	assert_int_equal(gw_p2p_hosts_load(hosts, tree_path("list"), NULL), -EFBIG);
}

static void hops_are_explained(void **state)
{
	char text[GW_P2P_TEXT_SIZE];

	add_port(DN2, GW_PCI_DOWNSTREAM_PORT, ACS_ON);
	ask("03:00.0", "04:00.0");
	assert_string_equal(gw_p2p_hop_text(&v.hop[0], text), "endpoint 0000:03:00.0 has no ACS");
	assert_string_equal(gw_p2p_hop_text(&v.hop[1], text),
			    "downstream port 0000:02:00.0 redirects nothing (ACS none)");
	assert_string_equal(gw_p2p_hop_text(&v.hop[3], text),
			    "downstream port 0000:02:01.0 redirects requests and completions "
			    "(ACS RR CR)");
	assert_string_equal(gw_p2p_permit_text(&v, text),
			    "host bridge pci0000:00 (1234:5678) is not "
			    "known to pass peer-to-peer traffic on");
	ask("05:00.0", "41:00.0");
	assert_string_equal(gw_p2p_permit_text(&v, text), "host bridges pci0000:00 (1234:5678) and "
			    "pci0000:40 (1234:5678) are not known to pass peer-to-peer traffic on");
	add_port(RP1, GW_PCI_ROOT_PORT, GW_ACS_RR);
	ask("03:00.0", "05:00.0");
	assert_string_equal(gw_p2p_hop_text(&v.hop[3], text),
			    "root port 0000:00:1c.0 redirects requests (ACS RR)");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(ports_of_a_switch_turn_traffic_round),
		T(redirection_where_the_paths_part_sends_it_to_the_root_complex),
		T(what_turns_round_at_the_root_passes_shared_ports_that_forward_only),
		T(a_switch_below_a_switch_has_two_ports_that_forward),
		T(what_to_clear_for_a_direct_way_is_told_where_there_is_none),
		T(only_the_classic_rule_minds_redirection_above_the_parting),
		T(source_validation_and_upstream_forwarding_redirect_nothing),
		T(functions_of_one_device_need_a_port_that_forwards),
		T(a_virtual_function_has_no_way_inside_its_device),
		T(below_different_root_ports_the_host_bridge_decides),
		T(a_port_on_the_way_has_nothing_to_turn_round),
		T(unreadable_acs_is_refused_where_it_decides),
		T(conventional_functions_share_their_bus),
		T(an_iommu_that_translates_wants_an_iova),
		T(each_listed_host_bridge_is_allowed),
		T(one_host_bridge_for_itself_only_bars_the_other),
		T(bridges_that_are_not_listed_are_refused),
		T(where_no_function_is_first_a_root_port_may_stand_for_the_host_bridge),
		T(zen_and_later_processors_are_allowed_whatever_the_bridge),
		T(a_site_adds_host_bridges_of_its_own),
		T(lines_that_make_no_sense_are_named),
		T(a_list_is_loaded_from_a_file),
		T(hops_are_explained),
	};

	return cmocka_run_group_tests_name("p2p", tests, NULL, NULL);
}
