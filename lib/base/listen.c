/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG	8	/* limit: clients that wait to be looked at */

/*
 * Is somebody listening there, with whatever type of socket? Return: 0 nobody; -EADDRINUSE; -errno
 * of socket(2).
 */
static int path_answers(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int ret;

	if (fd < 0)
		return -errno;
	/* EAGAIN: so many wait that we cannot; a file that does not answer is left over */
	ret = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) && errno != EAGAIN &&
	      errno != EPROTOTYPE ? 0 : -EADDRINUSE;
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

/*
 * The file may be somebody else's by now, but never what a link of theirs leads to. Return: 0; -1
 * and errno
 */
static int widen(const char *path, const struct stat *st, mode_t mode)
{
	return (st->st_mode & 0777) == mode ? 0 : fchmodat(AT_FDCWD, path, mode, AT_SYMLINK_NOFOLLOW);
}

static int listen_as(struct gw_listener *l, const struct sockaddr_un *addr, mode_t mode)
{
	struct stat st;
	int ret;

	/*
	 * before bind(2), so that the file never has a wider mode; the umask may make it narrower
	 */
	if (fchmod(l->fd, mode) || bind(l->fd, (const struct sockaddr *)addr, sizeof(*addr)))
		return -errno;
	if (!lstat(addr->sun_path, &st) && !widen(addr->sun_path, &st, mode) && !listen(l->fd, BACKLOG)) {
		l->dev = st.st_dev;
		l->ino = st.st_ino;
		return 0;
	}
	ret = -errno;
	unlink(addr->sun_path);
	return ret;
}

/*
 * Listen at a name beside the path, and then give the file its own: link(2) does not replace what
 * somebody else has made there meanwhile. A path that leaves no room for that has its socket made
 * in place, and a client that is very early is refused.
 */
static int listener_listen(struct gw_listener *l, mode_t mode)
{
	struct sockaddr_un beside = { .sun_family = AF_UNIX };
	int ret;

	if (snprintf(beside.sun_path, sizeof(beside.sun_path), "%s.%d", l->addr.sun_path,
		     (int)getpid()) >= (int)sizeof(beside.sun_path))
		return listen_as(l, &l->addr, mode);
	unlink(beside.sun_path);
	ret = listen_as(l, &beside, mode);
	if (ret)
		return ret;
	if (link(beside.sun_path, l->addr.sun_path))
		ret = errno == EEXIST ? -EADDRINUSE : -errno;
	unlink(beside.sun_path);
	return ret;
}

static int path_check(const char *path, struct gw_log *log)
{
	const size_t room = sizeof(((struct sockaddr_un *)NULL)->sun_path);

	if (!*path) {
		gw_err(log, "the socket's path is empty");
		return -EINVAL;
	}
	if (strlen(path) >= room) {
		gw_err(log, "%s: a socket's path has at most %zu bytes, this one has %zu", path,
		       room - 1, strlen(path));
		gw_hint(log, "give a shorter path, for example below /run");
		return -ENAMETOOLONG;
	}
	return 0;
}

int gw_listener_open(struct gw_listener *l, const char *path, int type, mode_t mode,
		     struct gw_log *log)
{
	int ret = path_check(path, log);

	if (ret)
		return ret;
	*l = (struct gw_listener){ .addr.sun_family = AF_UNIX };
	strcpy(l->addr.sun_path, path);
	ret = path_clear(&l->addr, log);
	if (ret)
		return ret;	/* logged */
	l->fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0) {
		ret = -errno;
		goto say;
	}
	ret = listener_listen(l, mode);
	if (!ret)
		return 0;
	close(l->fd);
say:
	gw_err(log, "%s: cannot listen: %s", path, strerror(-ret));
	return ret;
}

/* The path may be another's by now. */
void gw_listener_close(struct gw_listener *l)
{
	struct stat st;

	if (!lstat(l->addr.sun_path, &st) && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(l->addr.sun_path);
	close(l->fd);
}
