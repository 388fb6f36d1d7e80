/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libfdt.h>

#include <gangway/fdt.h>
#include <gangway/zone.h>

#include "base/regular.h"

/*
 * How it works: a tree comes as a file, to be written to another one (amend()), or is in memory
 * (put_in_memory()). It is checked in full, and then add_window() or add_pools() changes it. Both
 * set dma-ranges of the PCIe host bridge; a pool also gets a node of /reserved-memory and one for
 * its function, which names it. A tree that has such nodes already is refused.
 */

#define FDT_MAX		(2u << 20)	/* QEMU makes them 1 MiB, mostly empty */
#define ROOM		4096		/* for what we add */

/* 64-bit prefetchable memory space (IEEE 1275 PCI bus binding, 2.2.1.1) */
#define PCI_SPACE_MEM64	0x43000000u

static int read_all(const char *path, void **data, size_t *size)
{
	int fd = gw_regular_open(AT_FDCWD, path), ret = 0;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st)) {
		ret = -errno;
		goto close_fd;
	}
	if (st.st_size < (off_t)sizeof(struct fdt_header) || st.st_size > FDT_MAX) {
		ret = -EINVAL;
		goto close_fd;
	}
	*data = malloc((size_t)st.st_size + ROOM);
	if (!*data) {
		ret = -ENOMEM;
		goto close_fd;
	}
	n = read(fd, *data, (size_t)st.st_size);
	if (n != st.st_size) {
		ret = n < 0 ? -errno : -EINVAL;
		free(*data);
		goto close_fd;
	}
	*size = (size_t)n;
close_fd:
	close(fd);
	return ret;
}

static int write_all(const char *path, const void *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_CLOEXEC, 0600), ret = 0;
	const char *p = data;

	if (fd < 0)
		return -errno;
	while (size) {
		ssize_t n = write(fd, p, size);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			ret = -errno;
			break;
		}
		p += n;
		size -= (size_t)n;
	}
	if (close(fd) && !ret)
		ret = -errno;
	return ret;
}

/* PCI and memory addresses are of three and two cells, sizes of two: what QEMU writes. */
static void put_u64(fdt32_t *cells, uint64_t v)
{
	cells[0] = cpu_to_fdt32((uint32_t)(v >> 32));
	cells[1] = cpu_to_fdt32((uint32_t)v);
}

#define RANGE_CELLS	7

/* An entry of dma-ranges: (PCI address) (memory address) (size). */
static void put_range(fdt32_t cells[RANGE_CELLS], gw_iova iova, gw_gpa gpa, uint64_t size)
{
	cells[0] = cpu_to_fdt32(PCI_SPACE_MEM64);
	put_u64(cells + 1, iova.v);
	put_u64(cells + 3, gpa.v);
	put_u64(cells + 5, size);
}

static int fdt_error(int ret)
{
	if (ret >= 0)
		return ret;
	return ret == -FDT_ERR_NOTFOUND ? -ENOENT : ret == -FDT_ERR_EXISTS ? -EEXIST : -ENOSPC;
}

static int find_bridge(const void *fdt)
{
	return fdt_node_offset_by_compatible(fdt, -1, "pci-host-ecam-generic");
}

static int set_dma_ranges(void *fdt, const fdt32_t *cells, unsigned int nr)
{
	int node = find_bridge(fdt);

	if (node < 0)
		return -ENOENT;
	return fdt_error(fdt_setprop(fdt, node, "dma-ranges", cells,
				     (int)(nr * RANGE_CELLS * sizeof(*cells))));
}

static int add_window(void *fdt, const void *arg)
{
	const struct gw_window *w = arg;
	fdt32_t cells[RANGE_CELLS];

	put_range(cells, w->iova, w->gpa, w->size);
	return set_dma_ranges(fdt, cells, 1);
}

/* The node /reserved-memory, whose children have addresses and sizes of two cells. */
static int reserved_memory(void *fdt)
{
	int node = fdt_path_offset(fdt, "/reserved-memory"), ret;

	if (node >= 0)
		return node;
	node = fdt_add_subnode(fdt, 0, "reserved-memory");
	if (node < 0)
		return node;
	ret = fdt_setprop_u32(fdt, node, "#address-cells", 2);
	if (!ret)
		ret = fdt_setprop_u32(fdt, node, "#size-cells", 2);
	if (!ret)
		ret = fdt_setprop_empty(fdt, node, "ranges");
	return ret ? ret : node;
}

static int add_pool_memory(void *fdt, const struct gw_pool *pool, uint32_t phandle)
{
	int node = reserved_memory(fdt), ret;
	fdt32_t reg[4];
	char name[32];

	if (node < 0)
		return node;
	snprintf(name, sizeof(name), "pool@%" PRIx64, pool->gpa.v);
	node = fdt_add_subnode(fdt, node, name);
	if (node < 0)
		return node;
	put_u64(reg, pool->gpa.v);
	put_u64(reg + 2, pool->size);
	ret = fdt_setprop_string(fdt, node, "compatible", "restricted-dma-pool");
	if (!ret)
		ret = fdt_setprop(fdt, node, "reg", reg, sizeof(reg));
	return ret ? ret : fdt_setprop_u32(fdt, node, "phandle", phandle);
}

/* The address of a function is in bits 8 to 15 (IEEE 1275 PCI bus binding, 2.2.1.1). */
static int add_pool_function(void *fdt, const struct gw_pool *pool, uint32_t phandle)
{
	fdt32_t reg[5] = { cpu_to_fdt32((uint32_t)pool->devfn << 8) };
	int node = find_bridge(fdt), ret;
	char name[32];

	if (node < 0)
		return node;
	snprintf(name, sizeof(name), "function@%x,%x", pool->devfn >> 3, pool->devfn & 7u);
	node = fdt_add_subnode(fdt, node, name);
	if (node < 0)
		return node;
	ret = fdt_setprop(fdt, node, "reg", reg, sizeof(reg));
	return ret ? ret : fdt_setprop_u32(fdt, node, "memory-region", phandle);
}

static int add_pools(void *fdt, const void *arg)
{
	const struct gw_pools *p = arg;
	fdt32_t cells[GW_MAX_POOLS * RANGE_CELLS];
	uint32_t phandle;
	int ret;

	for (unsigned int i = 0; i < p->nr; i++) {
		const struct gw_pool *pool = &p->pool[i];

		put_range(cells + i * RANGE_CELLS, pool->iova, pool->gpa, pool->size);
		ret = fdt_generate_phandle(fdt, &phandle);
		if (!ret)
			ret = add_pool_memory(fdt, pool, phandle);
		if (!ret)
			ret = add_pool_function(fdt, pool, phandle);
		if (ret)
			return fdt_error(ret);
	}
	return set_dma_ranges(fdt, cells, p->nr);
}

/*
 * An entry of dma-ranges of a bus whose addresses and sizes have two cells, as those of its parent.
 */
static int add_zone(void *fdt, const void *arg)
{
	const struct gw_zone *z = arg;
	int node = fdt_add_subnode(fdt, 0, "gangway-zone"), ret;
	fdt32_t cells[6];

	if (node < 0)
		return fdt_error(node);
	put_u64(cells, z->gpa.v);
	put_u64(cells + 2, z->gpa.v);
	put_u64(cells + 4, z->size);
	ret = fdt_setprop_u32(fdt, node, "#address-cells", 2);
	if (!ret)
		ret = fdt_setprop_u32(fdt, node, "#size-cells", 2);
	if (!ret)
		ret = fdt_setprop(fdt, node, "dma-ranges", cells, sizeof(cells));
	return fdt_error(ret);
}

static void hint_tree(struct gw_log *log, const char *in)
{
	gw_hint(log, "QEMU writes it: qemu-system-aarch64 -machine virt,dumpdtb=%s, with the guest's "
		"other options", in);
}

/* @name: of the tree, for messages */
static int put(void *fdt, const char *name, int (*change)(void *fdt, const void *arg),
	       const void *arg, struct gw_log *log)
{
	int ret = change(fdt, arg);

	if (ret)
		gw_err(log, "%s: cannot say in it what devices reach: %s", name,
		       ret == -ENOENT ? "there is no PCIe host bridge" : ret == -EEXIST ?
		       "it has such a node, perhaps of an earlier run" : strerror(-ret));
	return ret;
}

/* Read a tree, have it changed, and write it. */
static int amend(const char *in, const char *out, int (*change)(void *fdt, const void *arg),
		 const void *arg, struct gw_log *log)
{
	void *fdt = NULL;
	size_t size = 0;
	int ret;

	ret = read_all(in, &fdt, &size);
	if (ret) {
		gw_err(log, "cannot read device tree %s: %s", in,
		       ret == -EBADMSG ? "it is no file" : strerror(-ret));
		hint_tree(log, in);
		return ret;
	}
	if (fdt_check_full(fdt, size)) {
		gw_err(log, "%s is not a device tree", in);
		hint_tree(log, in);
		ret = -EINVAL;
		goto free_fdt;
	}
	if (fdt_open_into(fdt, fdt, (int)(size + ROOM))) {
		ret = -ENOSPC;
		goto free_fdt;
	}
	ret = put(fdt, in, change, arg, log);
	if (ret) {
		if (ret == -EEXIST)
			hint_tree(log, in);
		goto free_fdt;
	}
	fdt_pack(fdt);
	ret = write_all(out, fdt, fdt_totalsize(fdt));
	if (ret)
		gw_err(log, "cannot write device tree %s: %s", out, strerror(-ret));
free_fdt:
	free(fdt);
	return ret;
}

int gw_fdt_add_window(const char *in, const char *out, const struct gw_window *w,
		      struct gw_log *log)
{
	return amend(in, out, add_window, w, log);
}

int gw_fdt_add_pools(const char *in, const char *out, const struct gw_pools *p,
		     struct gw_log *log)
{
	return amend(in, out, add_pools, p, log);
}

int gw_fdt_add_zone(const char *in, const char *out, const struct gw_zone *z, struct gw_log *log)
{
	return amend(in, out, add_zone, z, log);
}

static int put_in_memory(void *fdt, int (*change)(void *fdt, const void *arg), const void *arg,
			 struct gw_log *log)
{
	if (!fdt_check_full(fdt, fdt_totalsize(fdt)))
		return put(fdt, "the guest's device tree", change, arg, log);
	gw_err(log, "what the guest is to boot with is not a device tree");
	return -EINVAL;
}

int gw_fdt_put_window(void *fdt, const struct gw_window *w, struct gw_log *log)
{
	return put_in_memory(fdt, add_window, w, log);
}

int gw_fdt_put_pools(void *fdt, const struct gw_pools *p, struct gw_log *log)
{
	return put_in_memory(fdt, add_pools, p, log);
}

int gw_fdt_put_zone(void *fdt, const struct gw_zone *z, struct gw_log *log)
{
	return put_in_memory(fdt, add_zone, z, log);
}
