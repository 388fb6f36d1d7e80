/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_SYSFS_H
#define CLI_SYSFS_H

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

#include <gangway/topology.h>

/* Files of the machine, or of the copy that --tree names. Paths are below that, without a slash. */

DIR *sysfs_opendir(struct gw_topology *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** sysfs_text() - all of a file, to be freed. Return: 0; -EFBIG it is absurdly long; -errno */
int sysfs_text(struct gw_topology *t, const char *path, char **text);

/** sysfs_exists() - without following what it may lead to */
bool sysfs_exists(struct gw_topology *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** sysfs_readlink() - Return: 0; -errno */
int sysfs_readlink(struct gw_topology *t, char to[PATH_MAX], const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** sysfs_read() - a line without its newline. Return: 0; -errno, -ENODATA it is empty */
int sysfs_read(struct gw_topology *t, char *text, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/**
 * sysfs_write() - in one write(2), as attributes want it, and never outside the copy
 *
 * Return: 0; -EXDEV a link leads out of it, -EBADMSG it is no regular file, -errno.
 */
int sysfs_write(struct gw_topology *t, const char *text, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
