/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfio_user_peer.h"

/* DEVICE_FEATURE in the kernel's layout: a dma-buf of ranges of a BAR, and nothing else. */

#define GET	0x10000u
#define SET	0x20000u
#define PROBE	0x40000u
#define PAGE	0x1000ull

static struct gw_device_ops ops;
static struct gw_bar_range asked[4];
static unsigned int asked_bar, asked_nr;

/* The device: remembers what it is asked, and answers with a file. */
static int make_buf(struct gw_device *d, unsigned int bar, const struct gw_bar_range *range,
		    unsigned int nr, int *fd)
{
	asked_bar = bar;
	asked_nr = nr;
	for (unsigned int i = 0; i < nr && i < ARRAY_SIZE(asked); i++)
		asked[i] = range[i];
	if (peer_of(d)->fail)
		return note(peer_of(d), "no dma_buf\n");
	*fd = memfd_create("buf", MFD_CLOEXEC);
	return *fd < 0 ? -errno : 0;
}

static int setup(void **state)
{
	struct peer *p = peer_new();

	ops = peer_ops;
	ops.dma_buf = make_buf;
	p->dev.ops = &ops;
	asked_nr = 0;
	peer_listen(p);
	peer_meet(p);
	*state = p;
	return 0;
}

struct feature {
	uint32_t argsz, what, region, open_flags, flags, nr;
	uint64_t range[4];
};

/* Return: the errno of the reply, or 0, and the descriptor that came. */
static int feature(struct peer *p, const struct feature *f, size_t len, int *fd)
{
	uint8_t body[sizeof(*f)];
	struct hdr h;
	uint16_t id = send_msg(p, GW_VU_DEVICE_FEATURE, 0, f, len, NULL, 0);

	assert_true(recv_msg_fd(p->sock, &h, body, sizeof(body), fd));
	assert_int_equal(h.id, id);
	if (h.flags & GW_VU_ERROR)
		return (int)h.err;
	assert_int_equal(h.size, sizeof(h) + len);
	assert_memory_equal(body, f, len);
	return 0;
}

static const struct feature good = { 56, GET | 11, 2, 0, 0, 2,
				     { 0x3000, PAGE, PAGE, 2 * PAGE } };

static void a_dma_buf_comes_with_the_reply(void **state)
{
	unsigned int before = count_fds();
	struct peer *p = *state;
	int fd;

	assert_int_equal(feature(p, &good, sizeof(good), &fd), 0);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(asked_bar, 2);
	assert_int_equal(asked_nr, 2);
	assert_int_equal(asked[0].off.v, 0x3000);
	assert_int_equal(asked[1].size, 2 * PAGE);
	assert_in_sync(p);
	assert_int_equal(count_fds(), before);
}

static void probing_makes_nothing(void **state)
{
	struct feature f = good;
	struct peer *p = *state;
	int fd;

	f.argsz = 8;
	f.what = PROBE | GET | 11;
	assert_int_equal(feature(p, &f, 8, &fd), 0);
	assert_int_equal(fd, -1);
	assert_int_equal(asked_nr, 0);
	f.what = PROBE | SET | 11;
	assert_int_equal(feature(p, &f, 8, &fd), EINVAL);
	/* numbers above mean different things in different kernels: none of them is here */
	for (uint32_t i = 0; i < 64; i++) {
		f.what = PROBE | GET | i;
		assert_int_equal(feature(p, &f, 8, &fd), i == 11 ? 0 : EOPNOTSUPP);
	}
	assert_in_sync(p);
}

static void a_device_without_says_so(void **state)
{
	struct peer *p = *state;
	int fd;

	ops.dma_buf = NULL;
	assert_int_equal(feature(p, &good, sizeof(good), &fd), EOPNOTSUPP);
	assert_in_sync(p);
}

static void lists_that_are_refused(void **state)
{
	static const struct { uint32_t region, flags, nr; uint64_t off, size; int err; } bad[] = {
		{ 2, 1, 1, 0, PAGE, EINVAL },
		{ 2, 0, 0, 0, PAGE, EINVAL },
		{ 2, 0, 2, 0, PAGE, EMSGSIZE },
		{ 2, 0, UINT32_MAX, 0, PAGE, EMSGSIZE },
	};
	struct peer *p = *state;
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct feature f = { 40, GET | 11, bad[i].region, 0, bad[i].flags, bad[i].nr,
				     { bad[i].off, bad[i].size } };

		assert_int_equal(feature(p, &f, 40, &fd), bad[i].err);
	}
	assert_int_equal(asked_nr, 0);
	assert_in_sync(p);
}

static void heads_that_are_refused(void **state)
{
	struct feature f = good;
	struct peer *p = *state;
	int fd;

	assert_int_equal(feature(p, &f, 4, &fd), EMSGSIZE);
	f.argsz = 7;
	assert_int_equal(feature(p, &f, 8, &fd), EINVAL);
	f.argsz = 55;
	assert_int_equal(feature(p, &f, sizeof(f), &fd), EINVAL);
	f = good;
	f.what |= 0x80000;
	assert_int_equal(feature(p, &f, sizeof(f), &fd), EINVAL);
	f.what = 11;
	assert_int_equal(feature(p, &f, sizeof(f), &fd), EINVAL);
	assert_int_equal(asked_nr, 0);
	assert_in_sync(p);
}

/* The host refuses: it has no dma-bufs, or decoding is off. */
static void what_the_device_says_is_passed_on(void **state)
{
	struct peer *p = *state;
	int fd;

	p->fail = -ENODEV;
	assert_int_equal(feature(p, &good, sizeof(good), &fd), ENODEV);
	assert_in_sync(p);
}

#define feature_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		feature_test(a_dma_buf_comes_with_the_reply),
		feature_test(probing_makes_nothing),
		feature_test(a_device_without_says_so),
		feature_test(lists_that_are_refused),
		feature_test(heads_that_are_refused),
		feature_test(what_the_device_says_is_passed_on),
	};

	return cmocka_run_group_tests_name("vfio_user_feature", tests, NULL, NULL);
}
