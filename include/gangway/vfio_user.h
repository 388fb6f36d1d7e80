/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_VFIO_USER_H
#define GANGWAY_VFIO_USER_H

#include <stdbool.h>
#include <stdint.h>

#include <gangway/device.h>
#include <gangway/log.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A vfio-user server: one device, one socket, one client at a time, and a thread for it. Another
 * thread tells clients that come meanwhile that the device is in use.
 */

struct gw_vfio_user;

struct gw_vfio_user_options {
	unsigned int spin_us;		/* poll this long after a message before sleeping; 0: not.
					 * Bounded further when the machine is loaded */
	unsigned int hello_ms;		/* a client has so long to say its version; 0: 10 s */
};

struct gw_vfio_user_stats {
	uint64_t clients;		/* ever connected */
	uint64_t messages;
	uint64_t errors;		/* error replies sent */
	bool connected;
};

/**
 * gw_vfio_user_listen() - serve @dev at a socket
 * @path: made mode 0600; removed on close. A stale one, where nobody listens, is replaced
 * @dev:  stays the caller's and must outlive the server
 * @opt:  NULL for defaults
 *
 * Starts the thread that accepts a client, serves it to its end, and accepts the next. One that
 * comes while another is there is told EBUSY for its version; who has the device is logged.
 *
 * Return: 0; -ENAMETOOLONG (107 bytes at most), -EADDRINUSE someone listens there, -EEXIST the
 * path is not a socket, -ENOMEM, or -errno of socket(2), bind(2). Logged with the next step.
 */
int gw_vfio_user_listen(const char *path, struct gw_device *dev,
			const struct gw_vfio_user_options *opt, struct gw_log *log,
			struct gw_vfio_user **server);

/** gw_vfio_user_close() - ends the client, detaches the device, removes the socket; NULL is fine */
void gw_vfio_user_close(struct gw_vfio_user *server);

/** gw_vfio_user_stats() - what its clients have done until now; any thread */
void gw_vfio_user_stats(struct gw_vfio_user *server, struct gw_vfio_user_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
