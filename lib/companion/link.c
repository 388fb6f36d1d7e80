/* SPDX-License-Identifier: BSD-3-Clause */
#include "companion/link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/thread.h"
#include "base/util.h"
#include "base/vmm.h"

/*
 * How it works: one thread listens, serves the client that has come, and turns others away. For the
 * companion a client is a VMM: it is attached while the client is there, and when that goes the
 * generation ends. What the client shares with the companion is a file of our own, a new one for
 * each client: to the companion it is all the guest memory there is, from address 0 on, so ring and
 * command page lie there.
 */

#define ACCEPT_PAUSE_MS	200	/* when we have no descriptor for a client */

int gw_link_memory(struct gw_companion_link *l, size_t bytes)
{
	const struct gw_slice all = { .size = bytes, .prot = GW_PROT_READ | GW_PROT_WRITE };
	int ret;

	l->memory_fd = memfd_create("gangway-link", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (l->memory_fd < 0)
		return -errno;
	if (ftruncate(l->memory_fd, (off_t)bytes) ||
	    fcntl(l->memory_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		goto close_fd;
	l->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, l->memory_fd, 0);
	if (l->memory == MAP_FAILED)
		goto close_fd;
	l->bytes = bytes;
	ret = l->dev->ops->dma_map(l->dev, &all, l->memory_fd);
	if (ret)
		gw_link_unmemory(l);
	return ret;
close_fd:
	ret = -errno;
	close(l->memory_fd);
	l->memory_fd = -1;
	return ret;
}

void gw_link_unmemory(struct gw_companion_link *l)
{
	if (!l->bytes)
		return;
	munmap(l->memory, l->bytes);
	close(l->memory_fd);
	l->bytes = 0;
	l->memory_fd = -1;
}

uint32_t gw_link_read(struct gw_companion_link *l, uint32_t reg)
{
	uint32_t value = UINT32_MAX;

	if (reg % 4 || l->dev->ops->region_read(l->dev, GW_REGION_BAR0, reg, &value, 4))
		return UINT32_MAX;
	return value;
}

void gw_link_write(struct gw_companion_link *l, uint32_t reg, uint32_t value)
{
	if (reg % 4 == 0)
		l->dev->ops->region_write(l->dev, GW_REGION_BAR0, reg, &value, 4);
}

int gw_link_wait(struct gw_companion_link *l, short events)
{
	struct pollfd p[] = { { .fd = l->wake_fd, .events = POLLIN },
			      { .fd = l->client, .events = events } };

	while (poll(p, ARRAY_SIZE(p), -1) < 0)
		if (errno != EINTR)
			return -errno;
	return p[0].revents ? -ECANCELED : 0;
}

static void turn_away(struct gw_companion_link *l)
{
	int fd = accept4(l->listener.fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	gw_log_guest(l->log, "%s: in use; a second client was turned away",
		     l->listener.addr.sun_path);
	close(fd);
}

/* Until the client goes or the link closes. */
static int client_serve(struct gw_companion_link *l, int kick)
{
	struct pollfd p[] = { { .fd = l->wake_fd, .events = POLLIN },
			      { .fd = l->client, .events = POLLIN },
			      { .fd = kick, .events = POLLIN },
			      { .fd = l->listener.fd, .events = POLLIN } };
	int ret = 0;

	while (!ret) {
		if (poll(p, ARRAY_SIZE(p), -1) < 0 && errno != EINTR)
			return -errno;
		if (p[0].revents)
			return -ECANCELED;
		if (p[2].revents)
			ret = l->ops->kicked(l);
		if (!ret && p[1].revents)
			ret = l->ops->heard(l);
		if (!ret && p[3].revents)
			turn_away(l);
	}
	return ret;
}

static void client_run(struct gw_companion_link *l)
{
	struct gw_vmm vmm;
	bool said = false;
	int kick = -1, ret;

	gw_vmm_of_socket(l->client, &vmm);
	ret = l->dev->ops->attach(l->dev, NULL, &vmm);

	if (!ret)
		ret = l->ops->begin(l, &kick);
	if (!ret) {
		said = gw_log_may(&l->comings);
		if (said)
			gw_info(l->log, "%s: %s client connected", l->listener.addr.sun_path,
				l->ops->name);
		ret = client_serve(l, kick);
	}
	if (ret != -ECANCELED && ret != -ECONNRESET)
		gw_log_guest(l->log, "%s: the client is dropped: %s", l->listener.addr.sun_path,
			     strerror(-ret));
	l->dev->ops->detach(l->dev);
	l->ops->end(l);
	gw_link_unmemory(l);
	if (said)
		gw_info(l->log, "%s: client gone", l->listener.addr.sun_path);
}

static void *link_main(void *opaque)
{
	struct gw_companion_link *l = opaque;
	struct pollfd p[] = { { .fd = l->wake_fd, .events = POLLIN },
			      { .fd = l->listener.fd, .events = POLLIN } };

	for (;;) {
		if (poll(p, ARRAY_SIZE(p), -1) < 0 && errno != EINTR)
			break;
		if (p[0].revents)
			break;
		l->client = accept4(l->listener.fd, NULL, NULL, SOCK_CLOEXEC);
		if (l->client < 0) {
			poll(p, 1, ACCEPT_PAUSE_MS);
			continue;
		}
		client_run(l);
		close(l->client);
		l->client = -1;
	}
	return NULL;
}

int gw_companion_link_open(struct gw_companion *c, enum gw_link_kind kind, const char *path,
			   struct gw_log *log, struct gw_companion_link **out)
{
	struct gw_companion_link *l = calloc(1, sizeof(*l));
	int ret;

	if (!l)
		return -ENOMEM;
	l->ops = kind == GW_LINK_IVSHMEM ? &gw_link_ivshmem : &gw_link_port;
	l->dev = gw_companion_device(c);
	gw_log_own(&l->own_log, log);
	gw_log_own(&l->comings, log);
	l->log = &l->own_log;
	l->client = l->memory_fd = l->kick = l->interrupt = -1;
	l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->wake_fd < 0) {
		ret = -errno;
		goto free_link;
	}
	ret = gw_listener_open(&l->listener, path, SOCK_STREAM, 0600, log);
	if (ret)
		goto close_wake;
	ret = gw_thread_start(&l->thread, "gw-link", link_main, l);
	if (ret)
		goto close_listener;
	*out = l;
	return 0;
close_listener:
	gw_listener_close(&l->listener);
close_wake:
	close(l->wake_fd);
free_link:
	free(l);
	return ret;
}

void gw_companion_link_close(struct gw_companion_link *l)
{
	if (!l)
		return;
	eventfd_write(l->wake_fd, 1);
	pthread_join(l->thread, NULL);
	gw_listener_close(&l->listener);
	close(l->wake_fd);
	free(l);
}
