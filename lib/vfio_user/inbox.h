/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_VFIO_USER_INBOX_H
#define GW_VFIO_USER_INBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/closer.h"
#include "vfio_user/wire.h"

/* Descriptors that came with one message. A handler that keeps one leaves -1 in its place. */
struct gw_fds {
	unsigned int nr;
	bool lost;			/* some did not fit into our descriptor table */
	uint64_t owner;			/* position in the stream of their message's first byte */
	int fd[GW_VU_MAX_FDS];
};

/** gw_fds_close() - close what nobody kept, by @closer; NULL and an empty set are fine */
void gw_fds_close(struct gw_fds *fds, struct gw_closer *closer);

/* One message: all of it is here. @body lies in the inbox and is good until the next fill. */
struct gw_msg {
	uint16_t id, cmd;
	uint32_t flags;
	uint32_t err;
	const uint8_t *body;
	size_t len;			/* of body */
	struct gw_fds *fds;		/* or NULL; the inbox's */
};

/* What has arrived and was not yet taken. One thread. */
struct gw_inbox {
	struct gw_closer *closer;
	uint8_t *buf;
	size_t head, tail;
	uint64_t pos;			/* of buf[head] in the stream */
	struct gw_fds held[2];		/* of the message that is not yet complete, and newer */
};

/** gw_inbox_init() - @closer must outlive it. Return: 0; -ENOMEM */
int gw_inbox_init(struct gw_inbox *in, struct gw_closer *closer);

/** gw_inbox_fini() - closes what descriptors are left; a zeroed inbox is fine */
void gw_inbox_fini(struct gw_inbox *in);

/**
 * gw_inbox_fill() - one recvmsg(2)
 * @wait: until there is something; needs a blocking @sock
 *
 * Every complete message must have been taken before.
 *
 * Return: bytes, 0 at the end of the stream; -EPROTO descriptors in the middle of a message;
 * -errno of recvmsg(2), -EAGAIN if there is nothing and @wait is false.
 */
ssize_t gw_inbox_fill(struct gw_inbox *in, int sock, bool wait);

/**
 * gw_inbox_next() - take the next complete message
 *
 * The caller closes @msg->fds when done with the message.
 *
 * Return: 1; 0 none is complete; -EBADMSG the next header's size cannot be, the stream is lost;
 * -EMFILE the next one is not complete and has more than GW_VU_OUR_FDS descriptors.
 */
int gw_inbox_next(struct gw_inbox *in, struct gw_msg *msg);

#endif
