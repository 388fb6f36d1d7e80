/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_VFIO_USER_OUTBOX_H
#define GW_VFIO_USER_OUTBOX_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct gw_outbox_item;

/* What the socket would not yet take, in order. The caller locks, but for gw_outbox_waits(). */
struct gw_outbox {
	struct gw_outbox_item *first, *last;
	_Atomic size_t bytes;
};

/** gw_outbox_waits() - bytes that are to be sent */
static inline size_t gw_outbox_waits(const struct gw_outbox *out)
{
	return out->bytes;
}

#define GW_OUTBOX_LIMIT	(4u * 1024 * 1024)	/* limit: bytes of replies that it leaves unread */
#define GW_OUTBOX_IOV	3

/**
 * gw_outbox_send() - send one message, or keep what the socket does not take
 * @iov: at most GW_OUTBOX_IOV pieces; copied if kept
 * @fd:  goes with the first byte; -1 for none. Stays the caller's
 *
 * Return: 0; -ENOBUFS the peer has left too much unread, -ENOMEM, or -errno of sendmsg(2) or
 * fcntl(2). After an error the stream is of no more use.
 */
int gw_outbox_send(struct gw_outbox *out, int sock, const struct iovec *iov, unsigned int nr_iov,
		   int fd);

/** gw_outbox_flush() - send what was kept, as far as the socket takes it. Return: 0; -errno */
int gw_outbox_flush(struct gw_outbox *out, int sock);

/** gw_outbox_fini() - drop what was kept; a zeroed outbox is fine */
void gw_outbox_fini(struct gw_outbox *out);

#endif
