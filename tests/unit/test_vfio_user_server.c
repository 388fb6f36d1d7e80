/* SPDX-License-Identifier: BSD-3-Clause */
/* The socket: where it may be, who may come, and what is left when one goes. */
#include "vfio_user_peer.h"

#include <signal.h>
#include <sys/resource.h>

#include "base/spin.h"

static int listen_at(struct peer *p, const char *path, struct gw_vfio_user **server)
{
	return gw_vfio_user_listen(path, &p->dev, NULL, &p->log, server);
}

static void the_socket_is_private_and_goes_with_the_server(void **state)
{
	struct peer *p = *state;
	struct stat st;

	assert_int_equal(stat(p->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	gw_vfio_user_close(p->server);
	p->server = NULL;
	assert_int_equal(stat(p->path, &st), -1);
	gw_vfio_user_close(NULL);
}

static void a_socket_left_behind_is_replaced(void **state)
{
	struct peer *p = peer_new();
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(a.sun_path, p->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	close(fd);
	peer_listen(p);
	peer_meet(p);
	peer_free(p);
}

static void a_path_in_use_is_left_alone(void **state)
{
	struct peer *p = *state;
	struct gw_vfio_user *other = NULL;

	assert_int_equal(listen_at(p, p->path, &other), -EADDRINUSE);
	assert_null(other);
	assert_true(logged(p, "another program listens there"));
	assert_true(logged(p, "give another path"));
	peer_meet(p);
	assert_in_sync(p);
	/* nor is the client there disturbed */
	assert_int_equal(listen_at(p, p->path, &other), -EADDRINUSE);
	assert_in_sync(p);
	assert_trace(p, "attach\n");
}

static void what_is_not_a_socket_is_left_alone(void **state)
{
	struct peer *p = peer_new();
	struct gw_vfio_user *s = NULL;
	struct stat st;
	int fd = open(p->path, O_CREAT | O_WRONLY, 0600);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(listen_at(p, p->path, &s), -EEXIST);
	assert_true(logged(p, "is not a socket"));
	assert_int_equal(stat(p->path, &st), 0);
	unlink(p->path);
	assert_int_equal(symlink("nowhere", p->path), 0);
	assert_int_equal(listen_at(p, p->path, &s), -EEXIST);
	assert_int_equal(listen_at(p, "/nowhere/s", &s), -ENOENT);
	assert_true(logged(p, "/nowhere/s: cannot listen: No such file or directory"));
	assert_int_equal(listen_at(p, "", &s), -EINVAL);
	assert_null(s);
	peer_free(p);
}

static void a_path_has_107_bytes_at_most(void **state)
{
	struct peer *p = peer_new();
	struct gw_vfio_user *s = NULL;
	char path[109];
	int at;

	at = snprintf(path, sizeof(path), "%s/", p->dir);
	memset(path + at, 'x', sizeof(path) - (size_t)at);
	path[108] = 0;
	assert_int_equal(listen_at(p, path, &s), -ENAMETOOLONG);
	assert_true(logged(p, "at most 107 bytes, this one has 108"));
	assert_true(logged(p, "give a shorter path"));
	path[107] = 0;
	assert_int_equal(listen_at(p, path, &s), 0);
	gw_vfio_user_close(s);
	peer_free(p);
}

static void a_file_that_took_our_place_is_not_removed(void **state)
{
	struct peer *p = *state;
	struct stat st;
	int fd;

	assert_int_equal(unlink(p->path), 0);
	fd = open(p->path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	gw_vfio_user_close(p->server);
	p->server = NULL;
	assert_int_equal(stat(p->path, &st), 0);
}

static void a_client_that_just_goes_detaches_the_device(void **state)
{
	struct gw_vfio_user_stats st;
	struct peer *p = *state;

	for (unsigned int i = 0; i < 20; i++) {
		peer_meet(p);
		assert_in_sync(p);
		peer_hang_up(p);
		wait_detached(p, i + 1);
		assert_trace(p, "attach\ndetach\n");
	}
	/* one that never spoke is no reason to touch the device */
	close(peer_connect(p->path));
	peer_meet(p);
	assert_trace(p, "attach\n");
	gw_vfio_user_stats(p->server, &st);
	assert_int_equal(st.clients, 22);
	assert_true(st.connected);
}

static void a_second_client_is_told_at_once_that_the_device_is_in_use_and_by_whom(void **state)
{
	struct peer *p = *state;
	char who[192];
	int first;

	snprintf(who, sizeof(who), "%s: process %d (test_vfio_user_) is refused: process %d "
		 "(test_vfio_user_) has the device", p->path, getpid(), getpid());
	peer_meet(p);
	first = p->sock;
	for (unsigned int i = 0; i < 3; i++) {
		p->sock = peer_connect(p->path);
		/* what comes with it is closed, and holds nobody up */
		send_msg(p, GW_VU_VERSION, 0, "\0\0\0\0", 4, &p->bar2_fd, 1);
		assert_int_equal(expect(p, (uint16_t)(p->id - 1), GW_VU_VERSION, NULL, 0), EBUSY);
		if (i)
			peer_hang_up(p);
		else
			assert_closed(p);	/* one that does not go */
	}
	p->sock = first;
	assert_in_sync(p);
	assert_true(logged(p, who));
	assert_trace(p, "attach\n");
}

static void second_clients_without_end_do_not_fill_the_log(void **state)
{
	uint64_t begun = gw_now_ns(), windows;
	struct peer *p = *state;
	int first;

	peer_meet(p);
	first = p->sock;
	for (unsigned int i = 0; i < 300; i++) {
		p->sock = peer_connect(p->path);
		assert_int_equal(version(p, NULL), EBUSY);
		peer_hang_up(p);
	}
	p->sock = first;
	assert_in_sync(p);
	windows = (gw_now_ns() - begun) / 5000000000ull + 2;	/* of 10 lines each */
	assert_in_range(times_logged(p, "is refused"), 1, 10 * windows);
}

static void who_comes_as_the_first_has_gone_waits_for_that(void **state)
{
	struct peer *p = *state;

	for (unsigned int i = 0; i < 50; i++) {
		peer_meet(p);
		peer_hang_up(p);
	}
	assert_false(logged(p, "is refused"));
}

static void a_second_client_that_says_nothing_is_no_obstacle_to_the_end(void **state)
{
	struct peer *p = *state;
	int second;

	peer_meet(p);
	second = peer_connect(p->path);
	wait_text(p, p->lines, "is refused");
	gw_vfio_user_close(p->server);
	p->server = NULL;
	close(second);
}

static void closing_ends_at_once_whatever_the_client_left_undone(void **state)
{
	static const size_t sent[] = { 0, 1, 8, 16, 30 };
	struct { struct hdr h; uint8_t body[16]; } m = { { 1, GW_VU_REGION_READ, 32, 0, 0 } };

	for (unsigned int i = 0; i < ARRAY_SIZE(sent); i++) {
		struct peer *p = peer_new();

		p->opt.spin_us = i % 2 ? 100 : 0;
		peer_listen(p);
		peer_meet(p);
		assert_true(send_raw(p->sock, &m, sent[i], NULL, 0));
		gw_vfio_user_close(p->server);
		p->server = NULL;
		assert_closed(p);
		assert_trace(p, "attach\ndetach\n");
		peer_free(p);
	}
}

static void closing_ends_at_once_in_mid_flood(void **state)
{
	struct { struct hdr h; uint64_t off; uint32_t region, count; } m = {
		{ 1, GW_VU_REGION_READ, 32, 0, 0 }, 0, 0, 0x30000 };
	struct peer *p = *state;

	/* replies are left unread */
	for (unsigned int i = 0; i < 8; i++)
		assert_true(send_raw(p->sock, &m, sizeof(m), NULL, 0));
	gw_vfio_user_close(p->server);
	p->server = NULL;
	assert_closed(p);
}

static void nothing_is_left_open_after_close(void **state)
{
	unsigned int before = count_fds();
	struct peer *p = peer_new();

	for (unsigned int i = 0; i < 5; i++) {
		peer_listen(p);
		peer_meet(p);
		peer_hang_up(p);
		gw_vfio_user_close(p->server);
		p->server = NULL;
	}
	peer_free(p);
	assert_fds(before);
}

static void a_client_that_does_not_say_its_version_is_hung_up_on(void **state)
{
	struct peer *p = peer_new();
	char byte = 1;

	p->opt.hello_ms = 50;
	peer_listen(p);
	p->sock = peer_connect(p->path);
	assert_closed(p);
	assert_true(logged(p, "it did not say its version in time"));
	peer_hang_up(p);
	/* byte by byte is no better */
	p->sock = peer_connect(p->path);
	while (send(p->sock, &byte, 1, MSG_NOSIGNAL) == 1)
		usleep(1000);
	peer_hang_up(p);
	p->opt.hello_ms = 0;
	gw_vfio_user_close(p->server);
	peer_listen(p);
	peer_meet(p);
	assert_in_sync(p);
	peer_free(p);
}

static void clients_without_end_do_not_fill_the_log(void **state)
{
	struct peer *p = *state;

	for (int i = 0; i < 400; i++)
		close(peer_connect(p->path));
	peer_meet(p);
	assert_true(times_logged(p, "client connected") < 250);
	assert_true(times_logged(p, "client gone") <= times_logged(p, "client connected"));
}

/* Descriptors run out: the client waits, is told of in the log once, and is served later. */
static void a_client_we_have_no_descriptor_for_waits(void **state)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct peer *p = *state;
	struct rlimit was, tight;
	int fill[64], nr = 0;

	strcpy(a.sun_path, p->path);
	p->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	tight = was;
	tight.rlim_cur = 60;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	while ((fill[nr] = dup(p->sock)) >= 0)
		nr++;
	assert_int_equal(connect(p->sock, (struct sockaddr *)&a, sizeof(a)), 0);
	wait_text(p, p->lines, "cannot take a client");
	while (nr)
		close(fill[--nr]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_int_equal(version(p, QEMU_CAPS), 0);
	assert_int_equal(times_logged(p, "cannot take a client"), 1);
}

static void a_write_to_a_client_that_went_raises_no_signal(void **state)
{
	struct { struct hdr h; uint64_t off; uint32_t region, count; } m = {
		{ 1, GW_VU_REGION_READ, 32, 0, 0 }, 0, 0, 4 };
	struct peer *p = *state;

	signal(SIGPIPE, SIG_DFL);
	for (unsigned int i = 0; i < 20; i++) {
		for (unsigned int k = 0; k < 20; k++)
			assert_true(send_raw(p->sock, &m, sizeof(m), NULL, 0));
		peer_hang_up(p);
		wait_detached(p, i + 1);
		peer_meet(p);
	}
}

static void messages_are_answered_while_spinning_too(void **state)
{
	uint8_t in[16] = { [8] = GW_REGION_CONFIG, [12] = 4 }, out[20];
	struct peer *p = peer_new();

	p->opt.spin_us = 50;
	peer_listen(p);
	peer_meet(p);
	for (unsigned int i = 0; i < 2000; i++) {
		in[0] = (uint8_t)i;
		assert_int_equal(call(p, GW_VU_REGION_READ, in, 16, out, 20), 0);
		assert_memory_equal(out + 16, p->config + in[0], 4);
	}
	peer_free(p);
}

/* Spinning that never pays must not go on, however often a wait begins. */
static void spinning_that_does_not_pay_is_switched_off(void **state)
{
	unsigned int spins = 0;
	struct gw_spin s;

	gw_spin_init(&s, 0);
	assert_false(gw_spin_begin(&s));
	gw_spin_init(&s, 1);
	s.off_ns = 1ull << 62;	/* once off, off for longer than any test */
	for (unsigned int i = 0; i < 1000; i++) {
		if (!gw_spin_begin(&s))
			break;
		spins++;
		while (gw_spin_again(&s))
			;
	}
	assert_true(spins >= 1 && spins <= 4);
	assert_false(gw_spin_begin(&s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		listening_test(the_socket_is_private_and_goes_with_the_server),
		cmocka_unit_test(a_socket_left_behind_is_replaced),
		listening_test(a_path_in_use_is_left_alone),
		cmocka_unit_test(what_is_not_a_socket_is_left_alone),
		cmocka_unit_test(a_path_has_107_bytes_at_most),
		listening_test(a_file_that_took_our_place_is_not_removed),
		listening_test(a_client_that_just_goes_detaches_the_device),
		listening_test(a_second_client_is_told_at_once_that_the_device_is_in_use_and_by_whom),
		listening_test(second_clients_without_end_do_not_fill_the_log),
		listening_test(who_comes_as_the_first_has_gone_waits_for_that),
		listening_test(a_second_client_that_says_nothing_is_no_obstacle_to_the_end),
		cmocka_unit_test(closing_ends_at_once_whatever_the_client_left_undone),
		met_test(closing_ends_at_once_in_mid_flood),
		cmocka_unit_test(nothing_is_left_open_after_close),
		cmocka_unit_test(a_client_that_does_not_say_its_version_is_hung_up_on),
		listening_test(clients_without_end_do_not_fill_the_log),
		listening_test(a_client_we_have_no_descriptor_for_waits),
		met_test(a_write_to_a_client_that_went_raises_no_signal),
		cmocka_unit_test(messages_are_answered_while_spinning_too),
		cmocka_unit_test(spinning_that_does_not_pay_is_switched_off),
	};

	return cmocka_run_group_tests_name("vfio_user_server", tests, NULL, NULL);
}
