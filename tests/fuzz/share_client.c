/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <gangway/importer.h>

#include "base/reader.h"
#include "share/wire.h"

/*
 * A broker and an exporter that do what they like to an importer. An input is replies: a byte of
 * status, a byte of what else (descriptors, something unasked before it), two of length, and the
 * body. A thread answers with them, one after the other, and hangs up when they are used up.
 */

static char path[64];
static int listening = -1;

struct evil {
	struct gw_reader in;
	struct gw_share_msg msg, unasked;
	int fd[2];			/* the broker's socket, the exporter's */
	int handed_out;			/* what becomes the exporter's socket at the importer */
};

static bool answer(struct evil *e, int fd)
{
	uint8_t status, what;
	uint16_t size;
	size_t n;
	bool sent;

	if (gw_share_wait(fd, 1000) || gw_share_recv(fd, &e->msg))
		return false;
	gw_share_msg_close(&e->msg);
	if (!gw_reader_take(&e->in, &status, 1) || !gw_reader_take(&e->in, &what, 1) ||
	    !gw_reader_u16(&e->in, &size))
		return false;
	n = size < gw_reader_left(&e->in) ? size : gw_reader_left(&e->in);
	n = n < GW_SHARE_BODY ? n : GW_SHARE_BODY;
	gw_share_msg_reply(&e->msg, -(int)status);
	gw_share_put(&e->msg, gw_reader_skip(&e->in, n), n);
	if (what & 4) {
		gw_share_msg_init(&e->unasked, what & 8 ? GW_SHARE_READY : GW_SHARE_INVALIDATE, 0);
		gw_share_put_u32(&e->unasked, what >> 4);
		gw_share_send(fd, &e->unasked);
	}
	for (unsigned int i = 0; i < (what & 3u); i++)
		e->msg.fd[e->msg.nr_fds++] = e->handed_out;
	sent = !gw_share_send(fd, &e->msg);
	e->msg.nr_fds = 0;
	return sent;
}

static void *answer_all(void *opaque)
{
	struct evil *e = opaque;

	e->fd[0] = accept(listening, NULL, NULL);
	/* the greeting, the handle's use, and then it is the exporter */
	if (answer(e, e->fd[0]) && answer(e, e->fd[0]))
		while (answer(e, e->fd[1]))
			;
	shutdown(e->fd[1], SHUT_RDWR);
	close(e->fd[0]);
	return NULL;
}

static void use(struct gw_remote_share *s)
{
	const struct gw_remote_map *map;

	for (int i = 0; i < 3; i++) {
		if (!gw_remote_share_map(s, &map)) {
			if (map->bar_ranges.raw.nr &&
			    gw_bar_ranges_bytes(&map->bar_ranges) != map->size)
				abort();
			gw_remote_share_read(s, 0, 16);
			gw_remote_share_refuse(s, "no");
		}
		gw_remote_share_dispatch(s);
		gw_remote_share_unmap(s);
	}
	gw_remote_share_close(s);
}

static void listen_once(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (listening >= 0)
		return;
	snprintf(path, sizeof(path), "/tmp/gangway-fuzz-%d", getpid());
	strcpy(addr.sun_path, path);
	unlink(path);
	listening = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (bind(listening, (struct sockaddr *)&addr, sizeof(addr)) || listen(listening, 1))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct gw_share_accept all[] = {
		{ &gw_share_iov_vram }, { &gw_share_iova }, { &gw_share_memfd }, { &gw_share_copy },
	};
	const uint8_t handle[GW_SHARE_HANDLE_SIZE] = { 0 };
	struct evil *e = calloc(1, sizeof(*e));
	struct gw_remote_share *s;
	struct gw_share_client *c;
	char reason[GW_SHARE_REASON];
	pthread_t thread;
	int pair[2];

	listen_once();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		abort();
	e->in = gw_reader_init(data, len);
	e->fd[1] = pair[0];
	e->handed_out = pair[1];
	if (pthread_create(&thread, NULL, answer_all, e))
		abort();
	if (!gw_share_client_new(path, "screen", &c)) {
		if (!gw_share_client_open(c, handle, "work", all, 4, NULL, &s, reason))
			use(s);
		gw_share_client_free(c);
	}
	shutdown(pair[0], SHUT_RDWR);	/* nobody asks any longer */
	pthread_join(thread, NULL);
	close(pair[0]);
	close(pair[1]);
	free(e);
	return 0;
}
