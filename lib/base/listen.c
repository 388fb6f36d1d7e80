/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/listen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG	8

/* Remove a socket that was left behind. Return: 0; -EADDRINUSE it answers; -EEXIST no socket. */
static int clear_path(const struct sockaddr_un *addr)
{
	struct stat st;
	int fd, ret;

	if (lstat(addr->sun_path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* EAGAIN: so many wait there already */
	ret = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) && errno != EAGAIN ?
	      0 : -EADDRINUSE;
	close(fd);
	if (!ret && unlink(addr->sun_path) && errno != ENOENT)
		ret = -errno;
	return ret;
}

/* Listen at a name beside the path, and then give the file its own. */
static int listen_beside(struct gw_listener *l)
{
	struct sockaddr_un beside = { .sun_family = AF_UNIX };
	struct stat st;
	int ret;

	if (snprintf(beside.sun_path, sizeof(beside.sun_path), "%s.%d", l->addr.sun_path,
		     (int)getpid()) >= (int)sizeof(beside.sun_path))
		return -ENAMETOOLONG;
	unlink(beside.sun_path);
	/* before bind(2), so that the file never has a wider mode */
	if (fchmod(l->fd, 0600) || bind(l->fd, (struct sockaddr *)&beside, sizeof(beside)))
		return -errno;
	if (listen(l->fd, BACKLOG) || lstat(beside.sun_path, &st) ||
	    link(beside.sun_path, l->addr.sun_path)) {
		ret = -errno;
	} else {
		l->dev = st.st_dev;
		l->ino = st.st_ino;
		ret = 0;
	}
	unlink(beside.sun_path);
	return ret;
}

static int listener_start(struct gw_listener *l, const char *path)
{
	int ret;

	*l = (struct gw_listener){ .fd = -1, .addr.sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(l->addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(l->addr.sun_path, path, strlen(path) + 1);
	ret = clear_path(&l->addr);
	if (ret)
		return ret;
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return -errno;
	ret = listen_beside(l);
	if (ret)
		close(l->fd);
	return ret;
}

int gw_listener_open(struct gw_listener *l, const char *path, struct gw_log *log)
{
	int ret = listener_start(l, path);

	if (!ret)
		return 0;
	gw_err(log, "%s: cannot listen there: %s", path, strerror(-ret));
	gw_hint(log, "give a path in a folder that can be written, and where nothing is yet");
	return ret;
}

void gw_listener_close(struct gw_listener *l)
{
	struct stat st;

	if (!lstat(l->addr.sun_path, &st) && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(l->addr.sun_path);
	close(l->fd);
}
