/* SPDX-License-Identifier: BSD-3-Clause */
#include "topology/treefile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/regular.h"

/*
 * How it works, writing: links of such a folder may well be absolute and still lead to where they
 * should, so openat2(2) cannot keep them inside. Instead the kernel is asked where the open file
 * is. That is done first by a descriptor that gives no access, since opening a device may set
 * something off; and again with the one to be written to, which must be the same file.
 */

#define WRITE_FLAGS	(O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

/* Read until the end or @size bytes. Return: bytes; -errno. */
static ssize_t read_all(int fd, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n = 1;

	while (len < size && n > 0) {
		n = read(fd, text + len, size - len);
		if (n < 0)
			return -errno;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

int gw_treefile_head(int dir, const char *path, char *text, size_t size)
{
	int fd = gw_regular_open(dir, path);
	ssize_t len;

	if (fd < 0)
		return fd;
	len = read_all(fd, text, size - 1);
	close(fd);
	if (len >= 0)
		text[len] = '\0';
	return (int)len;
}

/* The files of proc have no size, so it is read by as much as there was before. */
static int read_growing(int fd, size_t max, char **out)
{
	size_t room = 4096, len = 0;
	char *text = NULL, *more;
	ssize_t n;

	for (;; room *= 2) {
		room = room < max ? room : max;
		more = realloc(text, room);
		n = more ? read_all(fd, more + len, room - len) : -ENOMEM;
		text = more ? more : text;
		if (n < 0)
			break;
		len += (size_t)n;
		if (len < room) {
			text[len] = '\0';
			*out = text;
			return 0;
		}
		if (room == max) {
			n = -EFBIG;
			break;
		}
	}
	free(text);
	return (int)n;
}

int gw_treefile_text(int dir, const char *path, size_t max, char **text)
{
	int fd = gw_regular_open(dir, path), ret;

	if (fd < 0)
		return fd;
	ret = read_growing(fd, max, text);
	close(fd);
	return ret;
}

/* Where the file behind a descriptor is. */
static int path_of(int fd, char path[PATH_MAX])
{
	char link[32];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, PATH_MAX);
	if (len < 0 || len == PATH_MAX)
		return len < 0 ? -errno : -ENAMETOOLONG;
	path[len] = '\0';
	return 0;
}

static int check_inside(const char *root, int fd)
{
	char folder[PATH_MAX], path[PATH_MAX];
	int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), ret;
	size_t len;

	if (dir < 0)
		return -errno;
	ret = path_of(dir, folder);
	close(dir);
	if (!ret)
		ret = path_of(fd, path);
	if (ret)
		return ret;
	len = strlen(folder);
	len -= len && folder[len - 1] == '/';
	return strncmp(path, folder, len) || path[len] != '/' ? -EXDEV : 0;
}

/* May it be written to? @st: what it is. */
static int check_target(const char *root, int fd, struct stat *st)
{
	if (fstat(fd, st))
		return -errno;
	if (!S_ISREG(st->st_mode))
		return -EBADMSG;
	if (!root)
		return 0;
	return st->st_nlink != 1 ? -EXDEV : check_inside(root, fd);
}

static int open_target(const char *root, const char *path)
{
	int look = open(path, O_PATH | O_CLOEXEC), fd, ret;
	struct stat is, st;

	if (look < 0)
		return -errno;
	ret = check_target(root, look, &is);
	fd = ret ? -1 : open(path, WRITE_FLAGS);
	if (!ret && fd < 0)
		ret = -errno;
	if (!ret)
		ret = check_target(root, fd, &st);
	if (!ret && (st.st_dev != is.st_dev || st.st_ino != is.st_ino))
		ret = -EXDEV;
	close(look);
	if (!ret)
		return fd;
	if (fd >= 0)
		close(fd);
	return ret;
}

int gw_treefile_write(const char *root, const char *path, const char *text)
{
	int fd = open_target(root, path), ret = 0;
	ssize_t n;

	if (fd < 0)
		return fd;
	n = write(fd, text, strlen(text));
	if (n < 0)
		ret = -errno;
	else if ((size_t)n < strlen(text))
		ret = -EIO;
	if (close(fd) && !ret)
		ret = -errno;
	return ret;
}
