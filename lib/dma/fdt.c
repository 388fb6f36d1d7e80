/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libfdt.h>

#include <gangway/dma.h>

#define FDT_MAX		(2u << 20)	/* QEMU makes them 1 MiB, mostly empty */
#define ROOM		4096		/* for what we add */

/* 64-bit prefetchable memory space (IEEE 1275 PCI bus binding, 2.2.1.1) */
#define PCI_SPACE_MEM64	0x43000000u

static int read_all(const char *path, void **data, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret = 0;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return -errno;
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
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), ret = 0;
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

/* dma-ranges of the bridge: (PCI address: 3 cells) (CPU address: 2 cells) (size: 2 cells) */
static int set_dma_ranges(void *fdt, const struct gw_window *w)
{
	int node = fdt_node_offset_by_compatible(fdt, -1, "pci-host-ecam-generic");
	fdt32_t cells[7];

	if (node < 0)
		return -ENOENT;
	cells[0] = cpu_to_fdt32(PCI_SPACE_MEM64);
	cells[1] = cpu_to_fdt32((uint32_t)(w->iova.v >> 32));
	cells[2] = cpu_to_fdt32((uint32_t)w->iova.v);
	cells[3] = cpu_to_fdt32((uint32_t)(w->gpa.v >> 32));
	cells[4] = cpu_to_fdt32((uint32_t)w->gpa.v);
	cells[5] = cpu_to_fdt32((uint32_t)(w->size >> 32));
	cells[6] = cpu_to_fdt32((uint32_t)w->size);
	return fdt_setprop(fdt, node, "dma-ranges", cells, sizeof(cells)) ? -ENOSPC : 0;
}

int gw_fdt_add_window(const char *in, const char *out, const struct gw_window *w,
		      struct gw_log *log)
{
	void *fdt = NULL;
	size_t size = 0;
	int ret;

	ret = read_all(in, &fdt, &size);
	if (ret) {
		gw_err(log, "cannot read device tree %s: %s", in, strerror(-ret));
		return ret;
	}
	if (fdt_check_full(fdt, size)) {
		gw_err(log, "%s is not a device tree", in);
		ret = -EINVAL;
		goto free_fdt;
	}
	if (fdt_open_into(fdt, fdt, (int)(size + ROOM))) {
		ret = -ENOSPC;
		goto free_fdt;
	}
	ret = set_dma_ranges(fdt, w);
	if (ret) {
		gw_err(log, "%s: cannot set dma-ranges of the PCIe host bridge: %s", in,
		       ret == -ENOENT ? "there is none" : strerror(-ret));
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
