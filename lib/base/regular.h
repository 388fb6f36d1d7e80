/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_BASE_REGULAR_H
#define GW_BASE_REGULAR_H

/**
 * gw_regular_open() - open a file to read it, if it is a regular one: nothing waits, and nothing is
 * set off
 * @dir: a folder's descriptor, or AT_FDCWD
 *
 * Return: a descriptor; -EBADMSG no regular file; -errno.
 */
int gw_regular_open(int dir, const char *path);

#endif
