/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_VFIO_USER_PRIVATE_H
#define GW_VFIO_USER_PRIVATE_H

#include <stdbool.h>
#include <sys/types.h>

#define GW_PRIVATE_FILES	16u

struct gw_private_file {
	dev_t dev;
	ino_t ino;
	bool is_private;
};

/* What is known of the files one client has sent. Zeroed for each client. */
struct gw_private {
	struct gw_private_file file[GW_PRIVATE_FILES];
	unsigned int nr, next;		/* when full the oldest is replaced, at @next */
};

/**
 * gw_private_memory() - does the client see something else than what this file holds?
 * @sock: connection to the client
 * @fd:   file that is to be guest memory
 *
 * Looks into /proc where it may; where it may not, or the file is not found there, the answer
 * is no.
 */
bool gw_private_memory(struct gw_private *p, int sock, int fd);

#endif
