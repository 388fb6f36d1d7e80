/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_TOPOLOGY_TREEFILE_H
#define GW_TOPOLOGY_TREEFILE_H

#include <stddef.h>

/*
 * Files of sysfs and proc, which may be copies in a folder that somebody else has made: then a
 * name may lead anywhere, and what is there may be of any kind and size. Only regular files are
 * looked at, so that nothing waits and nothing is set off by being read.
 *
 * @dir is a folder's descriptor, or AT_FDCWD.
 */

/**
 * gw_treefile_head() - as much of its beginning as @text takes. Return: bytes, without the NUL;
 * errors as gw_regular_open()
 */
int gw_treefile_head(int dir, const char *path, char *text, size_t size);

/** gw_treefile_text() - all of it, to be freed. Return: 0; -EFBIG @max bytes or more; -errno */
int gw_treefile_text(int dir, const char *path, size_t max, char **text);

/**
 * gw_treefile_write() - write to a file that is there, in one write(2) and without truncating it
 * @root: the folder that must hold the file wherever links lead; NULL: it may be anywhere
 *
 * Return: 0; -EXDEV it is outside @root, or has another name that may be; -EBADMSG no regular
 * file; -errno.
 */
int gw_treefile_write(const char *root, const char *path, const char *text);

#endif
