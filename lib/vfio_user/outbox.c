/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfio_user/outbox.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct gw_outbox_item {
	struct gw_outbox_item *next;
	size_t len, sent;
	int fd;				/* to go with the first byte, or -1; ours */
	uint8_t data[];
};

/* Return: bytes sent, 0 if the socket is full, -errno. */
static ssize_t send_some(int sock, struct iovec *iov, unsigned int nr_iov, int fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = nr_iov };
	struct cmsghdr *h;
	ssize_t n;

	if (fd >= 0) {
		mh.msg_control = control;
		mh.msg_controllen = sizeof(control);
		h = CMSG_FIRSTHDR(&mh);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	}
	do {
		/* the plain call is measurably cheaper, and what nearly every reply takes */
		n = fd < 0 && nr_iov == 1 ?
		    send(sock, iov->iov_base, iov->iov_len, MSG_DONTWAIT | MSG_NOSIGNAL) :
		    sendmsg(sock, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
}

static int keep(struct gw_outbox *out, const struct iovec *iov, unsigned int nr_iov, size_t skip,
		size_t len, int fd)
{
	struct gw_outbox_item *item;
	uint8_t *p;
	int ret;

	if (out->bytes + len > GW_OUTBOX_LIMIT)
		return -ENOBUFS;
	item = malloc(sizeof(*item) + len);
	if (!item)
		return -ENOMEM;
	*item = (struct gw_outbox_item){ .len = len, .fd = -1 };
	if (fd >= 0 && !skip) {
		item->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (item->fd < 0) {
			ret = -errno;
			goto free_item;
		}
	}
	p = item->data;
	for (unsigned int i = 0; i < nr_iov; i++) {
		size_t drop = skip < iov[i].iov_len ? skip : iov[i].iov_len;

		memcpy(p, (const uint8_t *)iov[i].iov_base + drop, iov[i].iov_len - drop);
		p += iov[i].iov_len - drop;
		skip -= drop;
	}
	if (out->last)
		out->last->next = item;
	else
		out->first = item;
	out->last = item;
	out->bytes += len;
	return 0;
free_item:
	free(item);
	return ret;
}

int gw_outbox_send(struct gw_outbox *out, int sock, const struct iovec *iov, unsigned int nr_iov,
		   int fd)
{
	struct iovec copy[GW_OUTBOX_IOV];
	size_t len = 0;
	ssize_t n = 0;

	assert(nr_iov <= GW_OUTBOX_IOV);
	for (unsigned int i = 0; i < nr_iov; i++) {
		copy[i] = iov[i];
		len += iov[i].iov_len;
	}
	if (!out->first) {
		n = send_some(sock, copy, nr_iov, fd);
		if (n < 0)
			return (int)n;
		if ((size_t)n == len)
			return 0;
	}
	return keep(out, iov, nr_iov, (size_t)n, len - (size_t)n, fd);
}

static void drop_first(struct gw_outbox *out)
{
	struct gw_outbox_item *item = out->first;

	out->first = item->next;
	if (!out->first)
		out->last = NULL;
	out->bytes -= item->len - item->sent;
	if (item->fd >= 0)
		close(item->fd);
	free(item);
}

int gw_outbox_flush(struct gw_outbox *out, int sock)
{
	while (out->first) {
		struct gw_outbox_item *item = out->first;
		struct iovec iov = { .iov_base = item->data + item->sent,
				     .iov_len = item->len - item->sent };
		ssize_t n = send_some(sock, &iov, 1, item->sent ? -1 : item->fd);

		if (n <= 0)
			return (int)n;
		item->sent += (size_t)n;
		out->bytes -= (size_t)n;
		if (item->sent == item->len)
			drop_first(out);
	}
	return 0;
}

void gw_outbox_fini(struct gw_outbox *out)
{
	while (out->first)
		drop_first(out);
}
