/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <gangway/window.h>

#include "base/os.h"


/*
 * How it works: guest memory is one file (ram.c). The host maps a part of it and says at which
 * device address; that part is the window. Guest RAM begins in the file where the window does, so
 * the window is always the start of RAM, as a guest's DMA zone wants it, also when the host
 * split the mapping and the largest range was not the first.
 */

/*
 * A guest puts its bounce buffers and its coherent memory into the window, and a Linux kernel lies
 * at the start of memory itself: 40 MiB that no device has use for.
 */
#define WINDOW_MIN	(64ull << 20)

/* A window that is used first needs room for more than those. */
#define NEAR_MIN	(256ull << 20)

static int window_size(const struct gw_function *fn, struct gw_log *log, uint64_t ram_size,
		       uint64_t *size)
{
	const struct gw_host_limits *l = &fn->limits;
	uint64_t most = l->max_map_bytes;

	if (!*size)
		*size = most & ~(l->granule - 1);
	if (*size > ram_size)
		*size = ram_size;
	if ((ram_size | *size) & (l->granule - 1)) {
		gw_err(log, "%s: guest memory of %#" PRIx64 " and a window of %#" PRIx64
		       " bytes must be multiples of %#" PRIx64, fn->info.name, ram_size, *size,
		       l->granule);
		gw_hint(log, "give --memory and --window in MiB, as in 512M");
		return -EINVAL;
	}
	if (*size < WINDOW_MIN) {
		gw_err(log, "%s: a window of %" PRIu64 " MiB is too small for a guest, which needs %"
		       PRIu64 " MiB", fn->info.name, *size >> 20, (uint64_t)WINDOW_MIN >> 20);
		gw_hint(log, "ask for more: --window, and --memory, which is larger; the host maps %"
			PRIu64 " MiB", most >> 20);
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

/* The largest range becomes the window; it begins @fd_off bytes into what was mapped. */
static void largest_range(const struct gw_mapping *map, struct gw_segment *best, uint64_t *fd_off)
{
	uint64_t off = 0;

	*best = (struct gw_segment){ 0 };
	*fd_off = 0;
	for (unsigned int i = 0; i < map->nr_segments; i++) {
		if (map->seg[i].size > best->size) {
			*best = map->seg[i];
			*fd_off = off;
		}
		off += map->seg[i].size;
	}
}

/* The window is the start of memory, and that does not move any more. */
static void first_range(const struct gw_mapping *map, struct gw_segment *range, uint64_t *fd_off)
{
	*range = map->seg[0];
	*fd_off = 0;
}

static int map_at_host(struct gw_window *w, struct gw_function *fn, struct gw_log *log,
		       struct gw_segment *range, uint64_t *fd_off)
{
	struct gw_memory mem = { .addr = w->ram.addr };
	struct gw_mapping map;
	int ret;

	if (w->nr_users == GW_MAX_WINDOW_USERS) {
		gw_err(log, "%s: at most %d functions share a window", fn->info.name,
		       GW_MAX_WINDOW_USERS);
		return -ENOSPC;
	}
	ret = gw_function_map(fn, &mem, w->mapped, NULL, &map);
	if (ret) {
		gw_err(log, "%s: the host cannot map a window of %" PRIu64 " MiB: %s",
		       fn->info.name, w->mapped >> 20,
		       ret == -EMLINK ? "it is split into too many ranges" : strerror(-ret));
		if (ret == -EMLINK)
			gw_hint(log, "at most %u ranges; ask for a smaller --window",
				fn->limits.max_segments);
		else
			gw_hint(log, "a smaller --window may do; --plan paravirt needs none");
		return ret;
	}
	w->user[w->nr_users++] = (struct gw_window_user){ .fn = fn, .handle = map.handle };
	if (w->ram.fd < 0)
		first_range(&map, range, fd_off);
	else
		largest_range(&map, range, fd_off);
	if (map.nr_segments > 1)
		gw_warn(log, "%s: the host split the window of %" PRIu64 " MiB into %u ranges; the "
			"%s has %" PRIu64 " MiB", fn->info.name, w->mapped >> 20, map.nr_segments,
			w->ram.fd < 0 ? "first" : "largest", range->size >> 20);
	return 0;
}

/* Memory is there. It goes with the window after an error. */
static int window_map(struct gw_window *w, struct gw_function *fn, struct gw_log *log, uint64_t size)
{
	struct gw_segment range = { 0 };
	uint64_t fd_off = 0;
	int ret;

	w->gpa = w->ram.gpa;
	w->mapped = size;
	ret = map_at_host(w, fn, log, &range, &fd_off);
	if (ret)
		goto close_window;
	w->iova = range.iova;
	w->size = range.size;
	if (w->size < WINDOW_MIN) {
		gw_err(log, "%s: the %s range has %" PRIu64 " MiB, a guest needs %" PRIu64,
		       fn->info.name, w->ram.fd < 0 ? "first" : "largest", w->size >> 20, (uint64_t)WINDOW_MIN >> 20);
		gw_hint(log, "a larger --window has larger ranges; --plan paravirt needs none");
		ret = -ENOTUNIQ;
		goto close_window;
	}
	ret = w->ram.fd < 0 ? 0 : gw_ram_settle(&w->ram, fd_off, log);
	if (ret)
		goto close_window;
	if (w->size >= NEAR_MIN && w->size < w->ram.size)
		w->ram.near = w->size;
	return 0;
close_window:
	gw_window_close(w);
	return ret;
}

int gw_window_open(struct gw_window *w, struct gw_function *fn, gw_gpa gpa, uint64_t ram_size,
		   uint64_t size, const char *path, struct gw_log *log)
{
	int ret;

	memset(w, 0, sizeof(*w));
	ret = window_size(fn, log, ram_size, &size);
	if (!ret)
		ret = gw_ram_open(&w->ram, gpa, ram_size, path, log);
	return ret ? ret : window_map(w, fn, log, size);
}

int gw_window_open_in(struct gw_window *w, struct gw_function *fn, gw_gpa gpa, uint64_t ram_size,
		      void *addr, uint64_t size, struct gw_log *log)
{
	int ret;

	memset(w, 0, sizeof(*w));
	ret = window_size(fn, log, ram_size, &size);
	if (ret)
		return ret;
	gw_ram_adopt(&w->ram, gpa, ram_size, addr);
	return window_map(w, fn, log, size);
}

int gw_window_share(struct gw_window *w, struct gw_function *fn, struct gw_log *log)
{
	struct gw_segment range = { 0 };
	uint64_t fd_off = 0;
	int ret = map_at_host(w, fn, log, &range, &fd_off);

	if (ret)
		return ret;
	if (range.iova.v == w->iova.v && range.size == w->size && fd_off == w->ram.fd_off)
		return 0;
	gw_err(log, "%s: the host puts the window at %#" PRIx64 ", but at %#" PRIx64
	       " for %s; functions behind one host bridge need the same address", fn->info.name,
	       range.iova.v, w->iova.v, w->user[0].fn->info.name);
	gw_hint(log, "pass one function through to each guest");
	/* where the host fails to unmap, closing tries again, and knows that memory must stay */
	if (!gw_function_unmap(fn, w->user[w->nr_users - 1].handle, w->mapped))
		w->nr_users--;
	return -EADDRNOTAVAIL;
}

void gw_window_leave(struct gw_window *w, struct gw_function *fn)
{
	for (unsigned int i = 0; i < w->nr_users; i++) {
		if (w->user[i].fn != fn)
			continue;
		w->reachable |= gw_function_unmap(fn, w->user[i].handle, w->mapped) != 0;
		w->user[i] = w->user[--w->nr_users];
		return;
	}
}

unsigned int gw_window_bits(const struct gw_window *w)
{
	return 64u - (unsigned int)__builtin_clzll((w->iova.v + (w->size - 1)) | 1);
}

/* By class code (PCI Code and ID Assignment, 1); their registers for addresses have 32 bits. */
const char *gw_window_misfit(const struct gw_window *w, const struct gw_function_info *info)
{
	if (gw_window_bits(w) <= 32)
		return NULL;
	switch (info->class_code) {
	case 0x0c0300: return "a UHCI USB controller";
	case 0x0c0310: return "an OHCI USB controller";
	case 0x0c0010: return "an OHCI FireWire controller";
	}
	switch (info->class_code >> 8) {
	case 0x0101: return "an IDE controller";
	case 0x0401: return "an AC'97 audio device";
	}
	return NULL;
}

void gw_window_unmap(struct gw_window *w)
{
	while (w->nr_users)
		gw_window_leave(w, w->user[w->nr_users - 1].fn);
}

void gw_window_close(struct gw_window *w)
{
	gw_window_unmap(w);
	gw_ram_close(&w->ram, w->reachable);
	memset(w, 0, sizeof(*w));
}
