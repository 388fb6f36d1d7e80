/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_HOST_VFIO_BARS_H
#define GW_HOST_VFIO_BARS_H

#include <pthread.h>
#include <stdatomic.h>

#include <gangway/host.h>

#include "base/lock.h"
#include "host/vfio/device.h"

/* A piece of a BAR that is mapped into this process. */
struct gw_vfio_area {
	uint64_t off, size;
	char *addr;
};

/**
 * struct gw_vfio_bar - a BAR
 * @off:    of the region in the function's descriptor
 * @fd:     what gives a VMM this BAR and nothing else, or -1
 */
struct gw_vfio_bar {
	struct gw_bar_info info;
	uint64_t off;
	unsigned int nr_areas;
	struct gw_vfio_area area[GW_MAX_MMAP_AREAS];
	int fd;
};

/**
 * struct gw_vfio_bars - those of a function
 * @device: the function's. Whoever has registers accessed sees to it that it stays open
 * @lock:   innermost
 * @shared: a BAR's @fd mapped, while it has @users
 */
struct gw_vfio_bars {
	const struct gw_vfio_device *device;
	pthread_mutex_t lock;
	void *shared[GW_NR_BARS] GW_GUARDED_BY(lock);
	unsigned int users[GW_NR_BARS] GW_GUARDED_BY(lock);
	struct gw_vfio_bar bar[GW_NR_BARS];
	_Atomic bool exported;		/* a dma-buf of some went to somebody */
};

/** gw_vfio_bars_init() - there is none yet */
void gw_vfio_bars_init(struct gw_vfio_bars *b, const struct gw_vfio_device *device);
void gw_vfio_bars_fini(struct gw_vfio_bars *b);

/**
 * gw_vfio_bars_open() - learn what there is, and map what can be mapped
 * @sysfs: take the resource files there for what can be handed to a VMM no other way; NULL: do not
 *
 * Return: 0; -EIO config space cannot be read.
 */
int gw_vfio_bars_open(struct gw_vfio_bars *b, const char *sysfs);

/** gw_vfio_bars_close() - before the device is closed: no register is accessed any more */
void gw_vfio_bars_close(struct gw_vfio_bars *b);

/** gw_vfio_bars_handed() - is there a BAR that a VMM is, or was, handed a descriptor of? */
bool gw_vfio_bars_handed(const struct gw_vfio_bars *b);

/** gw_vfio_bars_map() - struct gw_function_ops bar_map(), and the others likewise */
int gw_vfio_bars_map(struct gw_vfio_bars *b, unsigned int bar, struct gw_bar_map *map);
void gw_vfio_bars_unmap(struct gw_vfio_bars *b, unsigned int bar);
int gw_vfio_bars_read(struct gw_vfio_bars *b, unsigned int bar, uint64_t off, unsigned int width,
		      uint64_t *val);
int gw_vfio_bars_write(struct gw_vfio_bars *b, unsigned int bar, uint64_t off, unsigned int width,
		       uint64_t val);

/** gw_vfio_bars_range_check() - Return: 0; -EINVAL not page aligned, or not in the BAR */
int gw_vfio_bars_range_check(const struct gw_vfio_bars *b, unsigned int bar,
			     const struct gw_bar_range *r);

/** gw_vfio_bars_at() - where a range is in this process; NULL: it is not in one mapped piece */
void *gw_vfio_bars_at(const struct gw_vfio_bars *b, unsigned int bar, const struct gw_bar_range *r);

/** gw_vfio_bars_dma_buf() - of ranges of a BAR. Return: a descriptor; -errno */
int gw_vfio_bars_dma_buf(const struct gw_vfio_bars *b, unsigned int bar,
			 const struct gw_bar_range *range, unsigned int nr);

#endif
