/* SPDX-License-Identifier: BSD-3-Clause */
#include "share/wire.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/util.h"

/*
 * How it works: a message is one packet of a SOCK_SEQPACKET socket, so it comes whole or not at
 * all. The functions build one in the caller's struct, send, receive and take it apart; none but
 * gw_share_wait() blocks. Whoever has the struct owns the descriptors in it until
 * gw_share_msg_close(). Both ends are on one machine, so numbers keep its byte order.
 */

/* u16 type, u16 version, u32 length, u32 sequence, i32 status, u64 generation */
#define HEADER	24u

void gw_share_msg_init(struct gw_share_msg *m, uint16_t type, uint32_t seq)
{
	m->type = type;
	m->seq = seq;
	m->status = 0;
	m->generation = 0;
	m->len = 0;
	m->nr_fds = 0;
}

void gw_share_msg_close(struct gw_share_msg *m)
{
	for (unsigned int i = 0; i < m->nr_fds; i++)
		if (m->fd[i] >= 0)
			close(m->fd[i]);
	m->nr_fds = 0;
}

void gw_share_msg_reply(struct gw_share_msg *m, int status)
{
	gw_share_msg_close(m);
	gw_share_msg_init(m, m->type, m->seq);
	m->status = status;
}

void gw_share_put(struct gw_share_msg *m, const void *data, size_t len)
{
	assert(len <= sizeof(m->body) - m->len);
	memcpy(m->body + m->len, data, len);
	m->len += len;
}

void gw_share_put_u32(struct gw_share_msg *m, uint32_t v)
{
	gw_share_put(m, &v, sizeof(v));
}

void gw_share_put_u64(struct gw_share_msg *m, uint64_t v)
{
	gw_share_put(m, &v, sizeof(v));
}

void gw_share_put_text(struct gw_share_msg *m, const char *text, size_t size)
{
	size_t len = strnlen(text, size - 1);

	assert(size <= sizeof(m->body) - m->len);
	memset(m->body + m->len, 0, size);
	memcpy(m->body + m->len, text, len);
	m->len += size;
}

static void put_addr(struct gw_share_msg *m, const struct gw_pci_addr *a)
{
	const uint8_t bdf[4] = { a->bus, a->dev, a->fn, 0 };

	gw_share_put_u32(m, a->domain);
	gw_share_put(m, bdf, sizeof(bdf));
}

void gw_share_put_id(struct gw_share_msg *m, const struct gw_share_id *id)
{
	put_addr(m, &id->fn);
	put_addr(m, &id->pf);
	gw_share_put_u32(m, (uint32_t)id->vf);
	gw_share_put_u32(m, 0);
	gw_share_put_u64(m, id->cookie);
}

bool gw_share_take_text(struct gw_reader *r, char *text, size_t size)
{
	if (!gw_reader_take(r, text, size) || text[size - 1])
		return false;
	for (const char *c = text; *c; c++)
		if (*c < ' ' || *c > '~')
			return false;
	return true;
}

static bool take_addr(struct gw_reader *r, struct gw_pci_addr *a)
{
	uint8_t bdf[4];

	if (!gw_reader_u32(r, &a->domain) || !gw_reader_take(r, bdf, sizeof(bdf)))
		return false;
	a->bus = bdf[0];
	a->dev = bdf[1];
	a->fn = bdf[2];
	return a->dev < 32 && a->fn < 8 && !bdf[3];
}

bool gw_share_take_id(struct gw_reader *r, struct gw_share_id *id)
{
	uint32_t vf, zero;

	if (!take_addr(r, &id->fn) || !take_addr(r, &id->pf) || !gw_reader_u32(r, &vf) ||
	    !gw_reader_u32(r, &zero) || !gw_reader_u64(r, &id->cookie))
		return false;
	id->vf = (int32_t)vf;
	return id->vf >= -1 && !zero;
}

int gw_share_send(int sock, const struct gw_share_msg *m)
{
	uint8_t head[HEADER];
	const uint16_t version = GW_SHARE_VERSION;
	const uint32_t len = (uint32_t)m->len;
	struct iovec iov[] = { { head, sizeof(head) }, { (void *)m->body, m->len } };
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(int) * GW_SHARE_MAX_FDS)];
	} control = { 0 };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	memcpy(head, &m->type, 2);
	memcpy(head + 2, &version, 2);
	memcpy(head + 4, &len, 4);
	memcpy(head + 8, &m->seq, 4);
	memcpy(head + 12, &m->status, 4);
	memcpy(head + 16, &m->generation, 8);
	if (m->nr_fds) {
		control.h.cmsg_level = SOL_SOCKET;
		control.h.cmsg_type = SCM_RIGHTS;
		control.h.cmsg_len = CMSG_LEN(sizeof(int) * m->nr_fds);
		memcpy(CMSG_DATA(&control.h), m->fd, sizeof(int) * m->nr_fds);
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * m->nr_fds);
	}
	return sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* All that came is taken over, so that nothing stays open whatever is wrong with the message. */
static void take_fds(struct gw_share_msg *m, struct msghdr *msg)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
		size_t nr = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < nr; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
			if (m->nr_fds < GW_SHARE_MAX_FDS)
				m->fd[m->nr_fds++] = fd;
			else
				close(fd);
		}
	}
}

static int parse_head(struct gw_share_msg *m, const uint8_t head[HEADER], size_t n)
{
	struct gw_reader r = gw_reader_init(head, HEADER);
	uint16_t version;
	uint32_t len, status;

	if (n < HEADER || !gw_reader_u16(&r, &m->type) || !gw_reader_u16(&r, &version) ||
	    !gw_reader_u32(&r, &len) || !gw_reader_u32(&r, &m->seq) ||
	    !gw_reader_u32(&r, &status) || !gw_reader_u64(&r, &m->generation))
		return -EPROTO;
	m->status = (int32_t)status;
	m->len = n - HEADER;
	return version == GW_SHARE_VERSION && len == m->len ? 0 : -EPROTO;
}

int gw_share_recv(int sock, struct gw_share_msg *m)
{
	uint8_t head[HEADER];
	struct iovec iov[] = { { head, sizeof(head) }, { m->body, sizeof(m->body) } };
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(int) * GW_SHARE_MAX_FDS)];
	} control;
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2, .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t n;
	int ret;

	gw_share_msg_init(m, 0, 0);
	n = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : errno == ECONNRESET ? -ENOTCONN : -errno;
	take_fds(m, &msg);
	if (!n && !m->nr_fds)
		return -ENOTCONN;
	ret = msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? -EPROTO : parse_head(m, head, (size_t)n);
	if (ret)
		gw_share_msg_close(m);
	return ret;
}

int gw_share_wait(int sock, int timeout_ms)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	uint64_t end = gw_now_ns() + (uint64_t)timeout_ms * 1000000u;
	int n;

	do {
		uint64_t now = gw_now_ns();

		n = poll(&p, 1, now < end ? (int)((end - now + 999999u) / 1000000u) : 0);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n ? 0 : -ETIMEDOUT;
}

int gw_share_connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int sock, err;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	if (!connect(sock, (const struct sockaddr *)&addr, sizeof(addr)))
		return sock;
	err = -errno;
	close(sock);
	return err;
}

static const struct gw_share_kind *const known[] = {
	&gw_share_iov_vram, &gw_share_bar_range, &gw_share_iova, &gw_share_memfd, &gw_share_copy,
};

const struct gw_share_kind *gw_share_kind_by_uuid(const uint8_t uuid[16], unsigned int *bit)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(known); i++) {
		*bit = 1u << i;
		if (!memcmp(known[i]->uuid, uuid, sizeof(known[i]->uuid)))
			return known[i];
	}
	return NULL;
}

const struct gw_share_kind *gw_share_kind_by_name(const char *name, unsigned int *bit)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(known); i++) {
		*bit = 1u << i;
		if (!strcmp(known[i]->name, name))
			return known[i];
	}
	return NULL;
}
