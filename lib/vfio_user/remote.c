/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfio_user/remote.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

#include "base/lock.h"
#include "base/reader.h"
#include "base/util.h"

/*
 * How it works: a call sends DMA_READ or DMA_WRITE and sleeps; the connection thread finds it by
 * id and command when the reply comes. It must not be made by the connection thread: QEMU holds
 * its big lock while it waits for our reply and needs that lock to answer us.
 *
 * The specification's request has a 64-bit count, then the data. QEMU 10.1 and 10.2 read a 32-bit
 * count with the data right behind it, 4 bytes earlier, and count 4 bytes of padding at the end;
 * the message is as long either way ("wide" and "narrow"). Nothing negotiates this, so the first
 * call of a connection asks: it reads one byte with a count of 2^32 + 1. A wide client refuses that
 * as larger than a message may be; a narrow one does not see the upper half and answers. One that
 * says that the address is bad tells us nothing about the layout, but then the call would have
 * failed in the same way.
 */

#define HEAD_WIDE	32u		/* bytes of header, address and count */
#define HEAD_NARROW	28u
#define PROBE_COUNT	((1ull << 32) + 1)
#define PROBE_PAUSE_NS	5000000u

/*
 * QEMU drops the rest of a reply that its socket's buffer takes only in part, and all that follows
 * makes no sense then. Linux takes a message of up to some 48 KiB wholly or not at all, and QEMU
 * copes with either; so no read asks for more than this.
 */
#define MAX_READ	32768u

static struct gw_client *client_of(struct gw_remote *r)
{
	return container_of(r, struct gw_client, remote);
}

static void finish(struct gw_client *c, struct gw_call *call, int ret) GW_HOLDS(c->lock)
{
	call->ret = ret;
	call->done = true;
	pthread_cond_broadcast(&c->done);
}

void gw_remote_fail_calls(struct gw_client *c, int err)
{
	struct gw_call *call;

	LIST_FOREACH(call, &c->calls, link)
		if (!call->done)
			finish(c, call, err);
}

/* What does this reply mean to its call? The data is copied, so that the call may then leave. */
static int judge(struct gw_client *c, struct gw_call *call, const struct gw_msg *m)
	GW_HOLDS(c->lock)
{
	size_t data = c->layout == GW_DMA_LAYOUT_NARROW || call->probe ? 12 : 16;
	size_t want = 16 + (call->cmd == GW_VU_DMA_READ ? call->len : 0);
	struct gw_reader in = gw_reader_init(m->body, m->len);
	uint64_t addr;
	uint32_t count;

	if (m->flags & GW_VU_ERROR) {
		call->wire_errno = m->err;
		return -EFAULT;
	}
	/* to a write, QEMU 10 answers with a bare header */
	if (call->cmd == GW_VU_DMA_WRITE && !m->len)
		return 0;
	if (m->len != want || !gw_reader_u64(&in, &addr) || !gw_reader_u32(&in, &count) ||
	    addr != call->addr || count != call->len) {
		gw_log_guest(c->log, "vfio-user: the reply to a DMA request for %#" PRIx64 ", %zu "
			     "bytes, does not fit it", call->addr, call->len);
		return -EFAULT;
	}
	if (call->cmd == GW_VU_DMA_READ)
		memcpy(call->buf, m->body + data, call->len);
	return 0;
}

int gw_remote_reply(struct gw_client *c, struct gw_msg *m)
{
	struct gw_call *call;

	pthread_mutex_lock(&c->lock);
	LIST_FOREACH(call, &c->calls, link)
		if (call->id == m->id && call->cmd == m->cmd && !call->done)
			break;
	if (call)
		finish(c, call, judge(c, call, m));
	pthread_mutex_unlock(&c->lock);
	if (!call)
		gw_log_guest(c->log, "vfio-user: reply %u to command %u: nobody waits for it",
			     m->id, m->cmd);
	return 0;
}

static void make_head(const struct gw_call *call, uint32_t size, uint64_t count,
		      uint8_t head[HEAD_WIDE])
{
	memset(head, 0, HEAD_WIDE);
	memcpy(head, &call->id, 2);
	memcpy(head + 2, &call->cmd, 2);
	memcpy(head + 4, &size, 4);
	memcpy(head + 16, &call->addr, 8);
	memcpy(head + 24, &count, 8);
}

/*
 * The connection thread may sleep where no kick reaches it, so nothing of this may be left in the
 * outbox. Return: 0; -EAGAIN the socket takes nothing now; -EPIPE.
 */
static int send_probe(struct gw_client *c, const struct gw_call *call) GW_HOLDS(c->lock)
{
	uint8_t head[HEAD_WIDE];
	ssize_t n;

	atomic_store(&c->polls, true);
	make_head(call, sizeof(head), PROBE_COUNT, head);
	n = send(c->fd, head, sizeof(head), MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n == (ssize_t)sizeof(head))
		return 0;
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return -EAGAIN;
	shutdown(c->fd, SHUT_RDWR);
	return -EPIPE;
}

/* The connection thread is told to end if the stream broke. */
static int send_call(struct gw_client *c, const struct gw_call *call, const uint8_t *data)
	GW_HOLDS(c->lock)
{
	static const uint32_t pad;
	bool narrow = c->layout == GW_DMA_LAYOUT_NARROW;
	uint8_t head[HEAD_WIDE];
	struct iovec iov[GW_OUTBOX_IOV] = {
		{ .iov_base = head, .iov_len = narrow && data ? HEAD_NARROW : HEAD_WIDE },
		{ .iov_base = (void *)data, .iov_len = call->len },
		{ .iov_base = (void *)&pad, .iov_len = sizeof(pad) },
	};
	int ret;

	make_head(call, HEAD_WIDE + (uint32_t)(data ? call->len : 0), call->len, head);
	ret = gw_outbox_send(&c->out, c->fd, iov, !data ? 1 : narrow ? 3 : 2, -1);
	if (ret) {
		shutdown(c->fd, SHUT_RDWR);
		return -EPIPE;
	}
	if (gw_outbox_waits(&c->out))
		gw_kick_give(&c->kick);
	return 0;
}

/* Until something is done or the outbox empty. Return: 0; -ETIMEDOUT */
static int sleep_until(struct gw_client *c, uint64_t ns) GW_HOLDS(c->lock)
{
	struct timespec ts = { .tv_sec = (time_t)(ns / 1000000000),
			       .tv_nsec = (long)(ns % 1000000000) };

	return -pthread_cond_timedwait(&c->done, &c->lock, &ts);
}

/* Send @call as soon as it can be, wait for its end. Return: 0; -ETIMEDOUT, -EPIPE */
static int call_run(struct gw_client *c, struct gw_call *call, const uint8_t *data)
	GW_HOLDS(c->lock)
{
	uint64_t until = gw_now_ns() + c->call_timeout_ns, now;
	bool sent = false;
	int ret = 0;

	while (!call->done && !ret) {
		if (sent || gw_outbox_waits(&c->out)) {
			ret = sleep_until(c, until);
			continue;
		}
		ret = call->probe ? send_probe(c, call) : send_call(c, call, data);
		sent = !ret;
		now = gw_now_ns();
		if (ret == -EAGAIN && now < until) {	/* nobody tells when there is room */
			sleep_until(c, now + PROBE_PAUSE_NS);
			ret = 0;
		}
	}
	if (call->done)
		return call->ret;
	return ret == -EAGAIN ? -ETIMEDOUT : ret;
}

/*
 * One request and its reply. A request is sent only when the outbox is empty, so that however
 * many threads call, it holds no more than one of theirs.
 */
static int call_wait(struct gw_client *c, struct gw_call *call, const uint8_t *data)
{
	struct gw_log *log = c->log;	/* @c may be gone when the lock is */
	int ret;

	pthread_mutex_lock(&c->lock);
	/* the connection thread would wait for itself */
	assert(c->fd < 0 || !pthread_equal(pthread_self(), c->thread));
	if (c->fd < 0 || c->stops) {
		ret = c->fd < 0 ? -EPIPE : -ECANCELED;
		goto unlock;
	}
	call->id = c->next_id++;
	LIST_INSERT_HEAD(&c->calls, call, link);
	ret = call_run(c, call, data);
	LIST_REMOVE(call, link);
	if (c->fd < 0)
		pthread_cond_broadcast(&c->done);	/* end() waits for us to leave */
unlock:
	pthread_mutex_unlock(&c->lock);
	if (ret == -ETIMEDOUT)
		gw_log_guest(log, "vfio-user: no reply to a DMA request for %#" PRIx64,
			     call->addr);
	return ret;
}

/* Is the layout known, or can it be found out by reading at @addr? */
static int learn_layout(struct gw_client *c, uint64_t addr)
{
	uint8_t byte;
	struct gw_call probe = { .cmd = GW_VU_DMA_READ, .addr = addr, .buf = &byte, .len = 1,
				 .probe = true };
	enum gw_dma_layout layout;
	int ret;

	pthread_mutex_lock(&c->lock);
	layout = c->layout;
	pthread_mutex_unlock(&c->lock);
	if (layout != GW_DMA_LAYOUT_UNKNOWN)
		return 0;
	ret = call_wait(c, &probe, NULL);
	if (!ret)
		layout = GW_DMA_LAYOUT_NARROW;
	else if (ret != -EFAULT || probe.wire_errno == ENODEV || probe.wire_errno == EPERM ||
		 probe.wire_errno == EFAULT)
		return ret;
	else
		layout = GW_DMA_LAYOUT_WIDE;
	pthread_mutex_lock(&c->lock);
	c->layout = layout;
	pthread_mutex_unlock(&c->lock);
	gw_trace(c->log, "vfio-user: DMA by message with a count of %d bits",
		 layout == GW_DMA_LAYOUT_WIDE ? 64 : 32);
	return 0;
}

static int transfer(struct gw_client *c, uint16_t cmd, gw_vmm_addr addr, uint8_t *in,
		    const uint8_t *out, size_t len)
{
	struct gw_call call;
	uint64_t last;
	size_t max, at;
	int ret;

	if (!len)
		return 0;
	if (__builtin_add_overflow(addr.v, len - 1, &last))
		return -EFAULT;
	ret = learn_layout(c, addr.v);
	if (ret)
		return ret;
	pthread_mutex_lock(&c->lock);
	max = in && c->max_xfer > MAX_READ ? MAX_READ : c->max_xfer;
	pthread_mutex_unlock(&c->lock);
	for (at = 0; at < len && !ret; at += call.len) {
		call = (struct gw_call){ .cmd = cmd, .addr = addr.v + at,
					 .len = len - at < max ? len - at : max };
		call.buf = in ? in + at : NULL;
		ret = call_wait(c, &call, out ? out + at : NULL);
	}
	return ret;
}

static int remote_read(struct gw_remote *r, gw_vmm_addr addr, void *buf, size_t len)
{
	return transfer(client_of(r), GW_VU_DMA_READ, addr, buf, NULL, len);
}

static int remote_write(struct gw_remote *r, gw_vmm_addr addr, const void *buf, size_t len)
{
	return transfer(client_of(r), GW_VU_DMA_WRITE, addr, NULL, buf, len);
}

static void remote_stop(struct gw_remote *r)
{
	struct gw_client *c = client_of(r);

	pthread_mutex_lock(&c->lock);
	c->stops++;
	gw_remote_fail_calls(c, -ECANCELED);
	pthread_mutex_unlock(&c->lock);
}

static void remote_start(struct gw_remote *r)
{
	struct gw_client *c = client_of(r);

	pthread_mutex_lock(&c->lock);
	assert(c->stops);
	c->stops--;
	pthread_mutex_unlock(&c->lock);
}

void gw_remote_init(struct gw_client *c)
{
	static const struct gw_remote_ops ops = {
		.read = remote_read,
		.write = remote_write,
		.stop = remote_stop,
		.start = remote_start,
	};

	c->remote.ops = &ops;
}
