/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

static int make_path(struct gw_topology *t, char path[PATH_MAX], const char *fmt, va_list ap)
{
	char below[PATH_MAX];

	if (vsnprintf(below, sizeof(below), fmt, ap) >= (int)sizeof(below))
		return -ENAMETOOLONG;
	return gw_topology_path(t, below, path, PATH_MAX);
}

/* @fmt and what follows it, as the variable @path; @ret says whether that worked. */
#define MAKE_PATH(ret, path)						\
	do {								\
		va_list ap;						\
									\
		va_start(ap, fmt);					\
		(ret) = make_path(t, path, fmt, ap);			\
		va_end(ap);						\
	} while (0)

DIR *sysfs_opendir(struct gw_topology *t, const char *fmt, ...)
{
	char path[PATH_MAX];
	int ret;

	MAKE_PATH(ret, path);
	return ret ? NULL : opendir(path);
}

FILE *sysfs_fopen(struct gw_topology *t, const char *file)
{
	char path[PATH_MAX];

	return gw_topology_path(t, file, path, sizeof(path)) ? NULL : fopen(path, "re");
}

bool sysfs_exists(struct gw_topology *t, const char *fmt, ...)
{
	char path[PATH_MAX];
	int ret;

	MAKE_PATH(ret, path);
	return !ret && !faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW);
}

int sysfs_readlink(struct gw_topology *t, char to[PATH_MAX], const char *fmt, ...)
{
	char path[PATH_MAX];
	ssize_t len;
	int ret;

	MAKE_PATH(ret, path);
	if (ret)
		return ret;
	len = readlink(path, to, PATH_MAX);
	if (len < 0)
		return -errno;
	if (len == PATH_MAX)
		return -ENAMETOOLONG;
	to[len] = '\0';
	return 0;
}

int sysfs_read(struct gw_topology *t, char *text, size_t size, const char *fmt, ...)
{
	char path[PATH_MAX];
	ssize_t len;
	int fd, ret;

	MAKE_PATH(ret, path);
	if (ret)
		return ret;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = read(fd, text, size - 1);
	ret = len < 0 ? -errno : len ? 0 : -ENODATA;
	close(fd);
	if (!ret) {
		text[len] = '\0';
		text[strcspn(text, "\n")] = '\0';
	}
	return ret;
}

int sysfs_write(struct gw_topology *t, const char *text, const char *fmt, ...)
{
	char path[PATH_MAX];
	int fd, ret;

	MAKE_PATH(ret, path);
	if (ret)
		return ret;
	fd = open(path, O_WRONLY | O_TRUNC | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -errno;
	if (close(fd) && !ret)
		ret = -errno;
	return ret;
}
