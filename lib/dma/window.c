/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <gangway/dma.h>

/*
 * How it works: guest memory is one file. The host maps a part of it and says at which device
 * address; that part is the window. Guest RAM begins in the file where the window does, so the
 * window is always the start of RAM, as a guest's DMA zone wants it, also when the host
 * split the mapping and the largest range was not the first.
 */

/* A guest puts its bounce buffers and its coherent memory into the window. */
#define WINDOW_MIN	(32ull << 20)

static int window_size(const struct gw_function *fn, struct gw_log *log, uint64_t ram_size,
		       uint64_t *size)
{
	const struct gw_host_limits *l = &fn->limits;
	uint64_t most = l->max_map_bytes < l->max_bytes ? l->max_map_bytes : l->max_bytes;

	if (!*size)
		*size = most & ~(l->granule - 1);
	if (*size > ram_size)
		*size = ram_size;
	if (!ram_size || (ram_size | *size) & (l->granule - 1)) {
		gw_err(log, "%s: guest memory of %#" PRIx64 " and a window of %#" PRIx64
		       " bytes must be multiples of %#" PRIx64, fn->info.name, ram_size, *size,
		       l->granule);
		return -EINVAL;
	}
	if (*size < WINDOW_MIN) {
		gw_err(log, "%s: a window of %" PRIu64 " MiB is too small for a guest, which needs %"
		       PRIu64 " MiB", fn->info.name, *size >> 20, (uint64_t)WINDOW_MIN >> 20);
		return -EINVAL;
	}
	if (*size > most) {
		gw_err(log, "%s: a window of %" PRIu64 " MiB exceeds what the host maps: %" PRIu64
		       " MiB at once, %" PRIu64 " MiB in one mapping", fn->info.name, *size >> 20,
		       l->max_bytes >> 20, l->max_map_bytes >> 20);
		gw_hint(log, "ask for --window %" PRIu64 "M or less; the rest of guest memory is bounced",
			most >> 20);
		return -ENOSPC;
	}
	return 0;
}

static int memory_file(uint64_t size)
{
	int fd = memfd_create("gangway-guest-memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int ret;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size))
		goto close_fd;
	return fd;
close_fd:
	ret = -errno;
	close(fd);
	return ret;
}

/* The largest range becomes the window; it begins @off bytes into what was mapped. */
static int window_take_largest(struct gw_window *w, const struct gw_mapping *map,
			       struct gw_log *log)
{
	uint64_t off = 0;

	w->size = 0;
	for (unsigned int i = 0; i < map->nr_segments; i++) {
		if (map->seg[i].size > w->size) {
			w->size = map->seg[i].size;
			w->iova = map->seg[i].iova;
			w->fd_off = off;
		}
		off += map->seg[i].size;
	}
	if (map->nr_segments > 1)
		gw_warn(log, "%s: the host split the window of %" PRIu64 " MiB into %u ranges; using "
			"the largest, %" PRIu64 " MiB", w->fn->info.name, off >> 20,
			map->nr_segments, w->size >> 20);
	if (w->size < WINDOW_MIN) {
		gw_err(log, "%s: the largest range has %" PRIu64 " MiB, a guest needs %" PRIu64,
		       w->fn->info.name, w->size >> 20, (uint64_t)WINDOW_MIN >> 20);
		return -ENOTUNIQ;
	}
	return 0;
}

/* The file grows by what lies before the window, and then never changes its size again. */
static int window_finish_file(struct gw_window *w)
{
	if (w->fd_off && ftruncate(w->fd, (off_t)(w->fd_off + w->ram_size)))
		return -errno;
	if (fcntl(w->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return -errno;
	return 0;
}

int gw_window_open(struct gw_function *fn, struct gw_log *log, gw_gpa gpa, uint64_t ram_size,
		   uint64_t size, struct gw_window *w)
{
	struct gw_memory mem = { 0 };
	struct gw_mapping map;
	int ret;

	memset(w, 0, sizeof(*w));
	ret = window_size(fn, log, ram_size, &size);
	if (ret)
		return ret;
	w->gpa = gpa;
	w->ram_size = ram_size;
	w->fn = fn;
	w->fd = memory_file(ram_size);
	if (w->fd < 0) {
		gw_err(log, "cannot make %" PRIu64 " MiB of guest memory: %s", ram_size >> 20,
		       strerror(-w->fd));
		return w->fd;
	}
	w->mapped = size;
	w->addr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd, 0);
	if (w->addr == MAP_FAILED) {
		ret = -errno;
		goto close_fd;
	}
	madvise(w->addr, size, MADV_DONTDUMP);
	mem.addr = w->addr;
	ret = fn->ops->dma_map(fn, &mem, size, NULL, &map);
	if (ret) {
		gw_err(log, "%s: the host cannot map a window of %" PRIu64 " MiB: %s",
		       fn->info.name, size >> 20, strerror(-ret));
		goto unmap_memory;
	}
	w->handle = map.handle;
	ret = window_take_largest(w, &map, log);
	if (!ret)
		ret = window_finish_file(w);
	if (ret)
		goto unmap_host;
	return 0;
unmap_host:
	fn->ops->dma_unmap(fn, w->handle);
unmap_memory:
	munmap(w->addr, w->mapped);
close_fd:
	close(w->fd);
	memset(w, 0, sizeof(*w));
	return ret;
}

void gw_window_close(struct gw_window *w)
{
	if (!w->fn)
		return;
	/* if the host fails to unmap, the memory stays: the device may still reach it */
	if (!w->fn->ops->dma_unmap(w->fn, w->handle))
		munmap(w->addr, w->mapped);
	close(w->fd);
	memset(w, 0, sizeof(*w));
}
