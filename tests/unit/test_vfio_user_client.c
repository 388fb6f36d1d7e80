/* SPDX-License-Identifier: BSD-3-Clause */
/* How the connection thread waits for its client, and what ends the wait. */
#include "vfio_user_job.h"

#include <sched.h>

#include "vfio_user/client.h"

/*
 * What all other threads than the test's own ask recvmsg(2) for. @before is called once, before
 * the call number @nth.
 */
static struct {
	pthread_t tester;
	_Atomic unsigned int calls, impatient, empty, leaked;
	unsigned int nth;
	_Atomic bool interrupt;		/* the next call, by a signal */
	void (*before)(void *arg);
	void *arg;
} tap;

ssize_t __real_recvmsg(int fd, struct msghdr *mh, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *mh, int flags);

static void look_at_fds(struct msghdr *mh)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(mh); h; h = CMSG_NXTHDR(mh, h)) {
		int fd;

		memcpy(&fd, CMSG_DATA(h), sizeof(fd));
		tap.leaked += !(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	}
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *mh, int flags)
{
	ssize_t n;

	if (pthread_equal(pthread_self(), tap.tester))
		return __real_recvmsg(fd, mh, flags);
	tap.impatient += !!(flags & MSG_DONTWAIT);
	if (++tap.calls == tap.nth && tap.before)
		tap.before(tap.arg);
	if (tap.interrupt) {
		tap.interrupt = false;
		errno = EINTR;
		return -1;
	}
	n = __real_recvmsg(fd, mh, flags);
	tap.empty += n < 0 && errno == EAGAIN;
	if (n >= 0)
		look_at_fds(mh);
	return n;
}

/* ---- behind a server ---- */

static void listen_and_meet(struct peer *p)
{
	memset(&tap, 0, sizeof(tap));
	tap.tester = pthread_self();
	peer_listen(p);
	peer_meet(p);
}

static void a_client_that_nobody_asks_anything_is_waited_for_in_the_kernel(void **state)
{
	struct peer *p = peer_new();

	listen_and_meet(p);
	for (unsigned int i = 0; i < 10; i++)
		assert_in_sync(p);
	assert_true(tap.calls >= 11);
	assert_int_equal(tap.impatient, 0);
	assert_int_equal(tap.empty, 0);
	peer_free(p);
}

static void a_thread_that_spins_does_not_sleep_there(void **state)
{
	struct peer *p = peer_new();

	p->opt.spin_us = 1000;
	listen_and_meet(p);
	assert_in_sync(p);
	assert_true(tap.impatient > 0);
	peer_free(p);
}

static void descriptors_are_not_left_to_programs_that_others_start(void **state)
{
	struct { uint32_t argsz, flags; uint64_t off, iova, size; } m = { 32, 3, 0, 0, 4096 };
	struct peer *p = peer_new();

	listen_and_meet(p);
	assert_int_equal(call_fds(p, GW_VU_DMA_MAP, &m, sizeof(m), NULL, 0, &p->bar2_fd, 1), 0);
	assert_int_equal(tap.leaked, 0);
	peer_free(p);
}

/* ---- a transfer by another thread ---- */

static uint8_t big[GW_VU_MAX_XFER];

/* Take a request of @size bytes; say no to it. */
static void refuse_request(struct peer *p, uint16_t cmd, uint32_t size, uint32_t err)
{
	static uint8_t body[GW_VU_MAX_XFER + 64];
	struct hdr h;

	assert_true(recv_msg(p, &h, body, sizeof(body)));
	assert_int_equal(h.cmd, cmd);
	assert_int_equal(h.size, size);
	h = (struct hdr){ h.id, h.cmd, sizeof(h), GW_VU_REPLY | GW_VU_ERROR, err };
	assert_true(send_raw(p->sock, &h, sizeof(h), NULL, 0));
}

/* The rest of it does not fit into the socket, and it is for the connection thread to send it. */
static void a_large_request_arrives_though_the_client_says_nothing(void **state)
{
	struct peer *p = peer_new();
	struct job j;

	listen_and_meet(p);
	for (unsigned int i = 0; i < 2; i++) {
		job_start(p, &j, true, 0x1000, big, sizeof(big));
		if (!i)
			refuse_request(p, GW_VU_DMA_READ, 32, E2BIG);
		refuse_request(p, GW_VU_DMA_WRITE, 32 + sizeof(big), EFAULT);
		assert_int_equal(job_end(&j), -EFAULT);
	}
	peer_free(p);
}

static void each_client_is_waited_for_in_the_kernel_anew(void **state)
{
	struct peer *p = peer_new();
	struct job j;

	listen_and_meet(p);
	job_start(p, &j, true, 0x1000, big, 1);
	refuse_request(p, GW_VU_DMA_READ, 32, ENODEV);
	assert_int_equal(job_end(&j), -EFAULT);
	assert_in_sync(p);
	assert_true(tap.impatient > 0);
	peer_hang_up(p);
	wait_detached(p, 1);
	peer_meet(p);
	tap.impatient = 0;
	assert_in_sync(p);
	assert_int_equal(tap.impatient, 0);
	peer_free(p);
}

/* ---- without a server, to see and to time what happens ---- */

struct line {
	struct peer *p;
	struct gw_client c;
	pthread_t thread;
	int fd;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool open, hold;	/* @hold: it does not serve until told */
};

static void *line_run(void *opaque)
{
	struct line *l = opaque;

	assert_int_equal(gw_client_open(&l->c, l->fd), 0);
	pthread_mutex_lock(&l->lock);
	l->open = true;
	pthread_cond_broadcast(&l->cond);
	while (l->hold)
		pthread_cond_wait(&l->cond, &l->lock);
	pthread_mutex_unlock(&l->lock);
	gw_client_serve(&l->c);
	gw_client_end(&l->c);
	return NULL;
}

static int line_setup(void **state)
{
	struct line *l = calloc(1, sizeof(*l));
	int fd[2];

	assert_non_null(l);
	memset(&tap, 0, sizeof(tap));
	tap.tester = pthread_self();
	l->p = peer_new();
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->cond, NULL);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	l->p->sock = fd[0];
	l->fd = fd[1];
	assert_int_equal(gw_client_init(&l->c, &l->p->dev, 0, &l->p->log), 0);
	*state = l;
	return 0;
}

static void line_start(struct line *l)
{
	assert_int_equal(pthread_create(&l->thread, NULL, line_run, l), 0);
	pthread_mutex_lock(&l->lock);
	while (!l->open)
		pthread_cond_wait(&l->cond, &l->lock);
	pthread_mutex_unlock(&l->lock);
}

static int line_teardown(void **state)
{
	struct line *l = *state;

	gw_client_close(&l->c);
	pthread_join(l->thread, NULL);
	gw_client_fini(&l->c);
	peer_free(l->p);
	pthread_cond_destroy(&l->cond);
	pthread_mutex_destroy(&l->lock);
	free(l);
	return 0;
}

static void a_signal_ends_no_connection(void **state)
{
	struct line *l = *state;

	tap.interrupt = true;
	line_start(l);
	assert_int_equal(version(l->p, QEMU_CAPS), 0);
	assert_false(tap.interrupt);
}

static void who_comes_as_it_closes_is_not_served(void **state)
{
	struct line *l = *state;

	gw_client_close(&l->c);
	line_start(l);
	assert_closed(l->p);
	assert_int_equal(tap.calls, 0);
}

static void close_it(void *arg)
{
	gw_client_close(arg);
}

/* That it was cut off is our doing. */
static void closing_while_half_a_message_is_there_blames_nobody(void **state)
{
	struct line *l = *state;

	tap.before = close_it;
	tap.arg = &l->c;
	tap.nth = 2;
	assert_true(send_raw(l->p->sock, "half", 4, NULL, 0));
	line_start(l);
	assert_closed(l->p);
	assert_false(logged(l->p, "middle of a message"));
}

static void close_line(struct peer *p)
{
	close_it(tap.arg);
}

static void what_was_asked_before_the_close_is_answered(void **state)
{
	struct line *l = *state;

	tap.arg = &l->c;
	l->p->on_reset = close_line;
	line_start(l);
	assert_int_equal(version(l->p, QEMU_CAPS), 0);
	assert_int_equal(call(l->p, GW_VU_RESET, NULL, 0, NULL, 0), 0);
	assert_closed(l->p);
}

static size_t waits_in_outbox(struct gw_client *c)
{
	size_t bytes;

	pthread_mutex_lock(&c->lock);
	bytes = c->out.bytes;
	pthread_mutex_unlock(&c->lock);
	return bytes;
}

static bool has_calls(struct gw_client *c)
{
	bool any;

	pthread_mutex_lock(&c->lock);
	any = !LIST_EMPTY(&c->calls);
	pthread_mutex_unlock(&c->lock);
	return any;
}

/* There is room for it in the socket before there is for the rest of the reply. */
static void the_first_request_does_not_cut_a_reply_in_two(void **state)
{
	struct { uint64_t off; uint32_t region, count; } m = { 0, 0, PEER_BAR0 };
	static uint8_t got[sizeof(struct hdr) + sizeof(m) + PEER_BAR0];
	const size_t first = 128 << 10;
	struct line *l = *state;
	uint8_t byte;
	struct job j;

	memset(l->p->bar0, 0x3c, PEER_BAR0);
	line_start(l);
	assert_int_equal(version(l->p, QEMU_CAPS), 0);
	send_msg(l->p, GW_VU_REGION_READ, 0, &m, sizeof(m), NULL, 0);
	while (!waits_in_outbox(&l->c))
		sched_yield();
	assert_int_equal(recv(l->p->sock, got, first, MSG_WAITALL), first);
	job_start(l->p, &j, false, 0x1000, &byte, 1);
	while (!has_calls(&l->c))
		sched_yield();
	assert_int_equal(recv(l->p->sock, got + first, sizeof(got) - first, MSG_WAITALL),
			 sizeof(got) - first);
	for (size_t i = sizeof(got) - PEER_BAR0; i < sizeof(got); i++)
		assert_int_equal(got[i], 0x3c);
	refuse_request(l->p, GW_VU_DMA_READ, 32, ENODEV);
	assert_int_equal(job_end(&j), -EFAULT);
}

/* Not by SIGPIPE, which would end the program. */
static void a_request_to_a_client_that_has_gone_fails(void **state)
{
	struct line *l = *state;
	struct job j;
	uint8_t byte;

	l->hold = true;		/* so that the request is the first to notice */
	line_start(l);
	peer_hang_up(l->p);
	l->p->remote = &l->c.remote;	/* nobody has attached */
	job_start(l->p, &j, false, 0x1000, &byte, 1);
	assert_int_equal(job_end(&j), -EPIPE);
	pthread_mutex_lock(&l->lock);
	l->hold = false;
	pthread_cond_broadcast(&l->cond);
	pthread_mutex_unlock(&l->lock);
}

#define line_test(f) cmocka_unit_test_setup_teardown(f, line_setup, line_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_that_nobody_asks_anything_is_waited_for_in_the_kernel),
		cmocka_unit_test(a_thread_that_spins_does_not_sleep_there),
		cmocka_unit_test(descriptors_are_not_left_to_programs_that_others_start),
		cmocka_unit_test(a_large_request_arrives_though_the_client_says_nothing),
		cmocka_unit_test(each_client_is_waited_for_in_the_kernel_anew),
		line_test(a_signal_ends_no_connection),
		line_test(who_comes_as_it_closes_is_not_served),
		line_test(closing_while_half_a_message_is_there_blames_nobody),
		line_test(what_was_asked_before_the_close_is_answered),
		line_test(the_first_request_does_not_cut_a_reply_in_two),
		line_test(a_request_to_a_client_that_has_gone_fails),
	};

	return cmocka_run_group_tests_name("vfio_user_client", tests, NULL, NULL);
}
