/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that only the VMM can reach, read and written by message. */
#include "vfio_user_job.h"

#include <sched.h>
#include <sys/ioctl.h>

#include "vfio_user/client.h"

struct dma { struct hdr h; uint64_t addr, count; uint8_t data[GW_VU_MAX_XFER + 4]; };

/* The next message is a DMA request of @size bytes for @count bytes at @addr. */
static void next_request(struct peer *p, struct dma *m, uint16_t cmd, uint64_t addr,
			 uint64_t count, uint32_t size)
{
	assert_true(recv_msg(p, &m->h, &m->addr, sizeof(*m) - sizeof(m->h)));
	assert_int_equal(m->h.cmd, cmd);
	assert_int_equal(m->h.flags, GW_VU_COMMAND);
	assert_int_equal(m->h.size, size);
	assert_int_equal(m->addr, addr);
	if (count)
		assert_int_equal(m->count, count);
}

static void reply(struct peer *p, struct dma *m, size_t payload, uint32_t err)
{
	m->h.size = (uint32_t)(sizeof(m->h) + payload);
	m->h.flags = GW_VU_REPLY | (err ? GW_VU_ERROR : 0);
	m->h.err = err;
	assert_true(send_raw(p->sock, m, m->h.size, NULL, 0));
}

/* Each connection first asks how the client counts. */
static void answer_probe(struct peer *p, struct dma *m, uint64_t addr, uint32_t err)
{
	next_request(p, m, GW_VU_DMA_READ, addr, (1ull << 32) + 1, 32);
	reply(p, m, err ? 0 : 17, err);
}

static struct dma m;

static void a_read_brings_what_the_client_answers(void **state)
{
	struct peer *p = *state;
	uint8_t buf[100], want[100];
	struct job j;

	memset(want, 0x5a, sizeof(want));
	for (unsigned int i = 0; i < 3; i++) {
		job_start(p, &j, false, 0x1234567890, buf, sizeof(buf));
		if (!i)
			answer_probe(p, &m, 0x1234567890, E2BIG);
		next_request(p, &m, GW_VU_DMA_READ, 0x1234567890, 100, 32);
		memcpy(m.data, want, 100);
		reply(p, &m, 16 + 100, 0);
		assert_int_equal(job_end(&j), 0);
		assert_memory_equal(buf, want, 100);
	}
}

static void a_write_carries_its_data(void **state)
{
	struct peer *p = *state;
	uint8_t buf[77];
	struct job j;

	memset(buf, 0xc3, sizeof(buf));
	for (unsigned int i = 0; i < 2; i++) {
		job_start(p, &j, true, 0x8000, buf, sizeof(buf));
		if (!i)
			answer_probe(p, &m, 0x8000, E2BIG);
		next_request(p, &m, GW_VU_DMA_WRITE, 0x8000, 77, 32 + 77);
		assert_memory_equal(m.data, buf, 77);
		reply(p, &m, i ? 16 : 0, 0);	/* both are seen in the wild */
		assert_int_equal(job_end(&j), 0);
	}
}

/* QEMU 10: a 32-bit count, and the data right behind it. */
static void a_client_that_counts_in_32_bits_is_understood(void **state)
{
	struct peer *p = *state;
	uint8_t buf[64], *data = (uint8_t *)&m + 28;
	struct job j;

	job_start(p, &j, false, 0x4000, buf, sizeof(buf));
	answer_probe(p, &m, 0x4000, 0);
	next_request(p, &m, GW_VU_DMA_READ, 0x4000, 64, 32);
	for (uint8_t i = 0; i < 64; i++)
		data[i] = i;
	memset(data + 64, 0, 4);
	reply(p, &m, 16 + 64, 0);
	assert_int_equal(job_end(&j), 0);
	for (uint8_t i = 0; i < 64; i++)
		assert_int_equal(buf[i], i);

	job_start(p, &j, true, 0x4000, buf, 64);
	next_request(p, &m, GW_VU_DMA_WRITE, 0x4000, 0, 32 + 64);
	assert_int_equal((uint32_t)m.count, 64);
	assert_memory_equal(data, buf, 64);
	reply(p, &m, 0, 0);
	assert_int_equal(job_end(&j), 0);
}

static void a_bad_address_is_an_error_and_says_nothing_of_the_layout(void **state)
{
	static const uint32_t errs[] = { ENODEV, EPERM, EFAULT };
	struct peer *p = *state;
	uint8_t buf[8];
	struct job j;

	for (unsigned int i = 0; i < 3; i++) {
		job_start(p, &j, i % 2, 0x4000, buf, sizeof(buf));
		answer_probe(p, &m, 0x4000, errs[i]);
		assert_int_equal(job_end(&j), -EFAULT);
	}
	job_start(p, &j, false, 0x4000, buf, sizeof(buf));
	answer_probe(p, &m, 0x4000, E2BIG);
	next_request(p, &m, GW_VU_DMA_READ, 0x4000, 8, 32);
	reply(p, &m, 0, ENODEV);
	assert_int_equal(job_end(&j), -EFAULT);
}

static void transfers_keep_to_what_the_client_takes(void **state)
{
	struct peer *p = *state;
	uint8_t buf[2500];
	struct job j;

	p->sock = peer_connect(p->path);
	assert_int_equal(version(p, "{\"capabilities\":{\"max_data_xfer_size\":1000}}"), 0);
	memset(buf, 1, sizeof(buf));
	job_start(p, &j, true, 0x100, buf, sizeof(buf));
	answer_probe(p, &m, 0x100, EINVAL);
	for (unsigned int at = 0; at < 2500; at += 1000) {
		uint32_t n = at == 2000 ? 500 : 1000;

		next_request(p, &m, GW_VU_DMA_WRITE, 0x100 + at, n, 32 + n);
		reply(p, &m, 16, 0);
	}
	assert_int_equal(job_end(&j), 0);
	job_start(p, &j, false, 0x100, buf, 1500);
	next_request(p, &m, GW_VU_DMA_READ, 0x100, 1000, 32);
	memset(m.data, 7, 1000);
	reply(p, &m, 16 + 1000, 0);
	next_request(p, &m, GW_VU_DMA_READ, 0x100 + 1000, 500, 32);
	reply(p, &m, 0, EFAULT);	/* the second part fails, so all of it */
	assert_int_equal(job_end(&j), -EFAULT);
}

/* QEMU loses what its socket does not take at once, so no reply is to be large. */
static void a_large_read_is_asked_for_in_small_pieces(void **state)
{
	static uint8_t buf[100000];
	struct peer *p = *state;
	struct job j;

	job_start(p, &j, false, 0x100, buf, sizeof(buf));
	answer_probe(p, &m, 0x100, E2BIG);
	for (uint32_t at = 0; at < sizeof(buf); at += 32768) {
		uint32_t n = sizeof(buf) - at < 32768 ? (uint32_t)sizeof(buf) - at : 32768;

		next_request(p, &m, GW_VU_DMA_READ, 0x100 + at, n, 32);
		memset(m.data, (int)(at / 32768) + 1, n);
		reply(p, &m, 16 + n, 0);
	}
	assert_int_equal(job_end(&j), 0);
	for (size_t i = 0; i < sizeof(buf); i++)
		assert_int_equal(buf[i], i / 32768 + 1);
}

static void nothing_and_a_range_that_wraps_send_no_message(void **state)
{
	struct peer *p = *state;
	uint8_t buf[8];
	struct job j;

	job_start(p, &j, false, 0x100, buf, 0);
	assert_int_equal(job_end(&j), 0);
	job_start(p, &j, true, UINT64_MAX - 6, buf, 8);
	assert_int_equal(job_end(&j), -EFAULT);
	assert_in_sync(p);
}

static void replies_that_do_not_fit_their_request_are_refused(void **state)
{
	struct peer *p = *state;
	uint8_t buf[64];
	struct job j;

	for (unsigned int i = 0; i < 6; i++) {
		job_start(p, &j, i >= 4, 0x2000, buf, sizeof(buf));
		if (!i)
			answer_probe(p, &m, 0x2000, E2BIG);
		next_request(p, &m, i >= 4 ? GW_VU_DMA_WRITE : GW_VU_DMA_READ, 0x2000, 64,
			     i >= 4 ? 96 : 32);
		if (i == 2)
			m.count = 65;
		if (i == 3 || i == 5)
			m.addr++;
		reply(p, &m, (size_t[]){ 16 + 63, 16 + 65, 16 + 64, 16 + 64, 15, 16 }[i], 0);
		assert_int_equal(job_end(&j), -EFAULT);
	}
	assert_in_sync(p);
	assert_true(logged(p, "does not fit it"));
}

static void a_reply_to_another_command_or_id_is_not_taken(void **state)
{
	struct peer *p = *state;
	uint8_t buf[8];
	struct job j;
	uint16_t id;

	job_start(p, &j, false, 0x2000, buf, sizeof(buf));
	answer_probe(p, &m, 0x2000, E2BIG);
	next_request(p, &m, GW_VU_DMA_READ, 0x2000, 8, 32);
	id = m.h.id;
	m.h.cmd = GW_VU_DMA_WRITE;
	reply(p, &m, 16, 0);
	m.h.cmd = GW_VU_DMA_READ;
	m.h.id = (uint16_t)(id + 1);
	reply(p, &m, 24, 0);
	m.h.id = id;
	memset(m.data, 9, 8);
	reply(p, &m, 24, 0);
	assert_int_equal(job_end(&j), 0);
	assert_int_equal(buf[7], 9);
	reply(p, &m, 24, 0);	/* once more: nobody waits now */
	assert_in_sync(p);
	assert_true(logged(p, "nobody waits for it"));
}

static void the_client_is_served_while_it_owes_us_a_reply(void **state)
{
	uint8_t in[16] = { [8] = GW_REGION_CONFIG, [12] = 4 }, out[20], buf[8];
	struct peer *p = *state;
	struct job j;

	job_start(p, &j, false, 0x2000, buf, sizeof(buf));
	next_request(p, &m, GW_VU_DMA_READ, 0x2000, (1ull << 32) + 1, 32);
	assert_int_equal(call(p, GW_VU_REGION_READ, in, 16, out, 20), 0);
	reply(p, &m, 0, E2BIG);
	next_request(p, &m, GW_VU_DMA_READ, 0x2000, 8, 32);
	assert_int_equal(call(p, GW_VU_REGION_READ, in, 16, out, 20), 0);
	assert_int_equal(call(p, GW_VU_RESET, NULL, 0, NULL, 0), 0);
	reply(p, &m, 24, 0);
	assert_int_equal(job_end(&j), 0);
}

/* Which of several requests and replies comes first is open: take them as they come. */
static void requests_from_both_sides_cross(void **state)
{
	uint8_t in[16] = { [8] = GW_REGION_CONFIG, [12] = 4 }, buf[8 * 512];
	unsigned int reads = 0, replies = 0;
	struct peer *p = *state;
	struct job j[8];

	for (unsigned int i = 0; i < 8; i++)
		job_start(p, &j[i], false, i << 12, buf + i * 512, 512);
	for (unsigned int i = 0; i < 50; i++)
		send_msg(p, GW_VU_REGION_READ, 0, in, sizeof(in), NULL, 0);
	while (reads < 8 || replies < 50) {
		assert_true(recv_msg(p, &m.h, &m.addr, sizeof(m) - sizeof(m.h)));
		if (m.h.cmd == GW_VU_REGION_READ) {
			assert_int_equal(m.h.flags, GW_VU_REPLY);
			replies++;
			continue;
		}
		assert_int_equal(m.h.cmd, GW_VU_DMA_READ);
		if (m.count >> 32) {
			reply(p, &m, 0, E2BIG);
			continue;
		}
		memset(m.data, (int)(m.addr >> 12) + 1, 512);
		reply(p, &m, 16 + 512, 0);
		reads++;
	}
	for (unsigned int i = 0; i < 8; i++) {
		assert_int_equal(job_end(&j[i]), 0);
		assert_int_equal(buf[i * 512], i + 1);
		assert_int_equal(buf[i * 512 + 511], i + 1);
	}
}

static void a_client_that_goes_fails_what_waits_for_it(void **state)
{
	struct peer *p = *state;
	struct gw_remote *r = p->remote;
	uint8_t buf[8];
	struct job j[3];

	for (unsigned int i = 0; i < 3; i++)
		job_start(p, &j[i], i % 2, 0x2000, buf, sizeof(buf));
	next_request(p, &m, GW_VU_DMA_READ, 0x2000, (1ull << 32) + 1, 32);
	peer_hang_up(p);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(job_end(&j[i]), -EPIPE);
	wait_detached(p, 1);
	assert_int_equal(r->ops->read(r, (gw_vmm_addr){ 0 }, buf, 8), -EPIPE);
}

static void a_server_that_closes_fails_what_waits(void **state)
{
	struct peer *p = *state;
	uint8_t buf[8];
	struct job j;

	job_start(p, &j, true, 0x2000, buf, sizeof(buf));
	next_request(p, &m, GW_VU_DMA_READ, 0x2000, (1ull << 32) + 1, 32);
	gw_vfio_user_close(p->server);
	p->server = NULL;
	assert_int_equal(job_end(&j), -EPIPE);
}

static void stopped_calls_are_cancelled_until_the_last_start(void **state)
{
	struct peer *p = *state;
	struct gw_remote *r = p->remote;
	uint8_t buf[8];
	struct job j;

	job_start(p, &j, false, 0x2000, buf, sizeof(buf));
	answer_probe(p, &m, 0x2000, E2BIG);
	next_request(p, &m, GW_VU_DMA_READ, 0x2000, 8, 32);
	r->ops->stop(r);
	r->ops->start(r);	/* at once: the call under way is cancelled all the same */
	assert_int_equal(job_end(&j), -ECANCELED);
	r->ops->stop(r);
	r->ops->stop(r);
	r->ops->start(r);
	assert_int_equal(r->ops->read(r, (gw_vmm_addr){ 0x2000 }, buf, 8), -ECANCELED);
	r->ops->start(r);
	reply(p, &m, 24, 0);	/* too late, dropped */
	job_start(p, &j, false, 0x2000, buf, sizeof(buf));
	next_request(p, &m, GW_VU_DMA_READ, 0x2000, 8, 32);
	reply(p, &m, 24, 0);
	assert_int_equal(job_end(&j), 0);
}

static struct job reset_job;

/* As a device does: nothing may wait for the VMM while the VMM waits for the reset. */
static void stop_and_join(struct peer *p)
{
	p->remote->ops->stop(p->remote);
	pthread_join(reset_job.thread, NULL);
	p->remote->ops->start(p->remote);
}

static void a_reset_ends_while_the_client_answers_nothing(void **state)
{
	struct peer *p = *state;
	uint8_t buf[8];

	p->on_reset = stop_and_join;
	job_start(p, &reset_job, false, 0x2000, buf, sizeof(buf));
	next_request(p, &m, GW_VU_DMA_READ, 0x2000, (1ull << 32) + 1, 32);
	assert_int_equal(call(p, GW_VU_RESET, NULL, 0, NULL, 0), 0);
	assert_int_equal(reset_job.ret, -ECANCELED);
	assert_trace(p, "reset\n");
}

/* What does not fit into the socket is sent on by the connection thread, and in order. */
static void large_writes_and_replies_pass_a_slow_reader(void **state)
{
	static uint8_t buf[3][600000];
	uint8_t in[16] = { [8] = GW_REGION_CONFIG, [12] = 4 };
	unsigned int writes = 0, replies = 0;
	struct peer *p = *state;
	struct job j[3];

	job_start(p, &j[0], false, 0x1000, buf[0], 1);
	answer_probe(p, &m, 0x1000, E2BIG);
	next_request(p, &m, GW_VU_DMA_READ, 0x1000, 1, 32);
	reply(p, &m, 17, 0);
	assert_int_equal(job_end(&j[0]), 0);
	for (unsigned int i = 0; i < 3; i++) {
		memset(buf[i], (int)i + 1, sizeof(buf[i]));
		job_start(p, &j[i], true, (uint64_t)(i + 1) << 32, buf[i], sizeof(buf[i]));
	}
	for (unsigned int i = 0; i < 20; i++)
		send_msg(p, GW_VU_REGION_READ, 0, in, sizeof(in), NULL, 0);
	while (writes < 3 || replies < 20) {
		assert_true(recv_msg(p, &m.h, &m.addr, sizeof(m) - sizeof(m.h)));
		if (m.h.cmd == GW_VU_REGION_READ) {
			replies++;
			continue;
		}
		assert_int_equal(m.h.cmd, GW_VU_DMA_WRITE);
		assert_int_equal(m.count, 600000);
		assert_memory_equal(m.data, buf[(m.addr >> 32) - 1], 600000);
		reply(p, &m, 16, 0);
		writes++;
	}
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(job_end(&j[i]), 0);
}

/* How many messages of @len bytes a socket takes until somebody reads. */
static unsigned int socket_room(size_t len)
{
	uint8_t buf[64] = { 0 };
	unsigned int nr = 0;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	while (send(pair[0], buf, len, MSG_DONTWAIT) == (ssize_t)len)
		nr++;
	close(pair[0]);
	close(pair[1]);
	return nr;
}

/* Have the server's socket take no more, while nothing is left in its outbox. Returns how many. */
static unsigned int fill_socket(struct peer *p)
{
	const uint8_t in[16] = { [8] = GW_REGION_CONFIG, [12] = 4 };
	unsigned int nr = socket_room(sizeof(struct hdr) + sizeof(in) + 4);
	int bytes = 0;

	for (unsigned int i = 0; i < nr; i++)
		send_msg(p, GW_VU_REGION_READ, 0, in, sizeof(in), NULL, 0);
	while (bytes < (int)(nr * (sizeof(struct hdr) + sizeof(in) + 4))) {
		sched_yield();
		assert_int_equal(ioctl(p->sock, FIONREAD, &bytes), 0);
	}
	return nr;
}

/* The connection thread sleeps in recvmsg(2) until the first request, and cannot send for us. */
static void the_first_request_waits_for_a_socket_that_is_full(void **state)
{
	struct peer *p = *state;
	struct gw_client *c = container_of(p->remote, struct gw_client, remote);
	unsigned int nr = fill_socket(p);
	uint8_t buf[8], body[20];
	struct job j;

	c->call_timeout_ns = 0;
	job_start(p, &j, false, 0x2000, buf, sizeof(buf));
	assert_int_equal(job_end(&j), -ETIMEDOUT);
	c->call_timeout_ns = 30000000000ull;
	atomic_store(&c->polls, false);		/* set by the first try at sending */
	job_start(p, &j, false, 0x2000, buf, sizeof(buf));
	while (!atomic_load(&c->polls))
		sched_yield();
	pthread_mutex_lock(&c->lock);		/* it was tried under the lock */
	assert_int_equal(c->out.bytes, 0);
	pthread_mutex_unlock(&c->lock);
	for (unsigned int i = 0; i < nr; i++) {
		assert_true(recv_msg(p, &m.h, body, sizeof(body)));
		assert_int_equal(m.h.cmd, GW_VU_REGION_READ);
	}
	answer_probe(p, &m, 0x2000, E2BIG);
	next_request(p, &m, GW_VU_DMA_READ, 0x2000, 8, 32);
	reply(p, &m, 24, 0);
	assert_int_equal(job_end(&j), 0);
}

/* The limit is over before it begins, so this needs no clock. */
static void a_client_that_never_answers_is_given_up_on(void **state)
{
	struct peer *p = *state;
	struct gw_client *c = container_of(p->remote, struct gw_client, remote);
	uint8_t buf[8];
	struct job j;

	c->call_timeout_ns = 0;
	job_start(p, &j, false, 0x2000, buf, sizeof(buf));
	next_request(p, &m, GW_VU_DMA_READ, 0x2000, (1ull << 32) + 1, 32);
	assert_int_equal(job_end(&j), -ETIMEDOUT);
	assert_true(logged(p, "no reply to a DMA request"));
	c->call_timeout_ns = 30000000000ull;
	reply(p, &m, 0, E2BIG);		/* too late */
	assert_in_sync(p);
	job_start(p, &j, false, 0x2000, buf, sizeof(buf));
	answer_probe(p, &m, 0x2000, E2BIG);
	next_request(p, &m, GW_VU_DMA_READ, 0x2000, 8, 32);
	reply(p, &m, 24, 0);
	assert_int_equal(job_end(&j), 0);
}

static void the_next_client_is_asked_anew_how_it_counts(void **state)
{
	struct peer *p = *state;
	uint8_t buf[8];
	struct job j;

	for (unsigned int i = 0; i < 3; i++) {
		job_start(p, &j, false, 0x2000, buf, sizeof(buf));
		answer_probe(p, &m, 0x2000, i % 2 ? 0 : E2BIG);
		next_request(p, &m, GW_VU_DMA_READ, 0x2000, 8, 32);
		reply(p, &m, 24, 0);
		assert_int_equal(job_end(&j), 0);
		peer_hang_up(p);
		wait_detached(p, i + 1);
		peer_meet(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		met_test(a_read_brings_what_the_client_answers),
		met_test(a_write_carries_its_data),
		met_test(a_client_that_counts_in_32_bits_is_understood),
		met_test(a_bad_address_is_an_error_and_says_nothing_of_the_layout),
		listening_test(transfers_keep_to_what_the_client_takes),
		met_test(a_large_read_is_asked_for_in_small_pieces),
		met_test(nothing_and_a_range_that_wraps_send_no_message),
		met_test(replies_that_do_not_fit_their_request_are_refused),
		met_test(a_reply_to_another_command_or_id_is_not_taken),
		met_test(the_client_is_served_while_it_owes_us_a_reply),
		met_test(requests_from_both_sides_cross),
		met_test(a_client_that_goes_fails_what_waits_for_it),
		met_test(a_server_that_closes_fails_what_waits),
		met_test(stopped_calls_are_cancelled_until_the_last_start),
		met_test(a_reset_ends_while_the_client_answers_nothing),
		met_test(large_writes_and_replies_pass_a_slow_reader),
		met_test(the_first_request_waits_for_a_socket_that_is_full),
		met_test(a_client_that_never_answers_is_given_up_on),
		met_test(the_next_client_is_asked_anew_how_it_counts),
	};

	return cmocka_run_group_tests_name("vfio_user_remote", tests, NULL, NULL);
}
