/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_VFIO_USER_PEER_H
#define TESTS_UNIT_VFIO_USER_PEER_H

/*
 * Both ends around a vfio-user server: the device (vfio_user_device.h), and a raw client that
 * sends whatever a test wants. Nothing here waits by the clock: a test that hangs is
 * ended by the runner.
 */

#include "unit.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <gangway/vfio_user.h>

#include "base/util.h"
#include "fds.h"
#include "vfio_user_device.h"
#include "vfio_user/server.h"
#include "vfio_user/wire.h"

static inline void peer_log(void *opaque, enum gw_log_level level, const char *line)
{
	struct peer *p = opaque;
	size_t at;

	pthread_mutex_lock(&p->lock);
	at = strlen(p->lines);
	snprintf(p->lines + at, sizeof(p->lines) - at, "%s\n", line);
	pthread_cond_broadcast(&p->cond);
	pthread_mutex_unlock(&p->lock);
}

/* The limit on lines that a client causes would hide what a test looks for. */
static inline void log_unlimit(struct peer *p)
{
	atomic_store(&p->server->log.in_window, 0);
	atomic_store(&p->server->client_log.in_window, 0);
}

static inline struct peer *peer_new(void)
{
	struct peer *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->dev.ops = &peer_ops;
	p->log = (struct gw_log){ .level = GW_LOG_DEBUG, .write = peer_log, .opaque = p };
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->cond, NULL);
	p->sock = -1;
	for (unsigned int i = 0; i < PEER_VECTORS; i++)
		p->kept[i] = -1;
	for (unsigned int i = 0; i < sizeof(p->config); i++)
		p->config[i] = (uint8_t)(i * 7);
	p->bar2_fd = memfd_create("bar2", MFD_CLOEXEC);
	assert_true(p->bar2_fd >= 0);
	assert_int_equal(ftruncate(p->bar2_fd, PEER_BAR2 + 0x2000), 0);
	strcpy(p->dir, "/tmp/gw-test-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->path, sizeof(p->path), "%s/s", p->dir);
	return p;
}

static inline void peer_hang_up(struct peer *p)
{
	if (p->sock >= 0)
		close(p->sock);
	p->sock = -1;
}

static inline void peer_free(struct peer *p)
{
	gw_vfio_user_close(p->server);
	peer_hang_up(p);
	while (thread_lives("gw-closer"))	/* of what clients left: the next test counts */
		sched_yield();
	assert_int_equal(p->attached, p->detached);
	drop_kept(p);
	close(p->bar2_fd);
	unlink(p->path);
	assert_int_equal(rmdir(p->dir), 0);
	pthread_cond_destroy(&p->cond);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static inline int peer_connect(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	strcpy(a.sun_path, path);
	if (!connect(fd, (struct sockaddr *)&a, sizeof(a)))
		return fd;
	close(fd);
	return -1;
}

static inline void peer_listen(struct peer *p)
{
	assert_int_equal(gw_vfio_user_listen(p->path, &p->dev, &p->opt, &p->log, &p->server), 0);
}

/* Wait until the text @buf, guarded by the lock, holds @what. */
static inline void wait_text(struct peer *p, const char *buf, const char *what)
{
	pthread_mutex_lock(&p->lock);
	while (!strstr(buf, what))
		pthread_cond_wait(&p->cond, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

static inline void wait_detached(struct peer *p, unsigned int nr)
{
	pthread_mutex_lock(&p->lock);
	while (p->detached < nr)
		pthread_cond_wait(&p->cond, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

/* What the device was asked since the last look. */
static inline void assert_trace(struct peer *p, const char *want)
{
	char got[sizeof(p->trace)];

	pthread_mutex_lock(&p->lock);
	strcpy(got, p->trace);
	p->trace[0] = 0;
	pthread_mutex_unlock(&p->lock);
	assert_string_equal(got, want);
}

/* How often does the log hold @what? */
static inline unsigned int times_logged(struct peer *p, const char *what)
{
	unsigned int nr = 0;

	pthread_mutex_lock(&p->lock);
	for (const char *at = p->lines; (at = strstr(at, what)); at++)
		nr++;
	pthread_mutex_unlock(&p->lock);
	return nr;
}

static inline bool logged(struct peer *p, const char *what)
{
	return times_logged(p, what);
}

/* Forget what was asked or logged so far: @buf is the trace or the lines. */
static inline void forget(struct peer *p, char *buf)
{
	pthread_mutex_lock(&p->lock);
	buf[0] = 0;
	pthread_mutex_unlock(&p->lock);
}

struct hdr {
	uint16_t id, cmd;
	uint32_t size, flags, err;
};

/* Send bytes as they are, with descriptors. */
static inline bool send_raw(int sock, const void *buf, size_t len, const int *fds, unsigned int nr)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(GW_VU_MAX_FDS * sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *h;

	if (nr) {
		mh.msg_control = control;
		mh.msg_controllen = CMSG_SPACE(nr * sizeof(int));
		h = CMSG_FIRSTHDR(&mh);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(nr * sizeof(int));
		memcpy(CMSG_DATA(h), fds, nr * sizeof(int));
	}
	while (len) {
		ssize_t n = sendmsg(sock, &mh, MSG_NOSIGNAL);

		if (n < 0)
			return false;
		len -= (size_t)n;
		iov.iov_base = (char *)iov.iov_base + n;
		iov.iov_len = len;
		mh.msg_control = NULL;
		mh.msg_controllen = 0;
	}
	return true;
}

/* Send one message; returns its id. */
static inline uint16_t send_msg(struct peer *p, uint16_t cmd, uint32_t flags, const void *body,
				size_t len, const int *fds, unsigned int nr)
{
	struct hdr h = { p->id++, cmd, (uint32_t)(sizeof(h) + len), flags, 0 };
	uint8_t *buf = malloc(sizeof(h) + len);

	assert_non_null(buf);
	memcpy(buf, &h, sizeof(h));
	if (len)
		memcpy(buf + sizeof(h), body, len);
	assert_true(send_raw(p->sock, buf, sizeof(h) + len, fds, nr));
	free(buf);
	return h.id;
}

/* Receive one message with at most one descriptor; false at the end of the stream. */
static inline bool recv_msg_fd(int sock, struct hdr *h, void *body, size_t room, int *fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { .iov_base = h, .iov_len = sizeof(*h) };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			     .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(sock, &mh, MSG_WAITALL);

	*fd = -1;
	if (n <= 0)
		return false;
	assert_int_equal(n, sizeof(*h));
	if (mh.msg_controllen)
		memcpy(fd, CMSG_DATA(CMSG_FIRSTHDR(&mh)), sizeof(*fd));
	assert_true(h->size >= sizeof(*h) && h->size - sizeof(*h) <= room);
	if (h->size > sizeof(*h))
		assert_int_equal(recv(sock, body, h->size - sizeof(*h), MSG_WAITALL),
				 h->size - sizeof(*h));
	return true;
}

static inline bool recv_msg(struct peer *p, struct hdr *h, void *body, size_t room)
{
	int fd;
	bool ok = recv_msg_fd(p->sock, h, body, room, &fd);

	assert_true(!ok || fd < 0);
	return ok;
}

/* The reply to message @id. Returns its errno; the payload must then be empty, else @len bytes. */
static inline int expect(struct peer *p, uint16_t id, uint16_t cmd, void *body, size_t len)
{
	struct hdr h;

	assert_true(recv_msg(p, &h, body, len));
	assert_int_equal(h.id, id);
	assert_int_equal(h.cmd, cmd);
	if (h.flags == (GW_VU_REPLY | GW_VU_ERROR)) {
		assert_int_equal(h.size, sizeof(h));
		assert_int_not_equal(h.err, 0);
		return (int)h.err;
	}
	assert_int_equal(h.flags, GW_VU_REPLY);
	assert_int_equal(h.err, 0);
	assert_int_equal(h.size, sizeof(h) + len);
	return 0;
}

/* A request and its reply of exactly @out_len bytes. Returns the errno of an error reply, or 0. */
static inline int call_fds(struct peer *p, uint16_t cmd, const void *in, size_t in_len, void *out,
			   size_t out_len, const int *fds, unsigned int nr)
{
	return expect(p, send_msg(p, cmd, 0, in, in_len, fds, nr), cmd, out, out_len);
}

static inline int call(struct peer *p, uint16_t cmd, const void *in, size_t in_len, void *out,
		       size_t out_len)
{
	return call_fds(p, cmd, in, in_len, out, out_len, NULL, 0);
}

static inline int version(struct peer *p, const char *json)
{
	static const char ours[] =
		"{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":1048576}}";
	size_t len = json ? strlen(json) + 1 : 0;
	uint8_t *in = calloc(1, 4 + len), out[4 + sizeof(ours)];
	int err;

	assert_non_null(in);
	if (json)
		memcpy(in + 4, json, len);
	err = call(p, GW_VU_VERSION, in, 4 + len, out, sizeof(out));
	free(in);
	if (!err) {
		assert_memory_equal(out, "\0\0\0\0", 4);
		assert_string_equal((char *)out + 4, ours);
	}
	return err;
}

/* Connect and negotiate as QEMU does. */
#define QEMU_CAPS "{\"capabilities\":{\"migration\":{\"pgsize\":4096," \
	"\"max_bitmap_size\":268435456},\"max_msg_fds\":16,\"max_data_xfer_size\":1048576," \
	"\"pgsizes\":4096,\"max_dma_maps\":65535,\"write_multiple\":true}}"

static inline void peer_meet(struct peer *p)
{
	p->sock = peer_connect(p->path);
	assert_true(p->sock >= 0);
	assert_int_equal(version(p, QEMU_CAPS), 0);
}

/* The connection still answers, and so everything sent before has been acted on. */
static inline void assert_in_sync(struct peer *p)
{
	uint32_t in[4] = { 16 }, out[4];

	assert_int_equal(call(p, GW_VU_GET_INFO, in, sizeof(in), out, sizeof(out)), 0);
	assert_int_equal(out[0], 16);
	assert_int_equal(out[2], 9);
	assert_int_equal(out[3], 5);
}

/* The server hangs up, perhaps after replies to what came before. */
static inline void assert_closed(struct peer *p)
{
	char buf[4096];
	ssize_t n;

	do {
		n = recv(p->sock, buf, sizeof(buf), 0);
	} while (n > 0);
	assert_true(n == 0 || errno == ECONNRESET);
	peer_hang_up(p);
}

/* Fixtures: a server with a client that has negotiated, or without. */
static inline int setup_met(void **state)
{
	struct peer *p = peer_new();

	peer_listen(p);
	peer_meet(p);
	assert_trace(p, "attach\n");
	*state = p;
	return 0;
}

static inline int setup_listening(void **state)
{
	struct peer *p = peer_new();

	peer_listen(p);
	*state = p;
	return 0;
}

static inline int teardown(void **state)
{
	peer_free(*state);
	return 0;
}

#define met_test(f) cmocka_unit_test_setup_teardown(f, setup_met, teardown)
#define listening_test(f) cmocka_unit_test_setup_teardown(f, setup_listening, teardown)

#endif
