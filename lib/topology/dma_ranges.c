/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <libfdt.h>
#include <stdio.h>

#include "base/reader.h"
#include "topology/topology.h"

/*
 * How it works: where the firmware describes a machine by a device tree, sysfs has a folder of_node
 * for a host bridge, or for what the host bridge is a part of. Its file dma-ranges is the table by
 * which functions below reach what the CPU addresses (Devicetree Specification 0.4, 2.3.9; the form
 * of PCI addresses is that of IEEE 1275's PCI binding, 2.2.1.1). One that is there and empty, or
 * no such folder, means that both use the same addresses. What is above the host bridge is taken to
 * translate nothing.
 */

#define PCI_CELLS	3u
#define SPACE(flags)	((flags) >> 24 & 3)	/* 0 config, 1 I/O, 2 and 3 memory */
#define MAX_BYTES	8192u

struct table {
	uint8_t bytes[MAX_BYTES];
	size_t len;
	uint32_t cpu_cells, size_cells;
};

static bool take_cells(struct gw_reader *r, unsigned int nr, uint64_t *val)
{
	uint32_t cell;

	for (*val = 0; nr--; *val = *val << 32 | fdt32_ld(&cell))
		if (!gw_reader_take(r, &cell, sizeof(cell)))
			return false;
	return true;
}

/* Return: 1 it is a range of memory, 0 it is not, -EBADMSG. */
static int take_range(struct gw_reader *r, const struct table *tb, uint64_t *bus, uint64_t *cpu,
		      uint64_t *size)
{
	uint64_t flags, end;

	if (!take_cells(r, 1, &flags) || !take_cells(r, PCI_CELLS - 1, bus) ||
	    !take_cells(r, tb->cpu_cells, cpu) || !take_cells(r, tb->size_cells, size))
		return -EBADMSG;
	if (SPACE(flags) < 2 || !*size)
		return 0;
	return __builtin_add_overflow(*bus, *size - 1, &end) ||
	       __builtin_add_overflow(*cpu, *size - 1, &end) ? -EBADMSG : 1;
}

/* Return: 0; -ENOENT no range holds it, -ERANGE those that do are beyond @last, -EBADMSG. */
static int look_up(const struct table *tb, uint64_t phys, uint64_t size, uint64_t last, gw_bus *out)
{
	struct gw_reader r = gw_reader_init(tb->bytes, tb->len);
	uint64_t bus, cpu, len;
	int ret = -ENOENT, is;

	while (gw_reader_left(&r)) {
		is = take_range(&r, tb, &bus, &cpu, &len);
		if (is < 0)
			return is;
		if (!is || phys < cpu || phys - cpu >= len || size > len - (phys - cpu))
			continue;
		bus += phys - cpu;
		if (bus > last || size - 1 > last - bus) {
			ret = -ERANGE;
			continue;
		}
		out->v = bus;
		return 0;
	}
	return ret;
}

/* A file below @folder of the function on the root bus. */
static int read_file(struct gw_topology *t, const struct gw_pci_node *top, const char *folder,
		     const char *file, void *bytes, size_t size, size_t *len)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	return gw_topology_read_bytes(t, &top->addr, path, bytes, size, len);
}

/* @most 2: a number of 64 bits. */
static int read_cells(struct gw_topology *t, const struct gw_pci_node *top, const char *folder,
		      const char *file, uint32_t most, uint32_t *cells)
{
	uint32_t cell[2];
	size_t len;
	int ret = read_file(t, top, folder, file, cell, sizeof(cell), &len);

	if (ret)
		return ret == -ENODEV ? ret : -EBADMSG;
	*cells = fdt32_ld(&cell[0]);
	return len != sizeof(cell[0]) || !*cells || *cells > most ? -EBADMSG : 0;
}

/* Return: 0; -ENOENT there is none; -EBADMSG, -ENODEV. */
static int read_table(struct gw_topology *t, const struct gw_pci_node *top, struct table *tb)
{
	static const char *const folder[] = { "../of_node", "../../of_node" };
	uint32_t pci_cells;
	int ret = -ENOENT;
	unsigned int i;

	for (i = 0; i < 2 && ret == -ENOENT; i++)
		ret = read_file(t, top, folder[i], "dma-ranges", tb->bytes, MAX_BYTES, &tb->len);
	if (ret || !tb->len)
		return ret == -ENOENT || ret == -ENODEV || !ret ? ret : -EBADMSG;
	i--;
	ret = read_cells(t, top, folder[i], "#address-cells", PCI_CELLS, &pci_cells);
	if (!ret && pci_cells != PCI_CELLS)
		ret = -EBADMSG;
	if (!ret)
		ret = read_cells(t, top, folder[i], "#size-cells", 2, &tb->size_cells);
	if (!ret)
		ret = read_cells(t, top, folder[i], "../#address-cells", 2, &tb->cpu_cells);
	return ret;
}

int gw_pci_dma_addr(struct gw_topology *t, const struct gw_pci_node *node, uint64_t phys,
		    uint64_t size, unsigned int bits, gw_bus *bus)
{
	uint64_t last = bits < 64 ? (1ull << bits) - 1 : UINT64_MAX;
	struct table tb = { .len = 0 };
	int ret;

	if (!size || phys + (size - 1) < phys || !bits)
		return -EINVAL;
	while (node->up)
		node = node->up;
	ret = read_table(t, node, &tb);
	if (!ret && tb.len)
		ret = look_up(&tb, phys, size, last, bus);
	else if (!ret || ret == -ENOENT) {
		bus->v = phys;
		ret = phys > last || size - 1 > last - phys ? -ERANGE : 0;
	}
	return ret == -EBADMSG ? gw_topology_bad(t, &node->addr, "dma-ranges above") : ret;
}
