/* SPDX-License-Identifier: BSD-3-Clause */
/* Framing, negotiation, and what holds for every message. */
#include "vfio_user_peer.h"

#include <sys/resource.h>
#include <time.h>

#include "vfio_user/negotiate.h"

static void header_sizes_that_cannot_be_end_the_connection(void **state)
{
	static const uint32_t sizes[] = { 0, 15, GW_VU_MAX_MSG + 1, UINT32_MAX };
	struct peer *p = *state;

	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct hdr h = { 1, GW_VU_RESET, sizes[i], 0, 0 };

		log_unlimit(p);
		forget(p, p->lines);
		assert_true(send_raw(p->sock, &h, sizeof(h), NULL, 0));
		assert_closed(p);
		wait_detached(p, i + 1);
		assert_true(logged(p, "connection closed: a header with an impossible size"));
		assert_trace(p, "detach\n");
		peer_meet(p);
		assert_trace(p, "attach\n");
	}
}

static void a_type_that_is_neither_command_nor_reply_ends_the_connection(void **state)
{
	struct peer *p = *state;

	send_msg(p, GW_VU_RESET, 2, NULL, 0, NULL, 0);
	assert_closed(p);
	wait_detached(p, 1);
	assert_trace(p, "detach\n");
	assert_true(logged(p, "neither command nor reply"));
}

static void unknown_commands_are_refused_in_sync(void **state)
{
	static const uint16_t cmds[] = { 0, GW_VU_GET_REGION_IO_FDS, GW_VU_DMA_READ,
		GW_VU_DMA_WRITE, 14, GW_VU_MIG_DATA_READ, GW_VU_MIG_DATA_WRITE,
		GW_VU_NR_CMDS, 0xffff };
	struct peer *p = *state;
	static uint8_t body[100000];

	for (unsigned int i = 0; i < ARRAY_SIZE(cmds); i++) {
		assert_int_equal(call(p, cmds[i], body, i * 10000, NULL, 0), EOPNOTSUPP);
		assert_in_sync(p);
	}
	assert_trace(p, "");
}

static void flags_a_command_cannot_have_are_refused(void **state)
{
	struct peer *p = *state;
	static const uint32_t flags[] = { GW_VU_ERROR, 0x40, 0x80000000 };

	for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++)
		assert_int_equal(expect(p, send_msg(p, GW_VU_RESET, flags[i], NULL, 0, NULL, 0),
					GW_VU_RESET, NULL, 0), EINVAL);
	assert_trace(p, "");
	assert_in_sync(p);
}

static void a_reply_nobody_waits_for_is_dropped(void **state)
{
	struct peer *p = *state;
	uint8_t body[500] = { 0 };

	for (unsigned int i = 0; i < 300; i++)
		send_msg(p, i % 2 ? GW_VU_DMA_READ : GW_VU_RESET, GW_VU_REPLY, body, i, NULL, 0);
	assert_in_sync(p);
	assert_trace(p, "");
	assert_true(logged(p, "nobody waits for it"));
}

static void lengths_are_checked_for_every_command(void **state)
{
	static const struct { uint16_t cmd; uint32_t min, max; } ops[] = {
		{ GW_VU_DMA_MAP, 32, 32 },
		{ GW_VU_DMA_UNMAP, 24, 40 },
		{ GW_VU_GET_INFO, 16, 24 },
		{ GW_VU_GET_REGION_INFO, 32, 4096 },
		{ GW_VU_GET_IRQ_INFO, 16, 16 },
		{ GW_VU_SET_IRQS, 20, 20 + 2048 },
		{ GW_VU_REGION_READ, 16, 16 },
		{ GW_VU_REGION_WRITE, 16, 16 + GW_VU_MAX_XFER },
		{ GW_VU_RESET, 0, 0 },
		{ GW_VU_REGION_WRITE_MULTI, 8, 8 + 200 * 24 },
	};
	struct peer *p = *state;
	uint8_t body[8192] = { 0 };

	for (unsigned int i = 0; i < ARRAY_SIZE(ops); i++) {
		if (ops[i].min)
			assert_int_equal(call(p, ops[i].cmd, body, ops[i].min - 1, NULL, 0),
					 EMSGSIZE);
		if (ops[i].max < sizeof(body))
			assert_int_equal(call(p, ops[i].cmd, body, ops[i].max + 1, NULL, 0),
					 EMSGSIZE);
	}
	assert_trace(p, "");
	assert_in_sync(p);
}

static void nothing_is_answered_before_the_version(void **state)
{
	struct peer *p = *state;
	uint8_t body[32] = { 0 };

	p->sock = peer_connect(p->path);
	for (uint16_t cmd = GW_VU_DMA_MAP; cmd <= GW_VU_RESET; cmd++) {
		int err = call(p, cmd, body, cmd == GW_VU_RESET ? 0 : 32, NULL, 0);

		assert_true(err == EPROTO || err == EOPNOTSUPP);
	}
	assert_trace(p, "");
	assert_int_equal(version(p, QEMU_CAPS), 0);
	assert_trace(p, "attach\n");
}

static void a_second_version_is_refused(void **state)
{
	struct peer *p = *state;

	assert_int_equal(version(p, QEMU_CAPS), EPROTO);
	assert_in_sync(p);
	assert_trace(p, "");
}

static void another_major_version_is_refused_and_the_minor_is_the_lesser(void **state)
{
	struct peer *p = *state;
	uint8_t in[4] = { 1, 0, 0, 0 }, out[128];
	struct hdr h;

	p->sock = peer_connect(p->path);
	assert_int_equal(call(p, GW_VU_VERSION, in, 4, NULL, 0), EINVAL);
	assert_true(logged(p, "version 1.0"));
	assert_trace(p, "");
	in[0] = 0;
	in[2] = 7;
	send_msg(p, GW_VU_VERSION, 0, in, 4, NULL, 0);
	assert_true(recv_msg(p, &h, out, sizeof(out)));
	assert_int_equal(h.flags, GW_VU_REPLY);
	assert_true(h.size < 214);
	assert_memory_equal(out, "\0\0\0\0", 4);
}

static void capabilities_that_make_no_sense_are_refused(void **state)
{
	static const char *const bad[] = {
		"", "{", "[]", "1", "null", "\"capabilities\"", "{}x", "{} {}",
		"{\"capabilities\":[]}", "{\"capabilities\":7}",
		"{\"capabilities\":{\"max_msg_fds\":-1}}",
		"{\"capabilities\":{\"max_msg_fds\":\"16\"}}",
		"{\"capabilities\":{\"max_msg_fds\":1.5}}",
		"{\"capabilities\":{\"max_data_xfer_size\":0}}",
		"{\"capabilities\":{\"max_data_xfer_size\":{}}}",
		"{\"capabilities\":{\"a\":[[[[[[[[[[[[[[]]]]]]]]]]]]]]}}",
		"{\"capabilities\":{\"a\":\"\xff\xfe\"}}",
	};
	struct peer *p = *state;

	p->sock = peer_connect(p->path);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(version(p, bad[i]), EINVAL);
	assert_int_equal(call(p, GW_VU_VERSION, "\0\0\0\0{}", 6, NULL, 0), EINVAL);
	assert_int_equal(call(p, GW_VU_VERSION, "\0\0\0\0{}\0{}", 10, NULL, 0), EINVAL);
	assert_trace(p, "");
	assert_int_equal(version(p, QEMU_CAPS), 0);
}

static void a_refusal_says_which_capability_makes_no_sense(void **state)
{
	static const struct { const char *json, *says; } bad[] = {
		{ "[]", "no JSON object" },
		{ "{\"capabilities\":7}", "\"capabilities\" is no object" },
		{ "{\"capabilities\":{\"max_msg_fds\":-1}}", "max_msg_fds" },
		{ "{\"capabilities\":{\"max_data_xfer_size\":\"1\"}}", "max_data_xfer_size" },
		{ "{\"capabilities\":{\"max_data_xfer_size\":0}}", "max_data_xfer_size" },
		{ "{]", "object property name" },
	};
	struct peer *p = *state;

	p->sock = peer_connect(p->path);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		log_unlimit(p);
		forget(p, p->lines);
		assert_int_equal(version(p, bad[i].json), EINVAL);
		assert_true(logged(p, "capabilities make no sense: "));
		assert_true(logged(p, bad[i].says));
	}
}

static void capabilities_may_be_left_out_and_are_clamped(void **state)
{
	static const struct { const char *json; uint32_t fds; uint64_t xfer; } good[] = {
		{ "{}", 1, 1048576 },
		{ "{\"capabilities\":{}}", 1, 1048576 },
		{ "{\"capabilities\":{\"max_msg_fds\":0}}", 0, 1048576 },
		{ "{\"capabilities\":{\"max_msg_fds\":99999999999999}}", 253, 1048576 },
		{ "{\"capabilities\":{\"max_data_xfer_size\":4096}}", 1, 4096 },
		{ "{\"capabilities\":{\"max_data_xfer_size\":18446744073709551615}}", 1, 1048576 },
		{ "{\"capabilities\":{\"max_data_xfer_size\":1,\"max_data_xfer_size\":2}}", 1, 2 },
		{ QEMU_CAPS, 16, 1048576 },
	};
	struct gw_caps caps;

	for (unsigned int i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(gw_caps_parse(good[i].json, strlen(good[i].json) + 1, &caps), 0);
		assert_int_equal(caps.max_fds, good[i].fds);
		assert_int_equal(caps.max_xfer, good[i].xfer);
	}
	assert_int_equal(gw_caps_parse(NULL, 0, &caps), 0);
	assert_int_equal(caps.max_fds, 1);
}

/* json-c took them as the largest number there is, and refuses them since 0.17. */
static void numbers_beyond_64_bits_are_clamped_or_refused(void **state)
{
	static const char json[] = "{\"capabilities\":{\"max_msg_fds\":99999999999999999999999}}";
	struct gw_caps caps = { 0 };
	int ret = gw_caps_parse(json, sizeof(json), &caps);

	assert_true(ret == -EINVAL || (!ret && caps.max_fds == 253));
}

static void a_device_that_cannot_attach_refuses_the_version(void **state)
{
	struct peer *p = *state;

	p->fail = -EBUSY;
	p->sock = peer_connect(p->path);
	assert_int_equal(version(p, QEMU_CAPS), EBUSY);
	assert_trace(p, "attach\ndetach\n");
	assert_int_equal(version(p, QEMU_CAPS), 0);
	assert_trace(p, "attach\n");
}

static void messages_sent_together_are_answered_in_order(void **state)
{
	struct { struct hdr h; uint64_t off; uint32_t region, count; } m[500];
	struct peer *p = *state;
	uint8_t body[20];
	struct hdr h;

	for (unsigned int i = 0; i < 500; i++) {
		m[i].h = (struct hdr){ (uint16_t)(1000 + i), GW_VU_REGION_READ, 32, 0, 0 };
		m[i].off = i;
		m[i].region = GW_REGION_CONFIG;
		m[i].count = 4;
	}
	assert_true(send_raw(p->sock, m, sizeof(m), NULL, 0));
	for (unsigned int i = 0; i < 500; i++) {
		assert_true(recv_msg(p, &h, body, sizeof(body)));
		assert_int_equal(h.id, 1000 + i);
		assert_memory_equal(body + 16, p->config + i, 4);
	}
}

static void messages_in_single_bytes_are_put_together(void **state)
{
	struct { struct hdr h; uint64_t off; uint32_t region, count; } m = {
		{ 77, GW_VU_REGION_READ, 32, 0, 0 }, 8, GW_REGION_CONFIG, 4 };
	struct peer *p = *state;
	uint8_t body[20];

	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < sizeof(m); i++)
			assert_true(send_raw(p->sock, (char *)&m + i, 1, NULL, 0));
		assert_int_equal(expect(p, 77, GW_VU_REGION_READ, body, sizeof(body)), 0);
		assert_memory_equal(body + 16, p->config + 8, 4);
	}
}

static void posted_messages_get_no_answer_not_even_an_error(void **state)
{
	struct { uint64_t off; uint32_t region, count; uint32_t v; } __attribute__((packed)) w = {
		0x10, 0, 4, 0xdeadbeef };
	struct gw_vfio_user_stats st;
	struct peer *p = *state;

	send_msg(p, GW_VU_REGION_WRITE, GW_VU_NO_REPLY, &w, sizeof(w), NULL, 0);
	w.off = PEER_BAR0;
	send_msg(p, GW_VU_REGION_WRITE, GW_VU_NO_REPLY, &w, sizeof(w), NULL, 0);
	send_msg(p, 999, GW_VU_NO_REPLY, NULL, 0, NULL, 0);
	send_msg(p, GW_VU_RESET, GW_VU_NO_REPLY, NULL, 0, NULL, 0);
	assert_in_sync(p);
	assert_trace(p, "write 0 10 4 deadbeef\nreset\n");
	gw_vfio_user_stats(p->server, &st);
	assert_int_equal(st.errors, 2);
	assert_int_equal(st.messages, 6);	/* with VERSION and the last */
	assert_int_equal(st.clients, 1);
	assert_true(st.connected);
}

static void device_info_wants_room_for_itself(void **state)
{
	struct peer *p = *state;
	uint32_t in[4] = { 15 }, out[4];

	assert_int_equal(call(p, GW_VU_GET_INFO, in, 16, out, 16), EINVAL);
	in[0] = 32;	/* Cloud Hypervisor counts the header */
	assert_int_equal(call(p, GW_VU_GET_INFO, in, 16, out, 16), 0);
	assert_int_equal(out[0], 16);
	assert_int_equal(out[1], 3);
	assert_int_equal(out[2], 9);
	assert_int_equal(out[3], 5);
}

static void an_error_of_the_device_is_the_reply(void **state)
{
	struct peer *p = *state;

	p->fail = -ENODEV;
	assert_int_equal(call(p, GW_VU_RESET, NULL, 0, NULL, 0), ENODEV);
	assert_int_equal(call(p, GW_VU_RESET, NULL, 0, NULL, 0), 0);
	assert_trace(p, "reset\nreset\n");
}

static void be_slow(struct peer *p)
{
	nanosleep(&(struct timespec){ .tv_nsec = 150000000 }, NULL);
}

static void a_slow_device_is_warned_of(void **state)
{
	struct peer *p = *state;

	p->on_reset = be_slow;
	assert_int_equal(call(p, GW_VU_RESET, NULL, 0, NULL, 0), 0);
	assert_true(logged(p, "DEVICE_RESET took "));
	assert_true(logged(p, "a VMM gives up after a few seconds"));
}

struct map {
	struct hdr h;
	uint32_t argsz, flags;
	uint64_t off, iova, size;
};

static struct map a_map(uint16_t id, uint64_t iova)
{
	return (struct map){ { id, GW_VU_DMA_MAP, 48, 0, 0 }, 32, 3, 0, iova, 0x1000 };
}

/*
 * A read ends behind the bytes that carried descriptors, it does not begin with them: maps
 * without a file that were sent just before stand in front. QEMU does so for its ROMs.
 */
static void descriptors_belong_to_the_message_they_were_sent_with(void **state)
{
	struct peer *p = *state;
	struct map m;

	/* hold the server in a reset, so that all of it is read at once */
	pthread_mutex_lock(&p->lock);
	send_msg(p, GW_VU_RESET, GW_VU_NO_REPLY, NULL, 0, NULL, 0);
	for (uint16_t i = 0; i < 6; i++) {
		bool fd = i == 2 || i == 3 || i == 5;

		m = a_map(100 + i, i * 0x1000ull);
		assert_true(send_raw(p->sock, &m, sizeof(m), fd ? &p->bar2_fd : NULL, fd));
	}
	pthread_mutex_unlock(&p->lock);
	for (uint16_t i = 0; i < 6; i++)
		assert_int_equal(expect(p, 100 + i, GW_VU_DMA_MAP, NULL, 0), 0);
	assert_trace(p, "reset\n"
			"map 0 1000 off 0 prot 3\n"
			"map 1000 1000 off 0 prot 3\n"
			"map 2000 1000 off 0 prot 3 fd file\n"
			"map 3000 1000 off 0 prot 3 fd file\n"
			"map 4000 1000 off 0 prot 3\n"
			"map 5000 1000 off 0 prot 3 fd file\n");
}

static void descriptors_stay_with_a_message_that_comes_in_pieces(void **state)
{
	struct peer *p = *state;
	struct map m = a_map(5, 0x1000), next = a_map(6, 0x2000);
	char two[sizeof(m) - 7 + 3];

	assert_true(send_raw(p->sock, &m, 7, &p->bar2_fd, 1));
	/* the rest, and the first bytes of another that has its own */
	memcpy(two, (char *)&m + 7, sizeof(m) - 7);
	assert_true(send_raw(p->sock, two, sizeof(m) - 7, NULL, 0));
	assert_true(send_raw(p->sock, &next, 3, &p->bar2_fd, 1));
	assert_true(send_raw(p->sock, (char *)&next + 3, sizeof(next) - 3, NULL, 0));
	assert_int_equal(expect(p, 5, GW_VU_DMA_MAP, NULL, 0), 0);
	assert_int_equal(expect(p, 6, GW_VU_DMA_MAP, NULL, 0), 0);
	assert_trace(p, "map 1000 1000 off 0 prot 3 fd file\nmap 2000 1000 off 0 prot 3 fd file\n");
}

/* The client that went is here again, and as many descriptors are open. */
static void assert_fds_when_back(struct peer *p, unsigned int before)
{
	wait_detached(p, 1);
	p->sock = peer_connect(p->path);
	assert_int_equal(version(p, "{}"), 0);
	assert_fds(before);
}

static void descriptors_in_mid_message_end_the_connection(void **state)
{
	struct peer *p = *state;
	struct map m = a_map(5, 0x1000);
	unsigned int before = count_fds();

	assert_true(send_raw(p->sock, &m, 20, NULL, 0));
	assert_true(send_raw(p->sock, (char *)&m + 20, sizeof(m) - 20, &p->bar2_fd, 1));
	/* both may have been read at once: then they cannot be told from the first byte's */
	if (recv(p->sock, &m, sizeof(m), 0) > 0) {
		assert_trace(p, "map 1000 1000 off 0 prot 3 fd file\n");
		peer_hang_up(p);
	} else {
		assert_true(logged(p, "descriptors in the middle of a message"));
		peer_hang_up(p);
	}
	assert_fds_when_back(p, before);
}

/* Return: how many descriptors are open while nothing is under way. */
static unsigned int many_fds(struct peer *p, int fds[GW_VU_MAX_FDS])
{
	for (unsigned int i = 0; i < GW_VU_MAX_FDS; i++)
		fds[i] = p->bar2_fd;
	assert_in_sync(p);
	return count_fds();
}

static void descriptors_nobody_takes_are_closed(void **state)
{
	struct peer *p = *state;
	int fds[GW_VU_MAX_FDS];
	unsigned int before;
	struct map m = a_map(1, 0);

	before = many_fds(p, fds);
	assert_int_equal(call_fds(p, GW_VU_DMA_MAP, &m.argsz, 32, NULL, 0, fds, 2), EMSGSIZE);
	assert_int_equal(call_fds(p, 77, NULL, 0, NULL, 0, fds, ARRAY_SIZE(fds)), EOPNOTSUPP);
	for (unsigned int i = 0; i < 200; i++)
		send_msg(p, 77, GW_VU_NO_REPLY, NULL, 0, fds, ARRAY_SIZE(fds));
	send_msg(p, GW_VU_DMA_READ, GW_VU_REPLY, NULL, 0, fds, 16);
	assert_in_sync(p);
	assert_fds(before);
	assert_trace(p, "");

	/* nor are those of a message that never ends */
	log_unlimit(p);
	assert_true(send_raw(p->sock, &m, 20, fds, GW_VU_OUR_FDS));
	peer_hang_up(p);
	assert_fds_when_back(p, before);
	assert_true(logged(p, "the client went in the middle of a message"));
}

static void a_command_that_takes_no_descriptors_is_done_though_some_came(void **state)
{
	uint32_t info[4] = { 16 }, region[8] = { 32 }, irq[4] = { 16, 0, 2 };
	uint32_t unmap[6] = { 24, 0, 0x10000, 0, 0x1000, 0 }, echo[6];
	uint32_t read[4] = { 0, 0, 0, 4 }, trigger[5] = { 20, 0x21, 2, 0, 1 };
	struct peer *p = *state;
	int fds[GW_VU_MAX_FDS];
	unsigned int before;
	uint8_t out[64];

	before = many_fds(p, fds);
	for (unsigned int nr = 1; nr <= GW_VU_MAX_FDS; nr += 252) {
		assert_int_equal(call_fds(p, GW_VU_DMA_UNMAP, unmap, 24, echo, 24, fds, nr), 0);
		assert_trace(p, "unmap 10000-10fff\n");
		assert_int_equal(call_fds(p, GW_VU_GET_INFO, info, 16, out, 16, fds, nr), 0);
		assert_int_equal(call_fds(p, GW_VU_GET_REGION_INFO, region, 32, out, 32, fds, nr), 0);
		assert_int_equal(call_fds(p, GW_VU_GET_IRQ_INFO, irq, 16, out, 16, fds, nr), 0);
		assert_int_equal(call_fds(p, GW_VU_REGION_READ, read, 16, out, 20, fds, nr), 0);
		assert_trace(p, "read 0 0 4\n");
		assert_int_equal(call_fds(p, GW_VU_SET_IRQS, trigger, 20, NULL, 0, fds, nr), 0);
		assert_trace(p, "irq 2 trigger none 0+1\n");
		assert_int_equal(call_fds(p, GW_VU_RESET, NULL, 0, NULL, 0, fds, nr), 0);
		assert_trace(p, "reset\n");
	}
	assert_in_sync(p);
	assert_fds(before);
}

static void few_descriptors_are_held_for_a_message_that_is_not_complete(void **state)
{
	struct peer *p = *state;
	struct map m = a_map(1, 0);
	int fds[GW_VU_MAX_FDS];
	unsigned int before;

	before = many_fds(p, fds);
	for (size_t len = 1; len < sizeof(m); len += 18) {
		log_unlimit(p);
		forget(p, p->lines);
		assert_true(send_raw(p->sock, &m, len, fds, GW_VU_OUR_FDS + 1));
		assert_closed(p);
		wait_text(p, p->lines, "connection closed: more than 16 descriptors with a message");
		peer_meet(p);
	}
	assert_in_sync(p);
	assert_fds(before);
}

/* The kernel delivers what fits into our table and drops the rest. */
static void descriptors_we_have_no_room_for_refuse_their_message(void **state)
{
	struct peer *p = *state;
	struct rlimit was, tight;
	int fds[GW_VU_MAX_FDS], err;
	unsigned int before;
	struct map m = a_map(1, 0);

	before = many_fds(p, fds);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	tight = was;
	tight.rlim_cur = before + 20;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	err = call_fds(p, GW_VU_SET_IRQS, &(uint32_t[5]){ 20, 0x24, 2, 0, 253 }, 20, NULL, 0, fds,
		       ARRAY_SIZE(fds));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_int_equal(err, EMFILE);
	assert_in_sync(p);
	assert_fds(before);
	assert_int_equal(call_fds(p, GW_VU_DMA_MAP, &m.argsz, 32, NULL, 0, fds, 1), 0);
	assert_trace(p, "map 0 1000 off 0 prot 3 fd file\n");
}

static void a_client_that_never_reads_is_hung_up_on_at_a_bound(void **state)
{
	struct { struct hdr h; uint64_t off; uint32_t region, count; } m = {
		{ 1, GW_VU_REGION_READ, 32, 0, 0 }, 0, 0, 0x40000 };
	struct peer *p = *state;
	unsigned int i = 0;

	while (i < 1000 && send_raw(p->sock, &m, sizeof(m), NULL, 0))
		i++;
	wait_detached(p, 1);
	assert_true(logged(p, "connection closed: it does not read our replies"));
	peer_hang_up(p);
	peer_meet(p);
	assert_in_sync(p);
}

static void a_client_that_reads_late_gets_everything(void **state)
{
	struct { struct hdr h; uint64_t off; uint32_t region, count; } m = {
		{ 1, GW_VU_REGION_READ, 32, 0, 0 }, 0, 0, 0x40000 };
	struct peer *p = *state;
	uint8_t *body = malloc(16 + 0x40000);
	struct hdr h;

	assert_non_null(body);
	for (unsigned int i = 0; i < sizeof(p->bar0); i++)
		p->bar0[i] = (uint8_t)(i >> 3);
	for (uint16_t i = 0; i < 12; i++) {
		m.h.id = i;
		assert_true(send_raw(p->sock, &m, sizeof(m), NULL, 0));
	}
	for (uint16_t i = 0; i < 12; i++) {
		assert_true(recv_msg(p, &h, body, 16 + 0x40000));
		assert_int_equal(h.id, i);
		assert_memory_equal(body + 16, p->bar0, 0x40000);
	}
	free(body);
}

static void the_largest_message_passes(void **state)
{
	struct peer *p = *state;
	uint8_t *buf = malloc(16 + GW_VU_MAX_XFER);
	uint8_t head[16] = { 0 };

	assert_non_null(buf);
	memcpy(head + 12, &(uint32_t){ GW_VU_MAX_XFER }, 4);
	memcpy(buf, head, 16);
	for (unsigned int i = 0; i < GW_VU_MAX_XFER; i++)
		buf[16 + i] = (uint8_t)(i * 31 >> 4);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(call(p, GW_VU_REGION_WRITE, buf, 16 + GW_VU_MAX_XFER, head, 16), 0);
		assert_memory_equal(p->bar0, buf + 16, GW_VU_MAX_XFER);
	}
	memset(buf, 0, 16 + GW_VU_MAX_XFER);
	assert_int_equal(call(p, GW_VU_REGION_READ, head, 16, buf, 16 + GW_VU_MAX_XFER), 0);
	assert_memory_equal(p->bar0, buf + 16, GW_VU_MAX_XFER);
	free(buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		met_test(header_sizes_that_cannot_be_end_the_connection),
		met_test(a_type_that_is_neither_command_nor_reply_ends_the_connection),
		met_test(unknown_commands_are_refused_in_sync),
		met_test(flags_a_command_cannot_have_are_refused),
		met_test(a_reply_nobody_waits_for_is_dropped),
		met_test(lengths_are_checked_for_every_command),
		listening_test(nothing_is_answered_before_the_version),
		met_test(a_second_version_is_refused),
		listening_test(another_major_version_is_refused_and_the_minor_is_the_lesser),
		listening_test(capabilities_that_make_no_sense_are_refused),
		cmocka_unit_test(capabilities_may_be_left_out_and_are_clamped),
		listening_test(a_refusal_says_which_capability_makes_no_sense),
		cmocka_unit_test(numbers_beyond_64_bits_are_clamped_or_refused),
		listening_test(a_device_that_cannot_attach_refuses_the_version),
		met_test(messages_sent_together_are_answered_in_order),
		met_test(messages_in_single_bytes_are_put_together),
		met_test(posted_messages_get_no_answer_not_even_an_error),
		met_test(device_info_wants_room_for_itself),
		met_test(an_error_of_the_device_is_the_reply),
		met_test(a_slow_device_is_warned_of),
		met_test(descriptors_belong_to_the_message_they_were_sent_with),
		met_test(descriptors_stay_with_a_message_that_comes_in_pieces),
		met_test(descriptors_in_mid_message_end_the_connection),
		met_test(descriptors_nobody_takes_are_closed),
		met_test(a_command_that_takes_no_descriptors_is_done_though_some_came),
		met_test(few_descriptors_are_held_for_a_message_that_is_not_complete),
		met_test(descriptors_we_have_no_room_for_refuse_their_message),
		met_test(a_client_that_never_reads_is_hung_up_on_at_a_bound),
		met_test(a_client_that_reads_late_gets_everything),
		met_test(the_largest_message_passes),
	};

	return cmocka_run_group_tests_name("vfio_user_wire", tests, NULL, NULL);
}
