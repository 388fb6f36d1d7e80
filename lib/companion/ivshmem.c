/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "companion/link.h"

/*
 * How it works: to QEMU's ivshmem-doorbell we are the server, which hands out the shared memory and
 * an eventfd for each peer (QEMU, docs/specs/ivshmem-spec). There are two peers: the guest, and we.
 * When the guest writes our number to its doorbell register, the mailbox in the first page is
 * looked at, then the ring; interrupts of the companion are the guest's vector.
 *
 * A doorbell does not wait, so the guest looks at memory until what it wants is there. It may write
 * there what it likes at any time: everything is read once.
 */

#define VERSION		0	/* of the server's protocol */
#define WE		0	/* our number */
#define GUEST		1

/* One message: a number, and a descriptor or -1. The socket of a new client has room for all. */
static int tell(struct gw_companion_link *l, int64_t number, int fd)
{
	union { char buf[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control = { 0 };
	struct iovec iov = { .iov_base = &number, .iov_len = sizeof(number) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (fd >= 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	if (sendmsg(l->client, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(number))
		return 0;
	return errno == EPIPE ? -ECONNRESET : -errno;
}

/* The companion's message interrupt signals the guest's eventfd. */
static int connect_interrupt(struct gw_companion_link *l)
{
	int fd = dup(l->interrupt), ret;
	struct gw_irq_set set = { .index = GW_IRQ_MSI, .action = GW_IRQ_TRIGGER,
				  .data = GW_IRQ_EVENTFD, .count = 1, .fds = &fd };

	if (fd < 0)
		return -errno;
	ret = l->dev->ops->irq_set(l->dev, &set);
	if (fd >= 0)
		close(fd);
	return ret;
}

static int ivshmem_begin(struct gw_companion_link *l, int *kick)
{
	struct gw_shared *shared;
	int ret = gw_link_memory(l, GW_SHARED_BYTES);

	if (ret)
		return ret;
	shared = l->memory;
	shared->magic = GW_SHARED_MAGIC;
	shared->version = GW_COMPANION_ABI;
	shared->bytes = GW_SHARED_BYTES;
	shared->peer = WE;
	l->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	l->interrupt = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->kick < 0 || l->interrupt < 0)
		return -errno;
	ret = connect_interrupt(l);
	if (!ret)
		ret = tell(l, VERSION, -1);
	if (!ret)
		ret = tell(l, GUEST, -1);	/* who it is */
	if (!ret)
		ret = tell(l, -1, l->memory_fd);
	if (!ret)
		ret = tell(l, WE, l->kick);
	if (!ret)
		ret = tell(l, GUEST, l->interrupt);
	*kick = l->kick;
	return ret;
}

/* A client of this protocol says nothing; one that does is no such client. */
static int ivshmem_heard(struct gw_companion_link *l)
{
	char byte;
	ssize_t n = recv(l->client, &byte, 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return n > 0 ? -EPROTO : -ECONNRESET;
}

/* What the guest wants of the registers, once. */
static void serve_mailbox(struct gw_companion_link *l)
{
	struct gw_shared *s = l->memory;
	uint32_t seq = __atomic_load_n(&s->seq, __ATOMIC_ACQUIRE);
	uint32_t reg = __atomic_load_n(&s->reg, __ATOMIC_RELAXED);
	uint32_t value = __atomic_load_n(&s->value, __ATOMIC_RELAXED);

	if (seq == l->head)
		return;
	if (__atomic_load_n(&s->op, __ATOMIC_RELAXED) == GW_SHARED_WRITE)
		gw_link_write(l, reg, value);
	else
		__atomic_store_n(&s->answer, gw_link_read(l, reg), __ATOMIC_RELAXED);
	l->head = seq;
	__atomic_store_n(&s->done, seq, __ATOMIC_RELEASE);
}

static int ivshmem_kicked(struct gw_companion_link *l)
{
	eventfd_t n;

	eventfd_read(l->kick, &n);
	serve_mailbox(l);
	gw_link_write(l, GW_REG_RING_DOORBELL, 1);
	return 0;
}

static void ivshmem_end(struct gw_companion_link *l)
{
	if (l->kick >= 0)
		close(l->kick);
	if (l->interrupt >= 0)
		close(l->interrupt);
	l->kick = l->interrupt = -1;
	l->head = 0;
}

const struct gw_link_ops gw_link_ivshmem = {
	.name = "ivshmem",
	.begin = ivshmem_begin,
	.heard = ivshmem_heard,
	.kicked = ivshmem_kicked,
	.end = ivshmem_end,
};
