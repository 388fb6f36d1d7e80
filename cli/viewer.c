/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/viewer.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/util.h"

/*
 * How it works: a viewer has a connection to the broker, one to the exporter, and a mapping of what
 * that exports; one thread uses it. The exporter takes its memory back by a message: viewer_wait()
 * receives it, and on_invalidate() unmaps before the exporter hears that the viewer has let go.
 * viewer_refresh() looks the screen up in the broker's list again, as its number and its picture
 * change, and maps anew.
 */

static void unmap(struct viewer *v)
{
	if (v->mem)
		munmap(v->mem, v->item.bytes);
	v->mem = NULL;
	v->map = NULL;
}

static void on_invalidate(void *opaque, enum gw_share_why why)
{
	unmap(opaque);
}

/* Where the export is in the file: in one piece, or this viewer cannot use it. */
static int map_file(struct viewer *v, const struct gw_remote_map *m)
{
	struct gw_file_run run = { .size = m->size };
	struct gw_file_cursor c;
	void *mem;

	if (m->kind == &gw_share_memfd) {
		gw_file_cursor_init(&c, &m->file);
		if (!gw_file_cursor_run(&c, UINT64_MAX, &run) || run.size != m->size)
			return -EOPNOTSUPP;
	}
	mem = mmap(NULL, m->size, PROT_READ, MAP_SHARED, m->fd, (off_t)run.at.v);
	if (mem == MAP_FAILED)
		return -errno;
	v->mem = mem;
	v->map = m;
	return 0;
}

static int map(struct viewer *v)
{
	const struct gw_remote_map *m;
	int ret = gw_remote_share_map(v->share, &m);

	if (ret)
		return ret;
	ret = m->size == v->item.bytes ? map_file(v, m) : -EPROTO;
	if (ret)
		gw_remote_share_unmap(v->share);
	return ret;
}

/* Is it a buffer that a guest shares by its module? Else it is a screen. */
static bool is_buffer(const struct gw_share_item *item)
{
	return !strncmp(item->label, "buffer", strlen("buffer"));
}

/* Memory of other kinds is shared by the same VM, and has a label of another form. */
static bool is_screen(const struct gw_share_item *item)
{
	struct picture p;

	return picture_parse(item->label, &p);
}

/* Are the two the same thing among those that a VM shares? */
static bool same(const struct gw_share_item *a, const struct gw_share_item *b)
{
	return is_buffer(a) || is_buffer(b) ? a->number == b->number :
		gw_share_id_same(&a->id, &b->id) && a->bar == b->bar;
}

/* The first screen of the list that is meant. Return: 0; -ENOENT; as gw_share_client_list() */
static int find(struct viewer *v, const char *which, struct gw_share_item *item)
{
	struct gw_share_item *list;
	size_t nr;
	int ret = gw_share_client_list(v->client, &list, &nr);
	char *end;
	unsigned long number = strtoul(which, &end, 10);

	if (ret)
		return ret;
	ret = -ENOENT;
	for (size_t i = 0; i < nr && ret; i++) {
		bool by_number = *which && !*end && list[i].number == number;

		if (!(is_screen(&list[i]) && (by_number || !strcmp(list[i].vm, which))) &&
		    !(is_buffer(&list[i]) && by_number))
			continue;
		*item = list[i];
		ret = 0;
	}
	free(list);
	return ret;
}

/*
 * Find what is viewed again. A screen is known by its function, as its number changes with its
 * shape; a buffer keeps its number.
 */
static int find_again(struct viewer *v, struct gw_share_item *item)
{
	struct gw_share_item *list;
	size_t nr;
	int ret = gw_share_client_list(v->client, &list, &nr);

	if (ret)
		return ret;
	ret = -ENOENT;
	for (size_t i = 0; i < nr && ret; i++) {
		if (!same(&list[i], &v->item))
			continue;
		*item = list[i];
		ret = 0;
	}
	free(list);
	return ret;
}

static bool parse_handle(const char *text, uint8_t handle[GW_SHARE_HANDLE_SIZE])
{
	for (unsigned int i = 0; i < 2 * GW_SHARE_HANDLE_SIZE; i++) {
		char digit[2] = { text[i] };

		if (!isxdigit((unsigned char)text[i]))
			return false;
		if (i % 2 == 0)
			handle[i / 2] = 0;
		handle[i / 2] = (uint8_t)(handle[i / 2] << 4 | strtoul(digit, NULL, 16));
	}
	return text[2 * GW_SHARE_HANDLE_SIZE] == ':';
}

static int open_share(struct viewer *v, const uint8_t *handle)
{
	static const struct gw_share_accept accept[] = {
		{ .kind = &gw_share_memfd,
		  .data = { GW_SHARE_FILE_MEMORY | GW_SHARE_FILE_DMA_BUF } },
		{ .kind = &gw_share_copy },
	};
	const struct gw_share_events events = { .invalidate = on_invalidate, .opaque = v };
	char reason[GW_SHARE_REASON] = "";
	int ret = gw_share_client_open(v->client, handle, v->item.vm, accept, ARRAY_SIZE(accept),
				       &events, &v->share, reason);

	if (ret)
		gw_err(v->log, "screen of %s cannot be opened: %s%s%s", v->item.vm, strerror(-ret),
		       *reason ? ": " : "", reason);
	return ret;
}

int viewer_open(struct viewer *v, const char *broker, const char *as, const char *which,
		struct gw_log *log)
{
	uint8_t handle[GW_SHARE_HANDLE_SIZE];
	bool has_handle = strlen(which) > 33 && parse_handle(which, handle);
	int ret;

	*v = (struct viewer){ .log = log };
	ret = gw_share_client_new(broker, as, &v->client);
	if (ret) {
		gw_err(log, "no connection to the broker at %s as %s: %s", broker, as,
		       strerror(-ret));
		return ret;
	}
	ret = find(v, has_handle ? which + 33 : which, &v->item);
	if (!ret && !has_handle)
		ret = gw_share_client_ask(v->client, v->item.number, handle);
	if (ret) {
		gw_err(log, "there is no screen %s for %s: %s", which, as, strerror(-ret));
		gw_hint(log, "gangway share list shows those that the policy lets %s see", as);
		return ret;
	}
	ret = open_share(v, handle);
	if (!ret) {
		ret = viewer_refresh(v);
		if (ret)
			gw_err(log, "screen of %s: %s", v->item.vm, strerror(-ret));
	}
	return ret;
}

void viewer_close(struct viewer *v)
{
	unmap(v);
	gw_remote_share_close(v->share);
	gw_share_client_free(v->client);
	*v = (struct viewer){ 0 };
}

int viewer_refresh(struct viewer *v)
{
	struct gw_share_item item;
	const char *label;
	int ret = find_again(v, &item);

	v->has_picture = false;
	if (ret)
		return ret;
	if (item.bytes != v->item.bytes)
		return -ENOENT;
	v->item = item;
	if (!v->map)
		ret = map(v);
	if (ret)
		return ret == -ENOTCONN ? ret : -ENOENT;
	label = is_buffer(&item) ? item.label + strlen("buffer") : item.label;
	label += *label == ' ';
	v->has_picture = picture_parse(label, &v->picture) &&
			 picture_fits(&v->picture, item.bytes);
	return v->has_picture ? 0 : -ENOENT;
}

int viewer_wait(struct viewer *v, int ms)
{
	struct pollfd p[2] = {
		{ .fd = gw_remote_share_fd(v->share), .events = POLLIN },
		{ .fd = v->map ? v->map->frame_fd : -1, .events = POLLIN },
	};
	eventfd_t count;
	int ret = poll(p, 2, ms);

	if (ret <= 0)
		return 0;
	if (p[1].revents && !eventfd_read(p[1].fd, &count)) {
		v->frames += count;
		eventfd_write(v->map->done_fd, count);
		ret = 1;
	} else {
		ret = 0;
	}
	if (p[0].revents && gw_remote_share_dispatch(v->share))
		return -ENOTCONN;
	return ret;
}

int viewer_fetch(struct viewer *v)
{
	uint64_t size;
	int ret;

	if (!v->map || v->map->kind != &gw_share_copy)
		return 0;
	size = (uint64_t)v->picture.stride * v->picture.height;
	if (size > v->item.bytes - v->picture.off)
		size = v->item.bytes - v->picture.off;
	ret = gw_remote_share_read(v->share, v->picture.off, size);
	if (!ret)
		v->copied += size;
	return ret;
}

const char *viewer_kind(const struct viewer *v)
{
	return v->map ? v->map->kind->name : "none";
}
