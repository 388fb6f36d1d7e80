/* SPDX-License-Identifier: BSD-3-Clause */
#include "share/bars.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"

struct gw_share_bars {
	struct gw_backing backing;
	struct gw_function *fn;
	bool files;
	struct gw_exporter *x;
	struct gw_exporter_link *link;
	struct gw_export *export[GW_NR_BARS];
	struct gw_bar_map map[GW_NR_BARS];	/* size 0: not mapped */
};

static struct gw_share_bars *of(struct gw_backing *b)
{
	return container_of(b, struct gw_share_bars, backing);
}

/* What the kernel has for that; it alone knows whether. */
static int dma_buf(struct gw_share_bars *b, unsigned int bar, const struct gw_bar_ranges *ranges,
		   int *fd, char reason[GW_SHARE_REASON])
{
	struct gw_bar_range *list = NULL, *more;
	unsigned int nr = 0, room = 0;
	struct gw_bar_cursor c;
	struct gw_bar_run run;
	int ret = 0;

	gw_bar_cursor_init(&c, ranges);
	while (!ret && gw_bar_cursor_run(&c, UINT64_MAX, &run)) {
		if (nr == room) {
			room = room ? 2 * room : 4;
			more = realloc(list, room * sizeof(*list));
			ret = more ? 0 : -ENOMEM;
			list = more ? more : list;
		}
		if (!ret)
			list[nr++] = (struct gw_bar_range){ run.at, run.size };
	}
	if (!ret)
		ret = b->fn->ops->peer->bar_export(b->fn, bar, list, nr, fd);
	free(list);
	if (ret == -EOPNOTSUPP)
		snprintf(reason, GW_SHARE_REASON, "this kernel makes no dma-buf of a BAR: vfio-pci does "
			 "from Linux 6.19 on");
	return ret;
}

static int backing_file(struct gw_backing *base, unsigned int bar,
			const struct gw_bar_ranges *ranges, int *fd, unsigned int *what,
			struct gw_file_ranges *out, char reason[GW_SHARE_REASON])
{
	struct gw_share_bars *b = of(base);
	const struct gw_bar_map *map = &b->map[bar];
	uint64_t at = 0, size = gw_bar_ranges_bytes(ranges);
	int ret;

	if (b->fn->ops->peer) {
		*what = GW_SHARE_FILE_DMA_BUF;
		ret = dma_buf(b, bar, ranges, fd, reason);
	} else if (map->size && map->fd >= 0 && size == map->size) {
		*what = GW_SHARE_FILE_MEMORY;
		at = map->fd_off;
		*fd = fcntl(map->fd, F_DUPFD_CLOEXEC, 0);
		ret = *fd < 0 ? -errno : 0;
	} else {
		snprintf(reason, GW_SHARE_REASON, "no file holds just this memory");
		return -EOPNOTSUPP;
	}
	if (ret)
		return ret;
	ret = gw_file_ranges_add(out, (gw_file_off){ at }, size);
	if (ret)
		close(*fd);
	return ret;
}

static int backing_read(struct gw_backing *base, unsigned int bar, gw_bar_off off, void *buf,
			size_t len)
{
	struct gw_function *fn = of(base)->fn;
	uint8_t *to = buf;
	unsigned int width;
	uint64_t val;
	int ret;

	for (; len; off.v += width, to += width, len -= width) {
		for (width = 8; off.v % width || width > len; width /= 2)
			;
		ret = fn->ops->reg_read(fn, bar, off, width, &val);
		if (ret)
			return ret;
		memcpy(to, &val, width);
	}
	return 0;
}

static const struct gw_backing_ops backing_ops = { .file = backing_file, .read = backing_read };

static bool is_shared(struct gw_function *fn, unsigned int bar, struct gw_bar_info *info)
{
	return !fn->ops->bar_info(fn, bar, info) && info->size >= 4096 && !info->io &&
	       info->prefetchable;
}

static int publish(struct gw_share_bars *b, unsigned int bar, uint64_t size, struct gw_log *log)
{
	const struct gw_bar_range whole = { .size = size };
	char label[GW_SHARE_NAME_SIZE];
	uint32_t number;
	int ret = gw_export_new(b->x, bar, &whole, 1, &b->export[bar]);

	if (ret)
		return ret;
	if (b->files && b->fn->ops->bar_map(b->fn, bar, &b->map[bar]))
		b->map[bar].size = 0;
	snprintf(label, sizeof(label), "BAR %u", bar);
	ret = gw_exporter_link_publish(b->link, b->export[bar], label, &number);
	if (!ret)
		gw_info(log, "%s: BAR %u is shared as %u", b->fn->info.name, bar, number);
	return ret;
}

int gw_share_bars_new(const struct gw_share_bars_options *opt, struct gw_share_bars **out)
{
	const struct gw_exporter_link_options lo = { .broker = opt->broker, .log = opt->log };
	struct gw_exporter_options xo = { .id = opt->id, .vm = opt->vm, .warn_ms = opt->force_ms,
					  .force_ms = opt->force_ms, .log = opt->log };
	struct gw_share_bars *b = calloc(1, sizeof(*b));
	struct gw_bar_info info;
	unsigned int nr = 0;
	int ret;

	if (!b)
		return -ENOMEM;
	b->backing.ops = &backing_ops;
	b->fn = opt->fn;
	b->files = opt->files;
	xo.backing = &b->backing;
	for (unsigned int i = 0; i < GW_NR_BARS; i++) {
		xo.bar_size[i] = is_shared(opt->fn, i, &info) ? info.size : 0;
		nr += xo.bar_size[i] != 0;
	}
	ret = nr ? gw_share_cookie(opt->broker, opt->vm, &opt->id, &xo.id.cookie) : -ENOENT;
	if (!ret)
		ret = gw_exporter_new(&xo, &b->x);
	if (!ret) {
		gw_exporter_revoke(b->x);	/* until they decode */
		ret = gw_exporter_link_new(&lo, b->x, &b->link);
	}
	for (unsigned int i = 0; i < GW_NR_BARS && !ret; i++)
		if (xo.bar_size[i])
			ret = publish(b, i, xo.bar_size[i], opt->log);
	if (ret)
		gw_share_bars_free(b);
	else
		*out = b;
	return ret;
}

void gw_share_bars_free(struct gw_share_bars *b)
{
	if (!b)
		return;
	gw_exporter_link_free(b->link);
	for (unsigned int i = 0; i < GW_NR_BARS; i++) {
		gw_export_free(b->export[i]);
		if (b->map[i].size)
			b->fn->ops->bar_unmap(b->fn, i);
	}
	gw_exporter_free(b->x);
	free(b);
}

void gw_share_bars_decode(struct gw_share_bars *b, bool on)
{
	if (on)
		gw_exporter_rearm(b->x);
	else
		gw_exporter_revoke(b->x);
}

struct gw_exporter *gw_share_bars_exporter(struct gw_share_bars *b)
{
	return b->x;
}
