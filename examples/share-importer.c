/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Show what a virtual machine draws, as a display server would: find an export, agree on a kind of
 * address, and then only wait for frames.
 *
 *	cc share-importer.c $(pkg-config --cflags --libs gangway) -o share-importer
 *	./share-importer BROKER-SOCKET NAME
 *
 * NAME is what the broker's policy calls this importer. Here a frame is not shown, but its bytes
 * are summed up; where a real display server would differ is said in the comments.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <gangway/importer.h>

/*
 * What we can use, in any order: the exporter's order counts. A driver of the physical function
 * would list gw_share_iov_vram first in its mind, with the number of the BAR in data[0], and hand
 * what it gets to gw_provisioning_import(). A dma-buf could go to the compositor as it is.
 */
static const struct gw_share_accept can_use[] = {
	{ .kind = &gw_share_memfd, .data = { GW_SHARE_FILE_MEMORY } },
	{ .kind = &gw_share_copy },
};

struct screen {
	struct gw_remote_share *share;
	const struct gw_remote_map *map;	/* NULL: not mapped now */
	const uint8_t *pixels;
	uint64_t frames;
	int dead;
};

static void screen_unmap(struct screen *s)
{
	if (!s->map)
		return;
	munmap((void *)s->pixels, s->map->size);
	s->map = NULL;
	gw_remote_share_unmap(s->share);	/* from here on it may be somebody else's memory */
}

static int screen_map(struct screen *s)
{
	int ret = gw_remote_share_map(s->share, &s->map);
	void *at;

	if (ret) {
		s->map = NULL;
		return ret;
	}
	at = mmap(NULL, s->map->size, PROT_READ, MAP_SHARED, s->map->fd, 0);
	if (at == MAP_FAILED) {
		s->map = NULL;
		gw_remote_share_unmap(s->share);
		return -1;
	}
	s->pixels = at;
	printf("mapped %" PRIu64 " bytes by %s\n", s->map->size, s->map->kind->name);
	fflush(stdout);
	return 0;
}

/* The exporter wants its memory back: the guest is about to be reset, or has gone. */
static void on_invalidate(void *opaque, enum gw_share_why why)
{
	struct screen *s = opaque;

	screen_unmap(s);
	s->dead = why == GW_SHARE_DEAD;
	printf("%s\n", s->dead ? "it has gone" : "taken back for a while");
}

/* It may be mapped again. The last picture stays on the screen until then. */
static void on_ready(void *opaque)
{
	struct screen *s = opaque;

	if (!s->map)
		screen_map(s);
}

/* A frame is there. When we do not look at it any longer, the guest may draw the next. */
static void show(struct screen *s)
{
	uint64_t there, one = 1, sum = 0;

	if (read(s->map->frame_fd, &there, sizeof(there)) != sizeof(there))
		return;
	if (s->map->kind == &gw_share_copy && gw_remote_share_read(s->share, 0, s->map->size))
		return;
	for (uint64_t i = 0; i < s->map->size; i++)
		sum += s->pixels[i];
	s->frames += there;
	printf("frame %" PRIu64 ", sum %" PRIu64 "\n", s->frames, sum);
	fflush(stdout);
	if (write(s->map->done_fd, &one, sizeof(one)) != sizeof(one))
		perror("done");
}

static int screen_open(struct screen *s, struct gw_share_client *c)
{
	const struct gw_share_events events = { on_invalidate, on_ready, s };
	uint8_t handle[GW_SHARE_HANDLE_SIZE];
	char reason[GW_SHARE_REASON] = "";
	struct gw_share_item *list;
	size_t nr;
	int ret = gw_share_client_list(c, &list, &nr);

	if (ret || !nr) {
		fprintf(stderr, "nothing is shared with us: %s\n", strerror(-ret));
		return -1;
	}
	printf("%s of %s\n", list[0].label, list[0].vm);
	ret = gw_share_client_ask(c, list[0].number, handle);
	if (!ret)
		ret = gw_share_client_open(c, handle, list[0].vm, can_use, 2, &events, &s->share,
					   reason);
	if (ret)
		fprintf(stderr, "cannot open it: %s %s\n", strerror(-ret), reason);
	free(list);
	return ret;
}

int main(int argc, char **argv)
{
	struct gw_share_client *client;
	struct screen s = { 0 };
	int ret;

	if (argc != 3) {
		fprintf(stderr, "Usage: share-importer BROKER-SOCKET NAME\n");
		return 2;
	}
	ret = gw_share_client_new(argv[1], argv[2], &client);
	if (ret) {
		fprintf(stderr, "%s: %s\n", argv[1], strerror(-ret));
		return 1;
	}
	ret = screen_open(&s, client);
	gw_share_client_free(client);	/* what was opened stays */
	if (ret)
		return 1;
	screen_map(&s);
	while (!s.dead) {
		struct pollfd fds[] = {
			{ .fd = gw_remote_share_fd(s.share), .events = POLLIN },
			{ .fd = s.map ? s.map->frame_fd : -1, .events = POLLIN },
		};

		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents && s.map)
			show(&s);
		if (fds[0].revents && gw_remote_share_dispatch(s.share))
			break;
	}
	screen_unmap(&s);
	gw_remote_share_close(s.share);
	return 0;
}
