/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/vfio/bars.h"

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
#include "base/util.h"
#include "config/caps.h"
#include "host/vfio/uapi.h"

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

static void area_map(const struct gw_vfio_device *d, struct gw_vfio_bar *b, uint64_t off, uint64_t size)
{
	struct gw_vfio_area *a = &b->area[b->nr_areas];
	void *addr;

	if (b->nr_areas == GW_MAX_MMAP_AREAS || !size || off > b->info.size ||
	    size > b->info.size - off)
		return;
	addr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, d->fd,
		    (off_t)(b->off + off));
	if (addr == MAP_FAILED) {
		gw_warn(d->log, "%s: cannot map a BAR: %s; its registers go by system call", d->name,
			strerror(errno));
		return;
	}
	*a = (struct gw_vfio_area){ .off = off, .size = size, .addr = addr };
	b->nr_areas++;
}

/* The pieces that the kernel lets us map, or all of it. */
static void bar_map_areas(const struct gw_vfio_device *d, struct gw_vfio_bar *b,
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
		area_map(d, b, 0, info->size);
		return;
	}
	off = (uint32_t)((const char *)sparse - (const char *)info);
	for (uint32_t i = 0; i < sparse->nr_areas; i++) {
		if (off + sizeof(*sparse) + (i + 1) * sizeof(sparse->areas[0]) > INFO_ROOM)
			break;
		area_map(d, b, sparse->areas[i].offset, sparse->areas[i].size);
	}
}

int gw_vfio_bars_dma_buf(const struct gw_vfio_bars *b, unsigned int bar,
			 const struct gw_bar_range *range, unsigned int nr)
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
	fd = ioctl(b->device->fd, VFIO_DEVICE_FEATURE, feature);
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
static const char *bar_share(struct gw_vfio_bars *b, unsigned int i, const char *sysfs)
{
	const struct gw_bar_range all = { .size = b->bar[i].info.size };
	int fd = gw_vfio_bars_dma_buf(b, i, &all, 1);
	char path[PATH_MAX];

	if (fd >= 0 && can_map(fd, all.size)) {
		b->bar[i].fd = fd;
		return "mapped by the VMM, as a dma-buf";
	}
	if (fd >= 0)
		close(fd);
	if (!sysfs)
		return fd >= 0 ? "trapped: this kernel's dma-bufs cannot be mapped" :
				 "trapped: this kernel makes no dma-buf of it";
	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/resource%u", sysfs, b->device->name, i);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0 && can_map(fd, all.size)) {
		b->bar[i].fd = fd;
		return "mapped by the VMM, as sysfs' resource file";
	}
	if (fd >= 0)
		close(fd);
	return "trapped: the kernel refuses sysfs' resource file (iomem=relaxed lets it be mapped)";
}

static int bar_open(struct gw_vfio_bars *bars, unsigned int i, const char *sysfs)
{
	const struct gw_vfio_device *d = bars->device;
	struct vfio_region_info *info = region_info(d->fd, i);
	struct gw_vfio_bar *b = &bars->bar[i];
	const char *how = "by system call";
	uint32_t reg;
	int ret;

	if (!info)
		return 0;	/* the kernel shows no such BAR */
	b->off = info->offset;
	b->info.size = info->size;
	ret = info->size ? gw_vfio_device_read(d, GW_PCI_BAR0 + 4 * i, 4, &reg) : 0;
	if (ret || !info->size)
		goto free_info;
	b->info.io = reg & GW_PCI_BAR_IO;
	b->info.is_64bit = !b->info.io && reg & GW_PCI_BAR_64BIT;
	b->info.prefetchable = !b->info.io && reg & GW_PCI_BAR_PREFETCH;
	if (info->flags & VFIO_REGION_INFO_FLAG_MMAP) {
		bar_map_areas(d, b, info);
		how = bar_share(bars, i, sysfs);
	}
	b->info.mappable = b->fd >= 0;
	gw_info(d->log, "%s: BAR %u, %" PRIu64 " KiB%s: %s", d->name, i, (b->info.size + 1023) >> 10,
		b->info.io ? " of I/O ports" : "", how);
free_info:
	free(info);
	return ret;
}

void gw_vfio_bars_init(struct gw_vfio_bars *b, const struct gw_vfio_device *device)
{
	b->device = device;
	pthread_mutex_init(&b->lock, NULL);
	for (unsigned int i = 0; i < GW_NR_BARS; i++)
		b->bar[i].fd = -1;
}

void gw_vfio_bars_fini(struct gw_vfio_bars *b)
{
	for (unsigned int i = 0; i < GW_NR_BARS; i++)
		if (b->bar[i].fd >= 0)
			close(b->bar[i].fd);
	pthread_mutex_destroy(&b->lock);
}

int gw_vfio_bars_open(struct gw_vfio_bars *b, const char *sysfs)
{
	int ret = 0;

	for (unsigned int i = 0; !ret && i < GW_NR_BARS; i++)
		ret = bar_open(b, i, sysfs);
	return ret;
}

void gw_vfio_bars_close(struct gw_vfio_bars *bars)
{
	for (unsigned int i = 0; i < GW_NR_BARS; i++) {
		struct gw_vfio_bar *b = &bars->bar[i];

		for (unsigned int a = 0; a < b->nr_areas; a++)
			munmap(b->area[a].addr, b->area[a].size);
		b->nr_areas = 0;
	}
}

bool gw_vfio_bars_handed(const struct gw_vfio_bars *b)
{
	if (atomic_load(&b->exported))
		return true;
	for (unsigned int i = 0; i < GW_NR_BARS; i++)
		if (b->bar[i].fd >= 0)
			return true;
	return false;
}

static int bar_map(struct gw_vfio_bars *bars, unsigned int bar) GW_HOLDS(bars->lock)
{
	const struct gw_vfio_bar *b = &bars->bar[bar];
	void *at;

	if (b->fd < 0)
		return -EOPNOTSUPP;
	if (!bars->users[bar]) {
		at = mmap(NULL, b->info.size, PROT_READ | PROT_WRITE, MAP_SHARED, b->fd, 0);
		if (at == MAP_FAILED)
			return -errno;
		bars->shared[bar] = at;
	}
	bars->users[bar]++;
	return 0;
}

int gw_vfio_bars_map(struct gw_vfio_bars *bars, unsigned int bar, struct gw_bar_map *map)
{
	const struct gw_vfio_bar *b = &bars->bar[bar < GW_NR_BARS ? bar : 0];
	int ret;

	if (bar >= GW_NR_BARS)
		return -EINVAL;
	pthread_mutex_lock(&bars->lock);
	ret = bar_map(bars, bar);
	if (!ret)
		/* a device may have its doorbells a page beside its table, and no Mac has VFIO */
		*map = (struct gw_bar_map){ .addr = bars->shared[bar], .size = b->info.size, .fd = b->fd,
					    .unit = (uint64_t)sysconf(_SC_PAGESIZE) };
	pthread_mutex_unlock(&bars->lock);
	return ret;
}

void gw_vfio_bars_unmap(struct gw_vfio_bars *bars, unsigned int bar)
{
	if (bar >= GW_NR_BARS)
		return;
	pthread_mutex_lock(&bars->lock);
	if (bars->users[bar] && !--bars->users[bar])
		munmap(bars->shared[bar], bars->bar[bar].info.size);
	pthread_mutex_unlock(&bars->lock);
}

/* Where a piece of the BAR is in this process, or NULL; it must not be cut. */
static char *piece_at(const struct gw_vfio_bar *b, uint64_t off, uint64_t size)
{
	for (unsigned int i = 0; i < b->nr_areas; i++) {
		const struct gw_vfio_area *a = &b->area[i];

		if (off >= a->off && size <= a->size && off - a->off <= a->size - size)
			return a->addr + (off - a->off);
	}
	return NULL;
}

int gw_vfio_bars_range_check(const struct gw_vfio_bars *b, unsigned int bar,
			     const struct gw_bar_range *r)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), size;

	if (bar >= GW_NR_BARS)
		return -EINVAL;
	size = b->bar[bar].info.size;
	if (!r->size || (r->off.v | r->size) % page || r->off.v > size || r->size > size - r->off.v)
		return -EINVAL;
	return 0;
}

void *gw_vfio_bars_at(const struct gw_vfio_bars *b, unsigned int bar, const struct gw_bar_range *r)
{
	return piece_at(&b->bar[bar], r->off.v, r->size);
}

/* Return: 0, with where the register is in this process or NULL; -EINVAL there is none. */
static int reg_find(const struct gw_vfio_bars *bars, unsigned int bar, uint64_t off,
		    unsigned int width, char **at)
{
	const struct gw_vfio_bar *b = &bars->bar[bar < GW_NR_BARS ? bar : 0];

	if (bar >= GW_NR_BARS || !gw_is_pow2(width) || width > 8 || off % width ||
	    off >= b->info.size || width > b->info.size - off)
		return -EINVAL;
	*at = piece_at(b, off, width);
	return 0;
}

int gw_vfio_bars_read(struct gw_vfio_bars *b, unsigned int bar, uint64_t off, unsigned int width,
		      uint64_t *val)
{
	char *at;
	int ret = reg_find(b, bar, off, width, &at);

	if (ret)
		return ret;
	*val = 0;
	if (at)
		return gw_guard_reg_read(at, width, val);
	return pread(b->device->fd, val, width, (off_t)(b->bar[bar].off + off)) == (ssize_t)width ?
	       0 : -EIO;
}

int gw_vfio_bars_write(struct gw_vfio_bars *b, unsigned int bar, uint64_t off, unsigned int width,
		       uint64_t val)
{
	char *at;
	int ret = reg_find(b, bar, off, width, &at);

	if (ret)
		return ret;
	if (at)
		return gw_guard_reg_write(at, width, val);
	return pwrite(b->device->fd, &val, width, (off_t)(b->bar[bar].off + off)) == (ssize_t)width ?
	       0 : -EIO;
}
