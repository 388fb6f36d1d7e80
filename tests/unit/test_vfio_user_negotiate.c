/* SPDX-License-Identifier: BSD-3-Clause */
/* The version, and the capabilities that come with it. */
#include "vfio_user_peer.h"

#include "vfio_user/negotiate.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		listening_test(nothing_is_answered_before_the_version),
		met_test(a_second_version_is_refused),
		listening_test(another_major_version_is_refused_and_the_minor_is_the_lesser),
		listening_test(capabilities_that_make_no_sense_are_refused),
		cmocka_unit_test(capabilities_may_be_left_out_and_are_clamped),
		listening_test(a_refusal_says_which_capability_makes_no_sense),
		cmocka_unit_test(numbers_beyond_64_bits_are_clamped_or_refused),
		listening_test(a_device_that_cannot_attach_refuses_the_version),
	};

	return cmocka_run_group_tests_name("vfio_user_negotiate", tests, NULL, NULL);
}
