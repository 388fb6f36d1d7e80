/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "companion/link.h"

/*
 * How it works: a virtio-serial port is a stream, whose other end QEMU connects to our socket. The
 * guest sends requests of one size, and each is answered, an entry of the ring as often as it has
 * completions. The ring is here: we put the entry into one of our own, ring its doorbell, and send
 * what comes out. So an entry is done as it is by any other way.
 *
 * The guest may write only registers that do not say where the ring is, as the ring is ours.
 */

#define SHIFT		GW_RING_MIN_SHIFT
#define ENTRIES		(1u << SHIFT)
#define REQUESTS	64u	/* answered between two looks at whether we are to end */

static struct gw_ring_sqe *entry_at(struct gw_companion_link *l, uint32_t i)
{
	return (struct gw_ring_sqe *)((char *)l->memory + GW_RING_HEADER_BYTES) + i % ENTRIES;
}

static const struct gw_ring_cqe *completion_at(struct gw_companion_link *l, uint32_t i)
{
	return (const struct gw_ring_cqe *)entry_at(l, 0) + ENTRIES + i % ENTRIES;
}

static int port_begin(struct gw_companion_link *l, int *kick)
{
	int ret = gw_link_memory(l, GW_RING_HEADER_BYTES + ENTRIES *
				 (sizeof(struct gw_ring_sqe) + sizeof(struct gw_ring_cqe)));

	if (ret)
		return ret;
	l->tail = l->head = 0;
	l->filled = 0;
	((struct gw_ring *)l->memory)->cq_event = UINT32_MAX;
	gw_link_write(l, GW_REG_RING_GPA_LO, 0);
	gw_link_write(l, GW_REG_RING_GPA_HI, 0);
	gw_link_write(l, GW_REG_RING_SHIFT, SHIFT);
	gw_link_write(l, GW_REG_RING_ENABLE, 1);
	return gw_link_read(l, GW_REG_RING_ENABLE) == 1 ? 0 : -EIO;
}

static int port_send(struct gw_companion_link *l, const struct gw_port_reply *reply)
{
	const char *at = (const char *)reply;
	size_t left = sizeof(*reply);
	ssize_t n;
	int ret = 0;

	while (left && !ret) {
		n = send(l->client, at, left, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0) {
			at += n;
			left -= (size_t)n;
		} else if (errno == EAGAIN) {
			ret = gw_link_wait(l, POLLOUT);
		} else if (errno != EINTR) {
			ret = errno == EPIPE ? -ECONNRESET : -errno;
		}
	}
	return ret;
}

/* Send the completions there are. Return: 1 the last was among them; 0; -errno. */
static int port_complete(struct gw_companion_link *l, struct gw_port_reply *reply)
{
	struct gw_ring *ring = l->memory;
	uint32_t tail = __atomic_load_n(&ring->cq_tail, __ATOMIC_ACQUIRE);
	int ret = 0;

	while (l->head != tail && !ret) {
		reply->cqe = *completion_at(l, l->head++);
		__atomic_store_n(&ring->cq_head, l->head, __ATOMIC_RELEASE);
		ret = port_send(l, reply);
		if (!ret && !(reply->cqe.flags & GW_RING_F_MORE))
			ret = 1;
	}
	return ret;
}

static int port_entry(struct gw_companion_link *l, const struct gw_port_request *r,
		      struct gw_port_reply *reply)
{
	struct gw_ring *ring = l->memory;
	int ret;

	*entry_at(l, l->tail++) = r->sqe;
	__atomic_store_n(&ring->sq_tail, l->tail, __ATOMIC_RELEASE);
	/* a doorbell may return earlier, where the host is slow */
	do {
		gw_link_write(l, GW_REG_RING_DOORBELL, 1);
		ret = port_complete(l, reply);
	} while (!ret && gw_link_read(l, GW_REG_RING_ENABLE) == 1);
	return ret < 0 ? ret : ret ? 0 : -EIO;
}

static bool may_write(uint32_t reg)
{
	return reg == GW_REG_CONTROL || reg == GW_REG_NONCE_LO || reg == GW_REG_NONCE_HI;
}

static int port_request(struct gw_companion_link *l, const struct gw_port_request *r)
{
	struct gw_port_reply reply = { .tag = r->tag, .status = GW_STATUS_OK };

	switch (r->op) {
	case GW_PORT_READ:
		reply.value = gw_link_read(l, r->reg);
		break;
	case GW_PORT_WRITE:
		if (may_write(r->reg))
			gw_link_write(l, r->reg, r->value);
		else
			reply.status = GW_STATUS_INVAL;
		break;
	case GW_PORT_ENTRY:
		return port_entry(l, r, &reply);
	default:
		reply.status = GW_STATUS_INVAL;
	}
	return port_send(l, &reply);
}

static int port_heard(struct gw_companion_link *l)
{
	ssize_t n;
	int ret = 0;

	for (unsigned int i = 0; i < REQUESTS && !ret; i++) {
		n = recv(l->client, (char *)&l->request + l->filled, sizeof(l->request) - l->filled,
			 MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		if (!n)
			return -ECONNRESET;
		l->filled += (size_t)n;
		if (l->filled < sizeof(l->request))
			continue;
		l->filled = 0;
		ret = port_request(l, &l->request);
	}
	return ret;
}

static int port_kicked(struct gw_companion_link *l)
{
	return 0;
}

static void port_end(struct gw_companion_link *l)
{
}

const struct gw_link_ops gw_link_port = {
	.name = "port",
	.begin = port_begin,
	.heard = port_heard,
	.kicked = port_kicked,
	.end = port_end,
};
