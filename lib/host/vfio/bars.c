/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/guard.h"
#include "host/vfio/function.h"
#include "config/caps.h"

/*
 * How it works: what the kernel lets us map of a BAR is mapped here once, and registers are
 * accessed there; the rest goes by pread(2) and pwrite(2). While the function does not decode
 * memory the kernel takes the pages away, and an access is an error, not a crash.
 *
 * A VMM must not have the function's descriptor: that can do everything. It is handed a dma-buf of
 * the BAR, where the kernel lets one be mapped, or sysfs' resource file, if that is asked for.
 */

#define INFO_ROOM	1024u

static struct vfio_region_info *region_info(int device, unsigned int index)
{
	struct vfio_region_info *info = calloc(1, INFO_ROOM);

	if (!info)
		return NULL;
	info->argsz = INFO_ROOM;
	info->index = index;
	if (!ioctl(device, VFIO_DEVICE_GET_REGION_INFO, info))
		return info;
	free(info);
	return NULL;
}

static void area_map(struct gw_vfio_function *fn, struct gw_vfio_bar *b, uint64_t off, uint64_t size)
{
	struct gw_vfio_area *a = &b->area[b->nr_areas];
	void *addr;

	if (b->nr_areas == GW_MAX_MMAP_AREAS || !size || off > b->info.size ||
	    size > b->info.size - off)
		return;
	addr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fn->device,
		    (off_t)(b->off + off));
	if (addr == MAP_FAILED) {
		gw_warn(fn->base.log, "%s: cannot map a BAR: %s; its registers go by system call",
			fn->base.info.name, strerror(errno));
		return;
	}
	*a = (struct gw_vfio_area){ .off = off, .size = size, .addr = addr };
	b->nr_areas++;
}

/* The pieces that the kernel lets us map, or all of it. */
static void bar_map_areas(struct gw_vfio_function *fn, struct gw_vfio_bar *b,
			  const struct vfio_region_info *info)
{
	const struct vfio_region_info_cap_sparse_mmap *sparse = NULL;
	uint32_t off = info->flags & VFIO_REGION_INFO_FLAG_CAPS ? info->cap_offset : 0, last = 0;
	const struct vfio_info_cap_header *head;

	while (off > last && off <= INFO_ROOM - sizeof(*sparse)) {
		head = (const void *)((const char *)info + off);
		if (head->id == VFIO_REGION_INFO_CAP_SPARSE_MMAP)
			sparse = (const void *)head;
		last = off;
		off = head->next;
	}
	if (!sparse) {
		area_map(fn, b, 0, info->size);
		return;
	}
	off = (uint32_t)((const char *)sparse - (const char *)info);
	for (uint32_t i = 0; i < sparse->nr_areas; i++) {
		if (off + sizeof(*sparse) + (i + 1) * sizeof(sparse->areas[0]) > INFO_ROOM)
			break;
		area_map(fn, b, sparse->areas[i].offset, sparse->areas[i].size);
	}
}

static int config_dword(struct gw_vfio_function *fn, unsigned int off, uint32_t *val)
{
	uint8_t raw[4];

	if (pread(fn->device, raw, sizeof(raw), (off_t)(fn->config_off + off)) != sizeof(raw))
		return -EIO;
	*val = gw_pci_get(raw, 0, 4);
	return 0;
}

int gw_vfio_bar_dma_buf(int device, unsigned int bar, const struct gw_bar_range *range,
			unsigned int nr)
{
	size_t size = sizeof(struct vfio_device_feature) + sizeof(struct gw_vfio_dma_buf) +
		      nr * 2 * sizeof(__u64);
	struct vfio_device_feature *feature = calloc(1, size);
	struct gw_vfio_dma_buf *get;
	int fd, err;

	if (!feature)
		return -ENOMEM;
	feature->argsz = (uint32_t)size;
	feature->flags = VFIO_DEVICE_FEATURE_GET | GW_VFIO_FEATURE_DMA_BUF;
	get = (void *)feature->data;
	get->region_index = bar;
	get->open_flags = O_RDWR | O_CLOEXEC;
	get->nr_ranges = nr;
	for (unsigned int i = 0; i < nr; i++) {
		get->range[i].offset = range[i].off.v;
		get->range[i].length = range[i].size;
	}
	fd = ioctl(device, VFIO_DEVICE_FEATURE, feature);
	err = errno;
	free(feature);
	if (fd >= 0)
		return fd;
	/* what kernels that do not have it answer */
	return err == ENOTTY || err == EOPNOTSUPP ? -EOPNOTSUPP : -err;
}

static bool can_map(int fd, uint64_t size)
{
	void *addr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (addr == MAP_FAILED)
		return false;
	munmap(addr, size);
	return true;
}

/* Something to hand to a VMM, and what to say of it. */
static const char *bar_share(struct gw_vfio_function *fn, unsigned int i)
{
	const struct gw_bar_range all = { .size = fn->bar[i].info.size };
	char path[PATH_MAX];
	int fd = gw_vfio_bar_dma_buf(fn->device, i, &all, 1);

	if (fd >= 0 && can_map(fd, all.size)) {
		fn->bar[i].fd = fd;
		return "mapped by the VMM, as a dma-buf";
	}
	if (fd >= 0)
		close(fd);
	if (!fn->host->opt.bar_resource)
		return fd >= 0 ? "trapped: this kernel's dma-bufs cannot be mapped" :
				 "trapped: this kernel makes no dma-buf of it";
	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/resource%u", fn->host->sysfs,
		 fn->base.info.name, i);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0 && can_map(fd, all.size)) {
		fn->bar[i].fd = fd;
		return "mapped by the VMM, as sysfs' resource file";
	}
	if (fd >= 0)
		close(fd);
	return "trapped: the kernel refuses sysfs' resource file (iomem=relaxed lets it be mapped)";
}

static int bar_open(struct gw_vfio_function *fn, unsigned int i)
{
	struct vfio_region_info *info = region_info(fn->device, i);
	struct gw_vfio_bar *b = &fn->bar[i];
	const char *how = "by system call";
	uint32_t reg;
	int ret;

	if (!info)
		return 0;	/* the kernel shows no such BAR */
	b->off = info->offset;
	b->info.size = info->size;
	ret = info->size ? config_dword(fn, GW_PCI_BAR0 + 4 * i, &reg) : 0;
	if (ret || !info->size)
		goto free_info;
	b->info.io = reg & GW_PCI_BAR_IO;
	b->info.is_64bit = !b->info.io && reg & GW_PCI_BAR_64BIT;
	b->info.prefetchable = !b->info.io && reg & GW_PCI_BAR_PREFETCH;
	if (info->flags & VFIO_REGION_INFO_FLAG_MMAP) {
		bar_map_areas(fn, b, info);
		how = bar_share(fn, i);
	}
	b->info.mappable = b->fd >= 0;
	gw_info(fn->base.log, "%s: BAR %u, %" PRIu64 " KiB%s: %s", fn->base.info.name, i,
		(b->info.size + 1023) >> 10, b->info.io ? " of I/O ports" : "", how);
free_info:
	free(info);
	return ret;
}

int gw_vfio_bars_open(struct gw_vfio_function *fn)
{
	int ret = 0;

	for (unsigned int i = 0; !ret && i < GW_NR_BARS; i++)
		ret = bar_open(fn, i);
	return ret;
}

void gw_vfio_bars_close(struct gw_vfio_function *fn)
{
	for (unsigned int i = 0; i < GW_NR_BARS; i++) {
		struct gw_vfio_bar *b = &fn->bar[i];

		for (unsigned int a = 0; a < b->nr_areas; a++)
			munmap(b->area[a].addr, b->area[a].size);
		b->nr_areas = 0;
	}
}

int gw_vfio_bar_info(struct gw_function *f, unsigned int bar, struct gw_bar_info *info)
{
	if (bar >= GW_NR_BARS)
		return -EINVAL;
	*info = gw_vfio_fn(f)->bar[bar].info;
	return 0;
}

int gw_vfio_bar_map(struct gw_function *f, unsigned int bar, struct gw_bar_map *map)
{
	struct gw_vfio_function *fn = gw_vfio_fn(f);
	struct gw_vfio_bar *b = &fn->bar[bar < GW_NR_BARS ? bar : 0];
	int ret;

	if (bar >= GW_NR_BARS)
		return -EINVAL;
	ret = gw_vfio_enter(fn);
	if (ret)
		return ret;
	if (b->fd < 0) {
		ret = -EOPNOTSUPP;
		goto leave;
	}
	if (!b->users) {
		b->shared = mmap(NULL, b->info.size, PROT_READ | PROT_WRITE, MAP_SHARED, b->fd, 0);
		if (b->shared == MAP_FAILED) {
			ret = -errno;
			goto leave;
		}
	}
	b->users++;
	*map = (struct gw_bar_map){ .addr = b->shared, .size = b->info.size, .fd = b->fd };
leave:
	gw_vfio_leave(fn);
	return ret;
}

void gw_vfio_bar_unmap(struct gw_function *f, unsigned int bar)
{
	struct gw_vfio_bar *b = &gw_vfio_fn(f)->bar[bar];

	if (!--b->users)
		munmap(b->shared, b->info.size);
}

static bool reg_inside(const struct gw_vfio_bar *b, uint64_t off, unsigned int width)
{
	return (width == 1 || width == 2 || width == 4 || width == 8) && !(off % width) &&
	       off < b->info.size && width <= b->info.size - off;
}

/* Where the register is in this process, or NULL. */
static char *reg_at(const struct gw_vfio_bar *b, uint64_t off, unsigned int width)
{
	for (unsigned int i = 0; i < b->nr_areas; i++) {
		const struct gw_vfio_area *a = &b->area[i];

		if (off >= a->off && off - a->off < a->size && width <= a->size - (off - a->off))
			return a->addr + (off - a->off);
	}
	return NULL;
}

int gw_vfio_reg_read(struct gw_function *f, unsigned int bar, gw_bar_off off, unsigned int width,
		     uint64_t *val)
{
	struct gw_vfio_function *fn = gw_vfio_fn(f);
	char *at;
	int ret;

	if (bar >= GW_NR_BARS || !reg_inside(&fn->bar[bar], off.v, width))
		return -EINVAL;
	ret = gw_vfio_enter(fn);
	if (ret)
		return ret;
	at = reg_at(&fn->bar[bar], off.v, width);
	*val = 0;
	if (at)
		ret = gw_guard_reg_read(at, width, val);
	else if (pread(fn->device, val, width, (off_t)(fn->bar[bar].off + off.v)) != (ssize_t)width)
		ret = -EIO;
	gw_vfio_leave(fn);
	return ret;
}

int gw_vfio_reg_write(struct gw_function *f, unsigned int bar, gw_bar_off off, unsigned int width,
		      uint64_t val)
{
	struct gw_vfio_function *fn = gw_vfio_fn(f);
	char *at;
	int ret;

	if (bar >= GW_NR_BARS || !reg_inside(&fn->bar[bar], off.v, width))
		return -EINVAL;
	ret = gw_vfio_enter(fn);
	if (ret)
		return ret;
	at = reg_at(&fn->bar[bar], off.v, width);
	if (at)
		ret = gw_guard_reg_write(at, width, val);
	else if (pwrite(fn->device, &val, width, (off_t)(fn->bar[bar].off + off.v)) != (ssize_t)width)
		ret = -EIO;
	gw_vfio_leave(fn);
	return ret;
}
