/* SPDX-License-Identifier: BSD-3-Clause */
#include "pci_tree.h"

#include <gangway/p2p.h>

/*
 * A machine like a POWER9: the CPU has 128 GiB of RAM at 0, and for each of two PCIe domains 2 TiB
 * from 0x0060000000000000 on. In domain 1 devices have their 32-bit BARs at the bottom, where RAM
 * below 2 GiB would be; that is for 64-bit devices only, at 0x2000000000.
 */
#define NODE	"sys/firmware/devicetree/base/pciex@600c3c0000000"
#define PORT1	"pci0001:00/0001:00:00.0"
#define PORT2	"pci0001:00/0001:00:01.0"
#define UP	PORT1 "/0001:01:00.0"
#define DN1	UP "/0001:02:00.0"
#define DN2	UP "/0001:02:01.0"
#define BAR32	0x0060000010000000ull
#define BAR64	0x0060000080000000ull

struct range { uint32_t flags; uint64_t bus, cpu, size; };

static const struct range domain1[] = {
	{ 0x01000000, 0, 0x0060000000000000, 0x10000 },		/* I/O: not memory */
	{ 0x02000000, 0x00100000, 0x0060000000100000, 0x7ff00000 },
	{ 0x02000000, 0x80000000, 0x80000000, 0x80000000 },
	{ 0x43000000, 0x100000000, 0x100000000, 0x1f00000000 },
	{ 0x43000000, 0x2000000000, 0, 0x80000000 },
	{ 0x43000000, BAR64, BAR64, 0x1ff80000000 },
	{ 0x43000000, 0x0060020000000000, 0x0060020000000000, 0x20000000000 },
};

static struct gw_topology *t;

static void put_cells(uint8_t *at, unsigned int nr, uint64_t v)
{
	for (unsigned int i = 0; i < nr * 4; i++)
		at[i] = (uint8_t)(v >> 8 * (nr * 4 - 1 - i));
}

static void put_number(const char *file, unsigned int cells, uint64_t v)
{
	uint8_t b[8];

	put_cells(b, cells, v);
	tree_write(file, b, cells * 4);
}

static void put_ranges(const struct range *r, size_t nr)
{
	uint8_t b[1024];

	for (size_t i = 0; i < nr; i++) {
		put_cells(b + 28 * i, 1, r[i].flags);
		put_cells(b + 28 * i + 4, 2, r[i].bus);
		put_cells(b + 28 * i + 12, 2, r[i].cpu);
		put_cells(b + 28 * i + 20, 2, r[i].size);
	}
	tree_write(NODE "/dma-ranges", b, 28 * nr);
}

static void add_endpoint(const char *path)
{
	const char *name = strrchr(path, '/') + 1;

	tree_add((struct tree_fn){ path, GW_PCI_ENDPOINT });
	tree_file(name, "resource", "0x0060000010000000 0x006000001fffffff 0x200\n0x0 0x0 0x0\n"
		  "0x0060000080000000 0x006000008fffffff 0x14220c\n");
	tree_poke(name, GW_PCI_BAR0, 4, 0x10000000);
	tree_poke(name, GW_PCI_BAR0 + 8, 4, 0x8000000c);
	tree_poke(name, GW_PCI_BAR0 + 12, 4, 0x00600000);
}

static int setup(void **state)
{
	tree_init();
	tree_add((struct tree_fn){ PORT1, GW_PCI_ROOT_PORT, .vendor = 0x1014, .device = 0x04c1 });
	tree_add((struct tree_fn){ PORT2, GW_PCI_ROOT_PORT, .vendor = 0x1014, .device = 0x04c1 });
	tree_add((struct tree_fn){ UP, GW_PCI_UPSTREAM_PORT });
	tree_add((struct tree_fn){ DN1, GW_PCI_DOWNSTREAM_PORT, .acs = true });
	tree_add((struct tree_fn){ DN2, GW_PCI_DOWNSTREAM_PORT, .acs = true });
	add_endpoint(DN1 "/0001:03:00.0");
	add_endpoint(DN2 "/0001:04:00.0");
	add_endpoint(PORT2 "/0001:05:00.0");
	tree_mkdirs(NODE);
	put_number("sys/firmware/devicetree/base/#address-cells", 1, 2);
	put_number(NODE "/#address-cells", 1, 3);
	put_number(NODE "/#size-cells", 1, 2);
	put_ranges(domain1, ARRAY_SIZE(domain1));
	tree_link("sys/devices/pci0001:00/of_node", "../../firmware/devicetree/base/"
		  "pciex@600c3c0000000");
	assert_int_equal(gw_topology_open(tree_dir, NULL, &t), 0);
	return 0;
}

static int teardown(void **state)
{
	gw_topology_close(t);
	tree_fini();
	return 0;
}

static void reaches(uint64_t phys, unsigned int bits, uint64_t want)
{
	gw_bus bus = { 1 };

	assert_int_equal(gw_pci_dma_addr(t, tree_find(t, "0001:03:00.0"), phys, 0x1000, bits, &bus),
			 0);
	assert_int_equal(bus.v, want);
}

static void cannot(uint64_t phys, uint64_t size, unsigned int bits, int err)
{
	gw_bus bus;

	assert_int_equal(gw_pci_dma_addr(t, tree_find(t, "0001:03:00.0"), phys, size, bits, &bus),
			 err);
}

static void memory_is_where_the_host_bridge_puts_it(void **state)
{
	/* below 2 GiB: moved up, and so for 64-bit devices only */
	reaches(0x40000000, 64, 0x2040000000);
	cannot(0x40000000, 0x1000, 32, -ERANGE);
	/* 2 to 4 GiB: the same for all */
	reaches(0xc0000000, 32, 0xc0000000);
	reaches(0xc0000000, 64, 0xc0000000);
	/* above: the same, for 64-bit devices */
	reaches(0x100000000, 64, 0x100000000);
	cannot(0x100000000, 0x1000, 32, -ERANGE);
	/* the last page of each, and one more */
	reaches(0x7ffff000, 64, 0x207ffff000);
	reaches(0x1ffffff000, 64, 0x1ffffff000);
	cannot(0x2000000000, 0x1000, 64, -ENOENT);
	cannot(0x7ffff000, 0x2000, 64, -ENOENT);	/* its halves are at two places */
}

static void bars_are_where_their_registers_say(void **state)
{
	reaches(BAR32, 32, 0x10000000);
	reaches(BAR64, 64, BAR64);
	cannot(BAR64, 0x1000, 32, -ERANGE);
	reaches(0x0060020000000000, 64, 0x0060020000000000);
	cannot(0x0060000000000000, 0x1000, 64, -ENOENT);	/* I/O */
	cannot(0x0060040000000000, 0x1000, 64, -ENOENT);
}

/* By both ways the client has to be given what the register holds, and neither is what the CPU uses. */
static void a_peer_is_given_the_address_on_its_own_bus(void **state)
{
	static const struct { const char *client; enum gw_p2p_map map; } way[] = {
		{ "0001:04:00.0", GW_P2P_BUS_ADDR }, { "0001:05:00.0", GW_P2P_THRU_HOST_BRIDGE },
	};
	struct gw_pci_node *provider = tree_find(t, "0001:03:00.0");
	struct gw_p2p_hosts *hosts;
	struct gw_p2p_verdict v;
	struct gw_pci_bar bar;
	gw_bus bus;

	assert_int_equal(gw_p2p_hosts_new(&hosts), 0);
	assert_int_equal(gw_p2p_hosts_add(hosts, "1014 04c1\n", NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(way); i++) {
		assert_int_equal(gw_p2p_verdict(t, hosts, provider, tree_find(t, way[i].client), &v),
				 0);
		assert_int_equal(v.map, way[i].map);
		assert_int_equal(gw_pci_node_bar(t, provider, 0, &bar), 0);
		assert_int_equal(gw_p2p_bar_address(t, &v, &bar, &bus), 0);
		assert_int_equal(bus.v, 0x10000000);
		assert_int_equal(bus.v - bar.first, 0xffa0000000000000);
		/* one that was moved to the 64-bit window is at one address for all */
		assert_int_equal(gw_pci_node_bar(t, provider, 2, &bar), 0);
		assert_int_equal(gw_p2p_bar_address(t, &v, &bar, &bus), 0);
		assert_int_equal(bus.v, bar.first);
	}
	v.address = GW_P2P_IOVA;
	assert_int_equal(gw_p2p_bar_address(t, &v, &bar, &bus), -EOPNOTSUPP);
	v.address = GW_P2P_NO_ADDRESS;
	assert_int_equal(gw_p2p_bar_address(t, &v, &bar, &bus), -EXDEV);
	v.address = GW_P2P_BUS_ADDRESS;
	bar.has_bus = false;
	assert_int_equal(gw_p2p_bar_address(t, &v, &bar, &bus), -ENODATA);
	gw_p2p_hosts_free(hosts);
}

static void without_a_table_addresses_are_the_cpus(void **state)
{
	put_ranges(NULL, 0);
	reaches(0x40000000, 64, 0x40000000);
	unlink(tree_path(NODE "/dma-ranges"));
	reaches(0x40000000, 32, 0x40000000);
	cannot(0x100000000, 0x1000, 32, -ERANGE);
	cannot(0xfffff000, 0x1001, 32, -ERANGE);
	cannot(0, 0, 64, -EINVAL);
	cannot(UINT64_MAX, 2, 64, -EINVAL);
}

/* Most host bridges are a part of a device that the firmware describes, and have no node. */
static void the_node_may_be_of_what_the_host_bridge_is_a_part_of(void **state)
{
	unlink(tree_path("sys/devices/pci0001:00/of_node"));
	tree_link("sys/devices/of_node", "../firmware/devicetree/base/pciex@600c3c0000000");
	reaches(0x40000000, 64, 0x2040000000);
}

static void tables_that_make_no_sense_are_refused(void **state)
{
	const struct range wraps[] = { { 0x43000000, 0 - 0x1000ull, 0, 0x2000 } };
	uint8_t many[8192] = { 0 };

	put_ranges(wraps, 1);
	cannot(0x40000000, 0x1000, 64, -EBADMSG);
	tree_write(NODE "/dma-ranges", many, 27);
	cannot(0x40000000, 0x1000, 64, -EBADMSG);
	tree_write(NODE "/dma-ranges", many, sizeof(many));
	cannot(0x40000000, 0x1000, 64, -EBADMSG);
	put_ranges(domain1, ARRAY_SIZE(domain1));
	put_number(NODE "/#size-cells", 1, 3);
	cannot(0x40000000, 0x1000, 64, -EBADMSG);
	put_number(NODE "/#size-cells", 2, 2);
	cannot(0x40000000, 0x1000, 64, -EBADMSG);
	put_number(NODE "/#size-cells", 1, 2);
	put_number(NODE "/#address-cells", 1, 2);
	cannot(0x40000000, 0x1000, 64, -EBADMSG);
	put_number(NODE "/#address-cells", 1, 3);
	unlink(tree_path("sys/firmware/devicetree/base/#address-cells"));
	cannot(0x40000000, 0x1000, 64, -EBADMSG);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(memory_is_where_the_host_bridge_puts_it),
		T(bars_are_where_their_registers_say),
		T(a_peer_is_given_the_address_on_its_own_bus),
		T(without_a_table_addresses_are_the_cpus),
		T(the_node_may_be_of_what_the_host_bridge_is_a_part_of),
		T(tables_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests_name("dma ranges", tests, NULL, NULL);
}
