/* SPDX-License-Identifier: BSD-3-Clause */
#include <gangway/vfio_user.h>

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/thread.h"
#include "vfio_user/client.h"

#define BACKLOG		8
#define ACCEPT_PAUSE_MS	200	/* when we have no descriptor for a client */

struct gw_vfio_user {
	struct gw_client client;
	struct gw_log *log;
	int fd;				/* listens */
	struct sockaddr_un addr;
	dev_t dev;			/* of the socket file we made */
	ino_t ino;
	pthread_t thread;
};

/* Is somebody listening there? Return: 0 nobody; -EADDRINUSE; -errno of socket(2). */
static int path_answers(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int ret;

	if (fd < 0)
		return -errno;
	/* EAGAIN: so many wait that we cannot; a file that does not answer is left over */
	ret = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) && errno != EAGAIN ?
	      0 : -EADDRINUSE;
	close(fd);
	return ret;
}

/* Make way at @path, if what is there is a socket that was left behind. */
static int path_clear(const struct sockaddr_un *addr, struct gw_log *log)
{
	struct stat st;
	int ret;

	if (lstat(addr->sun_path, &st)) {
		if (errno == ENOENT)
			return 0;
		ret = -errno;
		goto say;
	}
	if (!S_ISSOCK(st.st_mode)) {
		gw_err(log, "%s: exists and is not a socket", addr->sun_path);
		gw_hint(log, "give another path, or remove it first");
		return -EEXIST;
	}
	ret = path_answers(addr);
	if (ret == -EADDRINUSE) {
		gw_err(log, "%s: another program listens there", addr->sun_path);
		gw_hint(log, "give another path, or end that program");
	}
	if (ret)
		return ret;
	if (!unlink(addr->sun_path) || errno == ENOENT)
		return 0;
	ret = -errno;
say:
	gw_err(log, "%s: %s", addr->sun_path, strerror(-ret));
	gw_hint(log, "a socket wants a folder that is there and can be written");
	return ret;
}

static int server_bind(struct gw_vfio_user *s)
{
	const char *path = s->addr.sun_path;
	struct stat st;
	int ret;

	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return -errno;
	/* before bind(2), so that the file never has a wider mode */
	if (fchmod(s->fd, 0600) || bind(s->fd, (struct sockaddr *)&s->addr, sizeof(s->addr))) {
		ret = -errno;
		goto close_fd;
	}
	if (lstat(path, &st) || listen(s->fd, BACKLOG)) {
		ret = -errno;
		goto unlink_path;
	}
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	return 0;
unlink_path:
	unlink(path);
close_fd:
	close(s->fd);
	return ret;
}

/* The path may be another's by now. */
static void server_unbind(struct gw_vfio_user *s)
{
	struct stat st;

	if (!lstat(s->addr.sun_path, &st) && st.st_dev == s->dev && st.st_ino == s->ino)
		unlink(s->addr.sun_path);
	close(s->fd);
}

/* Wait for a client. Return: its socket, or -1 to look whether we are closing and try again. */
static int server_accept(struct gw_vfio_user *s, bool *starved)
{
	struct pollfd p[2] = {
		{ .fd = s->client.wake_fd, .events = POLLIN },
		{ .fd = s->fd, .events = POLLIN },
	};
	int fd;

	/* a client we cannot take keeps the listening socket ready: do not look at it */
	if (poll(p, *starved ? 1 : 2, *starved ? ACCEPT_PAUSE_MS : -1) < 0)
		return -1;
	if (p[0].revents) {
		gw_client_unkick(&s->client);
		return -1;
	}
	fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
		if (!*starved)
			gw_err(s->log, "%s: cannot take a client: %s; it waits",
			       s->addr.sun_path, strerror(errno));
		*starved = true;
	} else {
		*starved = false;
	}
	return fd;
}

static void *server_main(void *opaque)
{
	struct gw_vfio_user *s = opaque;
	struct gw_client *c = &s->client;
	bool starved = false;
	int fd, ret;

	while (!atomic_load(&c->closing)) {
		fd = server_accept(s, &starved);
		if (fd < 0)
			continue;
		ret = gw_client_open(c, fd);
		if (ret) {
			gw_err(s->log, "%s: client turned away: %s", s->addr.sun_path,
			       strerror(-ret));
			continue;
		}
		gw_info(s->log, "%s: client connected", s->addr.sun_path);
		gw_client_serve(c);
		gw_client_end(c);
		gw_info(s->log, "%s: client gone", s->addr.sun_path);
	}
	return NULL;
}

int gw_vfio_user_listen(const char *path, struct gw_device *dev,
			const struct gw_vfio_user_options *opt, struct gw_log *log,
			struct gw_vfio_user **server)
{
	struct gw_vfio_user *s;
	int ret;

	if (!*path) {
		gw_err(log, "the socket's path is empty");
		return -EINVAL;
	}
	if (strlen(path) >= sizeof(s->addr.sun_path)) {
		gw_err(log, "%s: a socket's path has at most %zu bytes, this one has %zu", path,
		       sizeof(s->addr.sun_path) - 1, strlen(path));
		gw_hint(log, "give a shorter path, for example below /run");
		return -ENAMETOOLONG;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->log = log;
	s->addr.sun_family = AF_UNIX;
	strcpy(s->addr.sun_path, path);
	ret = path_clear(&s->addr, log);
	if (ret)
		goto free_server;	/* logged */
	ret = gw_client_init(&s->client, dev, opt ? opt->spin_us : 0, log);
	if (ret)
		goto say;
	ret = server_bind(s);
	if (ret)
		goto fini_client;
	ret = gw_thread_start(&s->thread, "gw-vfio-user", server_main, s);
	if (ret)
		goto unbind;
	*server = s;
	return 0;
unbind:
	server_unbind(s);
fini_client:
	gw_client_fini(&s->client);
say:
	gw_err(log, "%s: cannot listen: %s", path, strerror(-ret));
free_server:
	free(s);
	return ret;
}

void gw_vfio_user_close(struct gw_vfio_user *server)
{
	if (!server)
		return;
	gw_client_close(&server->client);
	pthread_join(server->thread, NULL);
	server_unbind(server);
	gw_client_fini(&server->client);
	free(server);
}

void gw_vfio_user_stats(struct gw_vfio_user *server, struct gw_vfio_user_stats *stats)
{
	struct gw_client *c = &server->client;

	*stats = (struct gw_vfio_user_stats){
		.clients = c->clients,
		.messages = c->messages,
		.errors = c->errors,
	};
	pthread_mutex_lock(&c->lock);
	stats->connected = c->fd >= 0;
	pthread_mutex_unlock(&c->lock);
}
