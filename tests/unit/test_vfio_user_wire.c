/* SPDX-License-Identifier: BSD-3-Clause */
/* Framing, and what holds for every message. */
#include "vfio_user_peer.h"

#include <time.h>

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
		met_test(messages_sent_together_are_answered_in_order),
		met_test(messages_in_single_bytes_are_put_together),
		met_test(posted_messages_get_no_answer_not_even_an_error),
		met_test(device_info_wants_room_for_itself),
		met_test(an_error_of_the_device_is_the_reply),
		met_test(a_slow_device_is_warned_of),
		met_test(a_client_that_never_reads_is_hung_up_on_at_a_bound),
		met_test(a_client_that_reads_late_gets_everything),
		met_test(the_largest_message_passes),
	};

	return cmocka_run_group_tests_name("vfio_user_wire", tests, NULL, NULL);
}
