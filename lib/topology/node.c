/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "topology/topology.h"

/*
 * How it works: what is known of a node is read when it is first asked for, in two steps that are
 * kept once they have succeeded: who it is (numbers and links of sysfs), and what its config space
 * says. Its BARs are read anew each time: the resource file says where the processor sees them, the
 * registers say where they are on the bus. A file that makes no sense is named in the log, and the
 * step fails.
 */

#define RESOURCE_IO	0x100u		/* flags of a line of the resource file */
#define RESOURCE_IOV	7u		/* the line of a physical function's first IOV BAR */

/* A number of at most @max in a file of its own. */
static int read_number(struct gw_topology *t, struct gw_pci_node *n, const char *file, int base,
		       unsigned long max, unsigned long *val)
{
	char text[32], *end;
	int ret = gw_topology_read(t, &n->addr, file, text, sizeof(text));

	if (ret)
		return ret == -ENODEV ? ret : gw_topology_bad(t, &n->addr, file);
	errno = 0;
	*val = strtoul(text, &end, base);
	if (end == text || *end || errno || *text == '-' || *val > max)
		return gw_topology_bad(t, &n->addr, file);
	return 0;
}

/* The last component of where a link leads. -ENOENT: there is no link. */
static int read_link(struct gw_topology *t, struct gw_pci_node *n, const char *file,
		     char word[NAME_MAX + 1])
{
	char name[GW_PCI_ADDR_SIZE], path[64], link[PATH_MAX];
	const char *at = link;
	ssize_t len;

	snprintf(path, sizeof(path), "%s/%s", gw_pci_addr_format(&n->addr, name), file);
	len = readlinkat(t->devices, path, link, sizeof(link));
	if (len < 0 && errno == ENOENT)
		return -ENOENT;
	if (len < 0 || len == sizeof(link))
		return gw_topology_bad(t, &n->addr, file);
	link[len] = '\0';
	*word = '\0';
	while ((at = gw_pci_path_next(at, word)))
		;
	return *word ? 0 : gw_topology_bad(t, &n->addr, file);
}

static int ident_numbers(struct gw_topology *t, struct gw_pci_node *n)
{
	unsigned long vendor = 0, device = 0, class_code = 0;
	int ret = read_number(t, n, "vendor", 16, UINT16_MAX, &vendor);

	if (!ret)
		ret = read_number(t, n, "device", 16, UINT16_MAX, &device);
	if (!ret)
		ret = read_number(t, n, "class", 16, 0xffffff, &class_code);
	if (ret)
		return ret;
	n->vendor = (uint16_t)vendor;
	n->device = (uint16_t)device;
	n->class_code = (uint32_t)class_code;
	return 0;
}

/*
 * Variant drivers have names of their own; since Linux 6.1 each function of any of them has a node.
 */
static bool has_vfio_node(struct gw_topology *t, const struct gw_pci_node *n)
{
	char name[GW_PCI_ADDR_SIZE], path[64];

	snprintf(path, sizeof(path), "%s/vfio-dev", gw_pci_addr_format(&n->addr, name));
	return !faccessat(t->devices, path, F_OK, 0);
}

static int ident_links(struct gw_topology *t, struct gw_pci_node *n)
{
	char word[NAME_MAX + 1], *end;
	struct gw_pci_addr pf;
	unsigned long group;
	int ret;

	ret = read_link(t, n, "physfn", word);
	if (!ret) {
		ret = gw_pci_addr_parse(word, &pf);
		if (!ret)
			ret = gw_topology_find(t, &pf, &n->physfn);
		if (ret == -ENOMEM)
			return ret;
		if (ret || n->physfn == n)
			return gw_topology_bad(t, &n->addr, "physfn");
	} else if (ret != -ENOENT) {
		return ret;
	}
	ret = read_link(t, n, "iommu_group", word);
	if (!ret) {
		group = strtoul(word, &end, 10);
		if (*end || *word < '0' || *word > '9' || group > INT_MAX)
			return gw_topology_bad(t, &n->addr, "iommu_group");
		n->group = (int)group;
	} else if (ret != -ENOENT) {
		return ret;
	}
	ret = read_link(t, n, "driver", word);
	if (ret && ret != -ENOENT)
		return ret;
	if (!ret && snprintf(n->driver, sizeof(n->driver), "%s", word) >= (int)sizeof(n->driver))
		return gw_topology_bad(t, &n->addr, "driver");
	n->vfio = !ret && (!strcmp(word, "vfio-pci") || has_vfio_node(t, n));
	return 0;
}

int gw_pci_node_ident(struct gw_topology *t, struct gw_pci_node *n)
{
	int ret;

	if (node_of(n)->ident)
		return 0;
	ret = ident_numbers(t, n);
	if (!ret)
		ret = ident_links(t, n);
	if (ret) {
		n->physfn = NULL;
		n->group = -1;
		*n->driver = '\0';
		n->vfio = false;
		return ret;
	}
	node_of(n)->ident = true;
	return 0;
}

static void decode_acs(struct gw_pci_node *n, struct gw_cfgfile *c)
{
	unsigned int off;
	uint32_t both;
	int ret;

	n->acs = (struct gw_acs){ .state = GW_ACS_ABSENT };
	if (n->type == GW_PCI_CONVENTIONAL)
		return;
	/* a PCIe function has it all, but the system may have no way to reach it */
	if (c->size == GW_PCI_CFG_SIZE_CONV) {
		n->acs.state = GW_ACS_UNREACHABLE;
		return;
	}
	ret = gw_cfgfile_ext_cap(c, GW_PCI_EXT_ACS, &off);
	if (!ret)
		ret = gw_cfgfile_get(c, off + GW_PCI_ACS_CAP, 4, &both);
	if (!ret)
		n->acs = (struct gw_acs){ .state = GW_ACS_PRESENT, .cap = (uint16_t)both,
					  .ctrl = (uint16_t)(both >> 16) };
	else if (ret != -ENOENT)
		n->acs.state = GW_ACS_UNREADABLE;
}

void gw_pci_node_decode(struct gw_pci_node *n, struct gw_cfgfile *c)
{
	uint32_t header, flags;
	unsigned int off;
	int ret;

	n->type = GW_PCI_TYPE_UNKNOWN;
	n->acs = (struct gw_acs){ .state = GW_ACS_UNREADABLE };
	n->bridge = n->multifunction = false;
	if (gw_cfgfile_get(c, GW_PCI_HEADER_TYPE, 1, &header) || header == 0xff)
		return;
	n->bridge = (header & GW_PCI_HEADER_TYPE_MASK) == GW_PCI_HEADER_TYPE_BRIDGE ||
		    (header & GW_PCI_HEADER_TYPE_MASK) == GW_PCI_HEADER_TYPE_CARDBUS;
	/* only function 0 has to say that there are more */
	n->multifunction = !n->physfn && (n->addr.fn || header & GW_PCI_HEADER_TYPE_MULTI);
	ret = gw_cfgfile_cap(c, GW_PCI_CAP_PCIE, &off);
	if (ret == -ENOENT)
		n->type = GW_PCI_CONVENTIONAL;
	else if (!ret && !gw_cfgfile_get(c, off + GW_PCI_PCIE_FLAGS, 2, &flags))
		n->type = (enum gw_pci_type)GW_PCI_PCIE_TYPE(flags);
	if (n->type != GW_PCI_TYPE_UNKNOWN)
		decode_acs(n, c);
}

int gw_pci_node_config(struct gw_topology *t, struct gw_pci_node *n)
{
	struct gw_cfgfile c;
	int ret = gw_pci_node_ident(t, n);

	if (ret || node_of(n)->config)
		return ret;
	ret = gw_topology_config(t, &n->addr, &c);
	if (ret)
		return ret == -EBADMSG ? gw_topology_bad(t, &n->addr, "config") : ret;
	gw_pci_node_decode(n, &c);
	gw_cfgfile_close(&c);
	node_of(n)->config = true;
	return 0;
}

int gw_pci_resource_parse(const char *text, unsigned int line, struct gw_pci_bar *out)
{
	uint64_t flags;

	while (line--) {
		text = strchr(text, '\n');
		if (!text)
			return -ENOENT;
		text++;
	}
	if (!*text)
		return -ENOENT;
	*out = (struct gw_pci_bar){ 0 };
	if (sscanf(text, "0x%16" SCNx64 " 0x%16" SCNx64 " 0x%16" SCNx64, &out->first, &out->last,
		   &flags) != 3 || out->first > out->last)
		return -EBADMSG;
	if (!out->last || !flags)
		return -ENOENT;
	out->io = flags & RESOURCE_IO;
	return 0;
}

static int read_resource(struct gw_topology *t, struct gw_pci_node *n, unsigned int line,
			 struct gw_pci_bar *out)
{
	char text[4096];
	int ret = gw_topology_read(t, &n->addr, "resource", text, sizeof(text));

	if (!ret)
		ret = gw_pci_resource_parse(text, line, out);
	else if (ret != -ENODEV)
		ret = -EBADMSG;
	return ret == -EBADMSG ? gw_topology_bad(t, &n->addr, "resource") : ret;
}

/* What the BAR register at @off holds, without its low bits. */
static int bar_register(struct gw_cfgfile *c, unsigned int off, bool last, uint64_t *val)
{
	uint32_t low, high = 0;
	int ret = gw_cfgfile_get(c, off, 4, &low);

	if (ret)
		return ret;
	if (low & GW_PCI_BAR_IO) {
		*val = low & ~3u;
		return 0;
	}
	if ((low & 6) == GW_PCI_BAR_64BIT) {
		ret = last ? -ENODATA : gw_cfgfile_get(c, off + 4, 4, &high);
		if (ret)
			return ret;
	}
	*val = (uint64_t)high << 32 | (low & ~0xfu);
	return 0;
}

/*
 * A virtual function has no BAR registers of its own: its share lies in the BAR of its physical
 * function's SR-IOV capability (SR-IOV 1.1, 3.3.14), as far in as its resource lies in that one's.
 */
static int bar_bus_vf(struct gw_topology *t, struct gw_pci_node *n, unsigned int bar,
		      struct gw_pci_bar *out)
{
	struct gw_cfgfile c;
	struct gw_pci_bar all;
	unsigned int off;
	uint64_t base;
	int ret = read_resource(t, n->physfn, RESOURCE_IOV + bar, &all);

	if (ret || out->first < all.first || out->last > all.last)
		return -ENODATA;
	if (gw_topology_config(t, &n->physfn->addr, &c))
		return -ENODATA;
	ret = gw_cfgfile_ext_cap(&c, GW_PCI_EXT_SRIOV, &off);
	if (!ret)
		ret = bar_register(&c, off + GW_PCI_SRIOV_BAR0 + 4 * bar, bar == 5, &base);
	gw_cfgfile_close(&c);
	if (!ret)
		out->bus.v = base + (out->first - all.first);
	return ret;
}

static int bar_bus(struct gw_topology *t, struct gw_pci_node *n, unsigned int bar,
		   struct gw_pci_bar *out)
{
	unsigned int last = n->bridge ? 1 : 5;
	struct gw_cfgfile c;
	int ret;

	if (n->physfn)
		return bar_bus_vf(t, n, bar, out);
	if (bar > last || gw_topology_config(t, &n->addr, &c))
		return -ENODATA;
	ret = bar_register(&c, GW_PCI_BAR0 + 4 * bar, bar == last, &out->bus.v);
	gw_cfgfile_close(&c);
	return ret;
}

int gw_pci_node_bar(struct gw_topology *t, struct gw_pci_node *n, unsigned int bar,
		    struct gw_pci_bar *out)
{
	int ret;

	if (bar > 5)
		return -EINVAL;
	ret = gw_pci_node_config(t, n);
	if (!ret)
		ret = read_resource(t, n, bar, out);
	if (ret)
		return ret;
	out->has_bus = !bar_bus(t, n, bar, out) &&
		       out->bus.v + (out->last - out->first) >= out->bus.v;
	return 0;
}
