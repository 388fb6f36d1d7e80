/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/closer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/thread.h"

/*
 * How it works: a thread takes descriptors from a queue. It is started when there are some and ends
 * when there are none. One that sleeps in close(2) holds up what is behind it, so another is
 * started then, up to a few; when all of them sleep the queue grows, and its owner is to take no
 * more from whoever sends such things. Nobody joins the threads, so the struct is freed by the last
 * to leave.
 */

#define MAX_THREADS	4u
#define STUCK		64u	/* limit: descriptors that do not close, and then no client is taken */

struct item {
	struct item *next;
	int fd;
};

struct gw_closer {
	pthread_mutex_t lock;
	struct item *first GW_GUARDED_BY(lock), **last GW_GUARDED_BY(lock);
	unsigned int waiting GW_GUARDED_BY(lock), threads GW_GUARDED_BY(lock);
	bool freed GW_GUARDED_BY(lock);	/* by its owner */
};

int gw_closer_new(struct gw_closer **out)
{
	struct gw_closer *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	pthread_mutex_init(&c->lock, NULL);
	c->last = &c->first;
	*out = c;
	return 0;
}

static void leave(struct gw_closer *c) GW_UNLOCKS(c->lock) GW_HOLDS(c->lock)
{
	bool last = c->freed && !c->threads;

	assert(!last || !c->first);
	pthread_mutex_unlock(&c->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void gw_closer_free(struct gw_closer *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->freed = true;
	leave(c);
}

/* The lock goes meanwhile. */
static void close_all(struct gw_closer *c) GW_HOLDS(c->lock)
{
	struct item *item;

	while ((item = c->first)) {
		c->first = item->next;
		if (!c->first)
			c->last = &c->first;
		c->waiting--;
		pthread_mutex_unlock(&c->lock);
		close(item->fd);
		free(item);
		pthread_mutex_lock(&c->lock);
	}
}

static void *closer_main(void *arg)
{
	struct gw_closer *c = arg;

	pthread_detach(pthread_self());
	pthread_mutex_lock(&c->lock);
	close_all(c);
	c->threads--;
	leave(c);
	return NULL;
}

/* Memory of the kernel's own, or one of its eventfds. */
static bool closes_at_once(int fd)
{
	static const char want[] = "anon_inode:[eventfd]";
	char link[sizeof("/proc/self/fd/-2147483648")], is[sizeof(want)];
	ssize_t n;

	if (fcntl(fd, F_GET_SEALS) >= 0)
		return true;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, is, sizeof(is));
	return n == (ssize_t)sizeof(want) - 1 && !memcmp(is, want, sizeof(want) - 1);
}

/* Have a thread close it. */
static void hand_over(struct gw_closer *c, int fd)
{
	struct item *item = malloc(sizeof(*item));
	pthread_t thread;

	if (!item) {
		close(fd);
		return;
	}
	*item = (struct item){ .fd = fd };
	pthread_mutex_lock(&c->lock);
	*c->last = item;
	c->last = &item->next;
	c->waiting++;
	if (c->threads < MAX_THREADS && !gw_thread_start(&thread, "gw-closer", closer_main, c))
		c->threads++;
	if (!c->threads)
		close_all(c);	/* no thread is to be had */
	pthread_mutex_unlock(&c->lock);
}

void gw_closer_close(struct gw_closer *c, int fd)
{
	if (fd < 0)
		return;
	if (closes_at_once(fd))
		close(fd);
	else
		hand_over(c, fd);
}

void gw_closer_hang_up(struct gw_closer *c, int sock)
{
	char byte;

	/* nobody can send any more; descriptors may be in what is left to be read */
	shutdown(sock, SHUT_RDWR);
	if (recv(sock, &byte, 1, MSG_PEEK | MSG_DONTWAIT))
		hand_over(c, sock);
	else
		close(sock);
}

void gw_closer_turn_away(struct gw_closer *c, int sock)
{
	int fd;

	shutdown(sock, SHUT_RDWR);	/* so that the queue ends */
	while ((fd = accept4(sock, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		gw_closer_hang_up(c, fd);
}

bool gw_closer_stuck(struct gw_closer *c)
{
	bool stuck;

	pthread_mutex_lock(&c->lock);
	stuck = c->waiting >= STUCK;
	pthread_mutex_unlock(&c->lock);
	return stuck;
}
