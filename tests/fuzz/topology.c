/* SPDX-License-Identifier: BSD-3-Clause */
#include "../unit/pci_tree.h"

#include <gangway/p2p.h>

#include "base/reader.h"

/*
 * The files of a machine. A small one is made, an input changes it, and every pair of its functions
 * is asked about. An input is records: a byte of function, a byte of what, two of length, and the
 * bytes: the text of a link, a file, or two bytes of offset and what to write there in config
 * space.
 */

enum {
	LINK, CONFIG, SHORTEN, RESOURCE, VENDOR, CLASS, PHYSFN, GROUP, GROUP_TYPE, HOSTS, CPUINFO,
	DMA_RANGES, SIZE_CELLS, NR,
};

#define OF_NODE	"sys/devices/pci0000:00/of_node"

/* Where they really are: nothing is ever written through a link that an input has made. */
static const char *const places[] = {
	"pci0000:00/0000:00:00.0",
	"pci0000:00/0000:00:01.0",
	"pci0000:00/0000:00:01.0/0000:01:00.0",
	"pci0000:00/0000:00:01.0/0000:01:00.1",
	"pci0000:00/0000:00:01.0/0000:02:00.0",
	"pci0000:00/0000:00:02.0",
};

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void function_make(unsigned int i)
{
	struct tree_fn f = { places[i] };

	unlink(tree_path("sys/devices/%s/physfn", places[i]));
	unlink(tree_path("sys/devices/%s/iommu_group", places[i]));
	switch (i) {
	case 0: f.type = GW_PCI_CONVENTIONAL; break;
	case 1:
		f.type = GW_PCI_ROOT_PORT;
		f.acs = true;
		f.acs_ctrl = ACS_ON;
		break;
	case 2:
	case 3: f.group = 1; break;
	case 4: f.physfn = "0000:01:00.0"; break;
	case 5: f.type = GW_PCI_RC_ENDPOINT; break;
	}
	tree_add(f);
	tree_file(strrchr(places[i], '/') + 1, "resource", "0x80000000 0x800fffff 0x14220c\n");
}

/* Undo what the input before has changed: what belongs to functions, and the rest. */
static void machine_restore(unsigned int changed)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++)
		if (changed >> i & 1)
			function_make(i);
	if (changed >> ARRAY_SIZE(places)) {
		tree_text("proc/cpuinfo", "vendor_id\t: AuthenticAMD\ncpu family\t: 23\n");
		tree_text("sys/kernel/iommu_groups/1/type", "DMA\n");
		unlink(tree_path(OF_NODE "/dma-ranges"));
		tree_write("sys/devices/pci0000:00/#address-cells", "\0\0\0\2", 4);
		tree_write(OF_NODE "/#address-cells", "\0\0\0\3", 4);
		tree_write(OF_NODE "/#size-cells", "\0\0\0\2", 4);
	}
}

static void put_link(const char *below, const char *text)
{
	unlink(tree_path("%s", below));
	if (*text && symlink(text, tree_path("%s", below)))
		check(errno == ENAMETOOLONG || errno == ENOENT);
}

static void put_file(const char *below, const char *text, size_t len)
{
	int fd = open(tree_path("%s", below), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0)
		return;
	check(write(fd, text, len) == (ssize_t)len);
	close(fd);
}

static void poke(const char *below, const uint8_t *bytes, size_t len)
{
	int fd = open(tree_path("%s", below), O_WRONLY);

	if (fd >= 0 && len >= 2)
		check(pwrite(fd, bytes + 2, len - 2, (bytes[0] | bytes[1] << 8) & 0xfff) >= 0);
	if (fd >= 0)
		close(fd);
}

static void change(const char *place, unsigned int what, const uint8_t *bytes, size_t len,
		   struct gw_p2p_hosts *hosts)
{
	static const char *const file[NR] = {
		[CONFIG] = "config", [SHORTEN] = "config", [RESOURCE] = "resource",
		[VENDOR] = "vendor", [CLASS] = "class", [PHYSFN] = "physfn",
		[GROUP] = "iommu_group",
	};
	char below[128], text[4096];
	unsigned int line;

	len = len < sizeof(text) ? len : sizeof(text) - 1;
	memcpy(text, bytes, len);
	text[len] = '\0';
	if (file[what])
		snprintf(below, sizeof(below), "sys/devices/%s/%s", place, file[what]);
	else
		snprintf(below, sizeof(below), "sys/bus/pci/devices%s", strrchr(place, '/'));
	switch (what) {
	case LINK:
	case PHYSFN:
	case GROUP: put_link(below, text); break;
	case CONFIG: poke(below, bytes, len); break;
	case SHORTEN: check(!truncate(tree_path("%s", below), (off_t)(len * 4))); break;
	case GROUP_TYPE: put_file("sys/kernel/iommu_groups/1/type", text, len); break;
	case HOSTS: gw_p2p_hosts_add(hosts, text, &line); break;
	case CPUINFO: put_file("proc/cpuinfo", text, len); break;
	case DMA_RANGES: put_file(OF_NODE "/dma-ranges", text, len); break;
	case SIZE_CELLS: put_file(OF_NODE "/#size-cells", text, len); break;
	default: put_file(below, text, len);
	}
}

static void ask_all(struct gw_topology *t, const struct gw_p2p_hosts *hosts)
{
	char text[GW_P2P_TEXT_SIZE];
	struct gw_p2p_verdict v;
	struct gw_pci_bar bar;
	gw_bus bus;

	for (struct gw_pci_node *p = NULL; (p = gw_topology_next(t, p));) {
		for (unsigned int i = 0; i < 6; i++)
			if (!gw_pci_node_bar(t, p, i, &bar))
				check(bar.first <= bar.last);
		if (!gw_pci_dma_addr(t, p, 0x80001000, 0x2000, 32, &bus))
			check(bus.v <= UINT32_MAX - 0x1fff);
		for (struct gw_pci_node *c = NULL; (c = gw_topology_next(t, c));) {
			if (gw_p2p_verdict(t, hosts, p, c, &v))
				continue;
			check(v.nr_hops && v.nr_hops <= GW_P2P_MAX_HOPS);
			check(v.map <= v.classic.map && v.map <= v.strict.map);
			check(v.common ? v.distance + 1 == v.nr_hops : v.distance == v.nr_hops);
			for (unsigned int i = 0; i < v.nr_hops; i++)
				check(strlen(gw_p2p_hop_text(&v.hop[i], text)) < sizeof(text));
			gw_p2p_permit_text(&v, text);
			if (!gw_pci_node_bar(t, p, 0, &bar))
				gw_p2p_bar_address(t, &v, &bar, &bus);
		}
	}
}

static void check_groups(struct gw_topology *t)
{
	char text[GW_P2P_TEXT_SIZE];
	struct gw_groups g;

	check(!gw_groups_compute(t, &g));
	for (size_t i = 0; i < g.nr; i++) {
		check(g.member[i].ours < g.nr_groups);
		gw_group_why_text(&g.member[i], text);
	}
	gw_groups_fini(&g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static unsigned int changed = UINT32_MAX;
	struct gw_reader r = gw_reader_init(data, len);
	struct gw_p2p_hosts *hosts;
	struct gw_topology *t;
	uint8_t fn, what;
	uint16_t size;

	if (!*tree_dir) {
		tree_init();
		tree_mkdirs(OF_NODE);
		atexit(tree_fini);
	}
	machine_restore(changed);
	changed = 0;
	check(!gw_p2p_hosts_new(&hosts));
	while (gw_reader_take(&r, &fn, 1) && gw_reader_take(&r, &what, 1) &&
	       gw_reader_u16(&r, &size)) {
		size_t n = size < gw_reader_left(&r) ? size : gw_reader_left(&r);

		fn %= ARRAY_SIZE(places);
		what %= NR;
		change(places[fn], what, gw_reader_skip(&r, n), n, hosts);
		changed |= 1u << (what < GROUP_TYPE ? fn : ARRAY_SIZE(places));
	}
	check(!gw_topology_open(tree_dir, NULL, &t));
	check(!gw_topology_scan(t));
	ask_all(t, hosts);
	check_groups(t);
	gw_topology_close(t);
	gw_p2p_hosts_free(hosts);
	return 0;
}
