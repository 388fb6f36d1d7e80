/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_BASE_LISTEN_H
#define GW_BASE_LISTEN_H

#include <sys/types.h>
#include <sys/un.h>

#include <gangway/log.h>

/**
 * struct gw_listener - a Unix socket at a path
 * @fd: listens, and does not block
 */
struct gw_listener {
	int fd;
	struct sockaddr_un addr;
	dev_t dev;			/* of the file we made */
	ino_t ino;
};

/**
 * gw_listener_open() - listen at @path
 * @type: SOCK_STREAM or SOCK_SEQPACKET
 * @mode: of the file, which never has a wider one
 *
 * The file appears when it answers. One that nobody listens at any more is replaced. Return: 0;
 * -EINVAL it is empty, -ENAMETOOLONG, -EADDRINUSE somebody listens there, -EEXIST it is no socket,
 * or -errno of socket(2), bind(2), link(2); logged.
 */
int gw_listener_open(struct gw_listener *l, const char *path, int type, mode_t mode,
		     struct gw_log *log);

/** gw_listener_close() - and remove the file, unless it is another's by now */
void gw_listener_close(struct gw_listener *l);

#endif
