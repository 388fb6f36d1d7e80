/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfio_user/inbox.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * How it works: one recvmsg(2) takes as much as has arrived, often several messages. The kernel
 * ends a read behind the send that carried descriptors, never before it (unix(7), SCM_RIGHTS):
 * messages sent earlier without descriptors may stand in front. A sender attaches descriptors to
 * the send that begins their message, so they belong to the last message that begins in the
 * bytes read with them. If none begins there, they were sent in mid message.
 */

#define INBOX_ROOM	(64u * 1024)		/* least space offered to a read */
#define INBOX_SIZE	(GW_VU_MAX_MSG + INBOX_ROOM)

void gw_fds_close(struct gw_fds *fds, struct gw_closer *closer)
{
	if (!fds)
		return;
	for (unsigned int i = 0; i < fds->nr; i++)
		gw_closer_close(closer, fds->fd[i]);
	fds->nr = 0;
	fds->lost = false;
}

int gw_inbox_init(struct gw_inbox *in, struct gw_closer *closer)
{
	memset(in, 0, sizeof(*in));
	in->closer = closer;
	in->buf = malloc(INBOX_SIZE);
	return in->buf ? 0 : -ENOMEM;
}

void gw_inbox_fini(struct gw_inbox *in)
{
	for (unsigned int i = 0; i < 2; i++)
		gw_fds_close(&in->held[i], in->closer);
	free(in->buf);
	in->buf = NULL;
}

static uint32_t msg_size(const uint8_t *hdr)
{
	uint32_t size;

	memcpy(&size, hdr + 4, sizeof(size));
	return size;
}

static bool size_ok(uint32_t size)
{
	return size >= GW_VU_HDR && size <= GW_VU_MAX_MSG;
}

/* Where in the buffer does the last message begin of which the last @fresh bytes hold the start? */
static bool last_begun(const struct gw_inbox *in, size_t fresh, size_t *begun)
{
	size_t at = in->head;
	bool found = false;

	while (at < in->tail) {
		if (at >= in->tail - fresh) {
			*begun = at;
			found = true;
		}
		if (in->tail - at < GW_VU_HDR || !size_ok(msg_size(in->buf + at)))
			break;
		at += msg_size(in->buf + at);
	}
	return found;
}

static void collect_fds(struct msghdr *mh, struct gw_fds *fds)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(mh); h; h = CMSG_NXTHDR(mh, h)) {
		size_t nr = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		assert(fds->nr + nr <= GW_VU_MAX_FDS);	/* the control buffer is no larger */
		memcpy(fds->fd + fds->nr, CMSG_DATA(h), nr * sizeof(int));
		fds->nr += (unsigned int)nr;
	}
	fds->lost = mh->msg_flags & MSG_CTRUNC;
}

static bool fds_empty(const struct gw_fds *fds)
{
	return !fds->nr && !fds->lost;
}

static int take_fds(struct gw_inbox *in, struct msghdr *mh, size_t fresh)
{
	struct gw_fds *fds = fds_empty(&in->held[0]) ? &in->held[0] : &in->held[1];
	size_t begun;

	assert(fds_empty(fds));	/* at most one message was begun and not complete */
	collect_fds(mh, fds);
	if (!last_begun(in, fresh, &begun)) {
		gw_fds_close(fds, in->closer);
		return -EPROTO;
	}
	fds->owner = in->pos + (begun - in->head);
	return 0;
}

static void make_room(struct gw_inbox *in)
{
	if (in->head == in->tail) {
		in->head = in->tail = 0;
	} else if (INBOX_SIZE - in->tail < INBOX_ROOM) {
		memmove(in->buf, in->buf + in->head, in->tail - in->head);
		in->tail -= in->head;
		in->head = 0;
	}
}

ssize_t gw_inbox_fill(struct gw_inbox *in, int sock, bool wait)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(GW_VU_MAX_FDS * sizeof(int))];
	struct iovec iov;
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			     .msg_controllen = sizeof(control) };
	ssize_t n;
	int ret;

	make_room(in);
	iov.iov_base = in->buf + in->tail;
	iov.iov_len = INBOX_SIZE - in->tail;
	n = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
	if (n < 0)
		return -errno;
	in->tail += (size_t)n;
	if (mh.msg_controllen || mh.msg_flags & MSG_CTRUNC) {
		ret = take_fds(in, &mh, (size_t)n);
		if (ret)
			return ret;
	}
	return n;
}

static struct gw_fds *fds_of(struct gw_inbox *in)
{
	for (unsigned int i = 0; i < 2; i++)
		if (!fds_empty(&in->held[i]) && in->held[i].owner == in->pos)
			return &in->held[i];
	return NULL;
}

/*
 * A message of many descriptors that comes whole is as good as any, but for one whose end may never
 * come no more of them are held than was agreed.
 */
static int unfinished(struct gw_inbox *in)
{
	const struct gw_fds *fds = fds_of(in);

	return fds && fds->nr > GW_VU_OUR_FDS ? -EMFILE : 0;
}

int gw_inbox_next(struct gw_inbox *in, struct gw_msg *msg)
{
	const uint8_t *hdr = in->buf + in->head;
	size_t left = in->tail - in->head;
	uint32_t size;

	if (left < GW_VU_HDR)
		return unfinished(in);
	size = msg_size(hdr);
	if (!size_ok(size))
		return -EBADMSG;
	if (left < size)
		return unfinished(in);
	memcpy(&msg->id, hdr, 2);
	memcpy(&msg->cmd, hdr + 2, 2);
	memcpy(&msg->flags, hdr + 8, 4);
	memcpy(&msg->err, hdr + 12, 4);
	msg->body = hdr + GW_VU_HDR;
	msg->len = size - GW_VU_HDR;
	msg->fds = fds_of(in);
	in->head += size;
	in->pos += size;
	return 1;
}
