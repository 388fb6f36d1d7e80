/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "topology/treefile.h"

#define MAX_TEXT	(32u << 20)	/* so much is mountinfo with as many mounts as the kernel
					 * allows */

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

int sysfs_text(struct gw_topology *t, const char *file, char **text)
{
	char path[PATH_MAX];
	int ret = gw_topology_path(t, file, path, sizeof(path));

	return ret ? ret : gw_treefile_text(AT_FDCWD, path, MAX_TEXT, text);
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
	int ret;

	MAKE_PATH(ret, path);
	if (!ret)
		ret = gw_treefile_head(AT_FDCWD, path, text, size);
	if (ret <= 0)
		return ret ? ret : -ENODATA;
	text[strcspn(text, "\n")] = '\0';
	return 0;
}

int sysfs_write(struct gw_topology *t, const char *text, const char *fmt, ...)
{
	const char *tree = gw_topology_tree(t);
	char path[PATH_MAX];
	int ret;

	MAKE_PATH(ret, path);
	return ret ? ret : gw_treefile_write(*tree ? tree : NULL, path, text);
}
