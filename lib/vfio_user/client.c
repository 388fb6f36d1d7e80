/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfio_user/client.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "base/vmm.h"
#include "vfio_user/dispatch.h"
#include "vfio_user/remote.h"

/*
 * How it works: one thread, the connection's, receives and answers. It alone reads the socket.
 * Other threads reach memory at the VMM through @remote: they send their request themselves and
 * sleep until the connection thread, which goes on answering the VMM meanwhile, hands them the
 * reply. The struct outlives each client that it serves, so that a late call fails with
 * -EPIPE and does not meet freed memory.
 *
 * Only the connection thread waits for the socket to take more; whoever leaves something in the
 * outbox kicks it. A kick reaches a thread only while it polls. Until the first request of another
 * thread nobody kicks, and the connection thread sleeps in recvmsg(2) itself, which saves it a
 * system call a message. The first request of a connection is small enough to be sent wholly or not
 * at all (the probe in remote.c) and never left in the outbox; from its reply on the thread polls.
 */

#define HELLO_NS		10000000000ull	/* limit: seconds until it has said its version */
#define CALL_TIMEOUT_NS		30000000000ull

int gw_client_init(struct gw_client *c, struct gw_device *dev, unsigned int spin_us,
		   struct gw_log *log)
{
	pthread_condattr_t attr;
	int ret;

	memset(c, 0, sizeof(*c));
	pthread_mutex_init(&c->lock, NULL);
	c->dev = dev;
	c->log = log;
	c->fd = -1;
	c->call_timeout_ns = CALL_TIMEOUT_NS;
	c->hello_ns = HELLO_NS;
	gw_spin_init(&c->spin, spin_us);
	LIST_INIT(&c->calls);
	gw_remote_init(c);
	ret = gw_closer_new(&c->closer);
	if (ret)
		goto destroy_lock;
	ret = gw_kick_init(&c->kick);
	if (ret)
		goto free_closer;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->done, &attr);
	pthread_condattr_destroy(&attr);
	return 0;
free_closer:
	gw_closer_free(c->closer);
destroy_lock:
	pthread_mutex_destroy(&c->lock);
	return ret;
}

void gw_client_fini(struct gw_client *c)
{
	assert(gw_client_socket(c) < 0);
	pthread_cond_destroy(&c->done);
	pthread_mutex_destroy(&c->lock);
	gw_kick_fini(&c->kick);
	gw_closer_free(c->closer);
}

/* How long a read may sleep; 0: for ever. */
static void read_limit(int fd, uint64_t ns)
{
	struct timeval tv = { .tv_sec = (time_t)(ns / 1000000000u),
			      .tv_usec = (suseconds_t)(ns % 1000000000u / 1000) };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
}

void gw_client_greeted(struct gw_client *c)
{
	c->greeted = true;
	read_limit(gw_client_socket(c), 0);
}

int gw_client_open(struct gw_client *c, int fd)
{
	int ret = gw_inbox_init(&c->in, c->closer);
	struct gw_vmm vmm;

	if (ret)
		goto close_fd;
	c->reply = malloc(GW_VU_MAX_MSG);
	if (!c->reply) {
		ret = -ENOMEM;
		goto free_inbox;
	}
	c->greeted = c->attached = false;
	c->hello_by = gw_now_ns() + c->hello_ns;
	read_limit(fd, c->hello_ns);
	atomic_store(&c->polls, false);
	memset(&c->private, 0, sizeof(c->private));
	gw_vmm_of_socket(fd, &vmm);
	pthread_mutex_lock(&c->lock);
	c->thread = pthread_self();
	c->fd = fd;
	c->vmm = vmm;
	c->layout = GW_DMA_LAYOUT_UNKNOWN;
	c->max_xfer = GW_VU_MAX_XFER;
	pthread_mutex_unlock(&c->lock);
	c->clients++;
	return 0;
free_inbox:
	gw_inbox_fini(&c->in);
close_fd:
	gw_closer_hang_up(c->closer, fd);
	return ret;
}

void gw_client_end(struct gw_client *c)
{
	int fd = gw_client_socket(c);

	pthread_mutex_lock(&c->lock);
	c->fd = -1;
	gw_remote_fail_calls(c, -EPIPE);
	gw_outbox_fini(&c->out);
	pthread_mutex_unlock(&c->lock);
	if (c->attached)
		c->dev->ops->detach(c->dev);
	pthread_mutex_lock(&c->lock);
	while (!LIST_EMPTY(&c->calls))	/* they have failed and are on their way out */
		pthread_cond_wait(&c->done, &c->lock);
	pthread_mutex_unlock(&c->lock);
	free(c->reply);
	c->reply = NULL;
	gw_inbox_fini(&c->in);
	gw_closer_hang_up(c->closer, fd);
}

void gw_client_close(struct gw_client *c)
{
	atomic_store(&c->closing, true);
	gw_kick_give(&c->kick);
	pthread_mutex_lock(&c->lock);
	if (c->fd >= 0)
		shutdown(c->fd, SHUT_RD);	/* the reply being made can still be sent */
	pthread_mutex_unlock(&c->lock);
}

int gw_client_flush(struct gw_client *c)
{
	int ret = gw_outbox_flush(&c->out, c->fd);

	if (!gw_outbox_waits(&c->out))
		pthread_cond_broadcast(&c->done);
	return ret;
}

/* Sleep until there is something to read, room for what waits to be sent, or a kick. */
static int client_sleep(struct gw_client *c)
{
	struct pollfd p[2] = {
		{ .fd = gw_client_socket(c),
		  .events = (short)(gw_outbox_waits(&c->out) ? POLLIN | POLLOUT : POLLIN) },
		{ .fd = c->kick.fd, .events = POLLIN },
	};
	int ret = 0;

	if (poll(p, 2, -1) < 0)
		return errno == EINTR ? 0 : -errno;
	if (p[1].revents)
		gw_kick_take(&c->kick);
	if (p[0].revents & POLLOUT) {
		pthread_mutex_lock(&c->lock);
		ret = gw_client_flush(c);
		pthread_mutex_unlock(&c->lock);
	}
	return ret;
}

/* Answer every message that is complete. */
static int client_drain(struct gw_client *c)
{
	struct gw_msg m;
	int ret;

	while (!atomic_load_explicit(&c->closing, memory_order_relaxed)) {
		ret = gw_inbox_next(&c->in, &m);
		if (ret <= 0)
			return ret;
		atomic_fetch_add_explicit(&c->messages, 1, memory_order_relaxed);
		ret = (m.flags & GW_VU_TYPE) == GW_VU_REPLY ? gw_remote_reply(c, &m) :
		      gw_client_dispatch(c, &m);
		gw_fds_close(m.fds, c->closer);
		if (ret)
			return ret;
		if (m.fds && gw_closer_stuck(c->closer))
			return -ETOOMANYREFS;
	}
	return -ESHUTDOWN;
}

/*
 * Wait for bytes and take them: spin if that pays, else sleep. Spinning never starts while
 * something waits to be sent or another thread has kicked us.
 */
static ssize_t client_fill(struct gw_client *c)
{
	bool spin = !gw_outbox_waits(&c->out) && gw_spin_begin(&c->spin), poll;
	ssize_t n;
	int ret;

	for (;;) {
		if (atomic_load_explicit(&c->kick.given, memory_order_acquire))
			spin = false;	/* sleeping takes note of it */
		if (atomic_load_explicit(&c->closing, memory_order_relaxed))
			return -ESHUTDOWN;
		poll = gw_outbox_waits(&c->out) || atomic_load_explicit(&c->polls, memory_order_relaxed);
		if (!spin && poll) {
			ret = client_sleep(c);
			if (ret)
				return ret;
		}
		n = gw_inbox_fill(&c->in, gw_client_socket(c), !spin && !poll);
		if (n > 0 && spin)
			gw_spin_hit(&c->spin);
		if (n != -EAGAIN && n != -EINTR)
			return n;
		if (!c->greeted && gw_now_ns() >= c->hello_by)
			return -ETIMEDOUT;
		if (spin)
			spin = gw_spin_again(&c->spin);
	}
}

static const char *reason(int err)
{
	switch (err) {
	case -EBADMSG:	return "a header with an impossible size";
	case -EPROTO:	return "descriptors in the middle of a message";
	case -EMFILE:	return "more than 16 descriptors with a message that is not complete";
	case -ETOOMANYREFS: return "descriptors that it sent do not close";
	case -ETIMEDOUT: return "it did not say its version in time";
	case -ENOBUFS:	return "it does not read our replies";
	case -EBADE:	return "a message that is neither command nor reply";
	default:	return strerror(-err);
	}
}

void gw_client_serve(struct gw_client *c)
{
	ssize_t n;
	int ret;

	do {
		n = client_fill(c);
		/* nor may it come byte by byte */
		if (n > 0 && !c->greeted && gw_now_ns() >= c->hello_by)
			n = -ETIMEDOUT;
		ret = n > 0 ? client_drain(c) : (int)n;
	} while (n > 0 && !ret);
	if (ret == -ESHUTDOWN || atomic_load(&c->closing))
		return;
	if (ret && ret != -ECONNRESET && ret != -EPIPE)
		gw_log_guest(c->log, "vfio-user: connection closed: %s", reason(ret));
	else if (c->in.head != c->in.tail)
		gw_log_guest(c->log, "vfio-user: the client went in the middle of a message");
}
