/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfio_user/door.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/thread.h"
#include "base/vmm.h"
#include "vfio_user/wire.h"

/*
 * How it works: the thread that serves a client sleeps in a read and takes nobody else. So while
 * there is a client, this one looks at the listening socket, and answers the version of whoever
 * comes with EBUSY, which a VMM shows its user; who has the device is in our log. A client that has
 * closed its socket, or whose process has ended, is not in the way: the next one waits in the queue
 * until that is dealt with. The kernel closes the sockets of a process that used io_uring, as QEMU
 * does, a moment after its end.
 */

#define VERSION_MS	1000	/* a client that says nothing so long is hung up on */
#define GO_MS		1000	/* QEMU 11.1 aborts if it sees us hang up before it has, so it goes
				 * first */
#define PAUSE_MS	200	/* when we can take nobody: no descriptor is left, or too many do
				 * not close */

/* The kernel is asked about its process without the client's lock, which every reply needs. */
static bool client_ended(struct gw_client *c)
{
	struct gw_vmm vmm;
	bool ended;

	pthread_mutex_lock(&c->lock);
	ended = c->fd < 0;
	if (!ended)
		vmm = c->vmm;
	pthread_mutex_unlock(&c->lock);
	return ended || gw_vmm_is_gone(&vmm);
}

/*
 * Take the next client in the queue, if the one that is served is there to stay; @holder is its
 * name.
 */
static int take(struct gw_door *d, char holder[GW_VMM_NAME], bool *goes)
{
	struct gw_client *c = d->client;
	struct pollfd p = { .fd = -1 };
	int fd = -1;

	*goes = client_ended(c);
	if (*goes)
		return -1;
	pthread_mutex_lock(&c->lock);
	p.fd = c->fd;
	*goes = p.fd < 0 || poll(&p, 1, 0);
	if (!*goes && !gw_closer_stuck(c->closer)) {
		fd = accept4(d->listener->fd, NULL, NULL, SOCK_CLOEXEC);
		memcpy(holder, c->vmm.name, GW_VMM_NAME);
	}
	pthread_mutex_unlock(&c->lock);
	return fd;
}

/* Its message stays unread, and its descriptors with it, for whoever closes the socket. */
static void refuse(struct gw_door *d, int fd)
{
	struct pollfd p[] = { { .fd = fd, .events = POLLIN }, { .fd = d->wake_fd, .events = POLLIN } };
	uint32_t h[GW_VU_HDR / 4];	/* number and command, size, flags, error */

	if (poll(p, 2, VERSION_MS) <= 0 || recv(fd, h, sizeof(h), MSG_PEEK | MSG_DONTWAIT) != sizeof(h))
		return;
	h[1] = sizeof(h);
	h[2] = GW_VU_REPLY | GW_VU_ERROR;
	h[3] = EBUSY;
	send(fd, h, sizeof(h), MSG_NOSIGNAL | MSG_DONTWAIT);
	p[0].events = 0;
	poll(p, 2, GO_MS);
}

/* Return: should we look again? */
static bool door_look(struct gw_door *d)
{
	struct pollfd p[] = { { .fd = d->wake_fd, .events = POLLIN },
			      { .fd = d->listener->fd, .events = POLLIN } };
	char holder[GW_VMM_NAME];
	struct gw_vmm vmm;
	bool goes;
	int fd;

	if (poll(p, 2, -1) < 0 || p[0].revents)
		return true;
	fd = take(d, holder, &goes);
	if (fd < 0) {
		if (!goes)
			poll(p, 1, PAUSE_MS);
		return !goes;
	}
	gw_vmm_of_socket(fd, &vmm);
	gw_log_guest(d->log, "%s: %s is refused: %s has the device", d->listener->addr.sun_path,
		     vmm.name, holder);
	refuse(d, fd);
	gw_closer_hang_up(d->client->closer, fd);
	return true;
}

static void *door_main(void *opaque)
{
	struct gw_door *d = opaque;
	uint64_t turn;
	bool again;

	pthread_mutex_lock(&d->lock);
	while (!d->closing) {
		turn = d->turn;
		if (!turn || turn == d->skipped) {
			pthread_cond_wait(&d->changed, &d->lock);
			continue;
		}
		pthread_mutex_unlock(&d->lock);
		again = door_look(d);
		pthread_mutex_lock(&d->lock);
		if (!again)
			d->skipped = turn;
	}
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

void gw_door_serves(struct gw_door *d, bool serves)
{
	pthread_mutex_lock(&d->lock);
	d->turn = serves ? ++d->turns : 0;
	pthread_cond_signal(&d->changed);
	pthread_mutex_unlock(&d->lock);
}

int gw_door_open(struct gw_door *d, struct gw_client *c, struct gw_listener *l, struct gw_log *log)
{
	int ret;

	*d = (struct gw_door){ .client = c, .listener = l, .log = log };
	d->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->wake_fd < 0)
		return -errno;
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->changed, NULL);
	ret = gw_thread_start(&d->thread, "gw-door", door_main, d);
	if (!ret)
		return 0;
	pthread_cond_destroy(&d->changed);
	pthread_mutex_destroy(&d->lock);
	close(d->wake_fd);
	return ret;
}

void gw_door_close(struct gw_door *d)
{
	pthread_mutex_lock(&d->lock);
	d->closing = true;
	pthread_cond_signal(&d->changed);
	pthread_mutex_unlock(&d->lock);
	eventfd_write(d->wake_fd, 1);
	pthread_join(d->thread, NULL);
	pthread_cond_destroy(&d->changed);
	pthread_mutex_destroy(&d->lock);
	close(d->wake_fd);
}
