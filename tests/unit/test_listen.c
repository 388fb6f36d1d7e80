/* SPDX-License-Identifier: BSD-3-Clause */
/* A socket at a path: it is there when it answers, and not before. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/listen.h"

static char dir[] = "/tmp/gw-listen-XXXXXX", path[64];
static bool was_there, steal;
static const char *link_to;

int __real_listen(int fd, int backlog);
int __wrap_listen(int fd, int backlog);

int __wrap_listen(int fd, int backlog)
{
	struct stat st;
	FILE *f;

	was_there = !lstat(path, &st);
	if (steal) {
		f = fopen(path, "w");
		assert_non_null(f);
		fclose(f);
	}
	return __real_listen(fd, backlog);
}

int __real_bind(int fd, const struct sockaddr *addr, socklen_t len);
int __wrap_bind(int fd, const struct sockaddr *addr, socklen_t len);

/* Somebody puts a link in the socket's place. */
int __wrap_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	const char *at = ((const struct sockaddr_un *)addr)->sun_path;
	int ret = __real_bind(fd, addr, len);

	if (!ret && link_to) {
		assert_int_equal(unlink(at), 0);
		assert_int_equal(symlink(link_to, at), 0);
	}
	return ret;
}

static int setup(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/s", dir);
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	return rmdir(dir);	/* nothing else is left in it */
}

static bool answers(const char *at)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes;

	strcpy(addr.sun_path, at);
	yes = !connect(fd, (struct sockaddr *)&addr, sizeof(addr));
	close(fd);
	return yes;
}

static void the_file_appears_when_it_answers(void **state)
{
	struct gw_listener l;
	struct stat st;

	assert_int_equal(gw_listener_open(&l, path, SOCK_STREAM, 0600, NULL), 0);
	assert_false(was_there);
	assert_true(answers(path));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	gw_listener_close(&l);
	assert_int_equal(stat(path, &st), -1);
}

static void what_another_makes_meanwhile_is_not_replaced(void **state)
{
	struct gw_listener l;
	struct stat st;

	steal = true;
	assert_int_equal(gw_listener_open(&l, path, SOCK_STREAM, 0600, NULL), -EADDRINUSE);
	steal = false;
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	unlink(path);
}

static void a_path_that_is_another_s_by_now_is_left(void **state)
{
	struct gw_listener l, other;

	assert_int_equal(gw_listener_open(&l, path, SOCK_STREAM, 0600, NULL), 0);
	unlink(path);
	assert_int_equal(gw_listener_open(&other, path, SOCK_STREAM, 0600, NULL), 0);
	gw_listener_close(&l);
	assert_true(answers(path));
	gw_listener_close(&other);
}

static void the_umask_does_not_keep_the_group_out(void **state)
{
	mode_t was = umask(0077);
	struct gw_listener l;
	struct stat st;

	assert_int_equal(gw_listener_open(&l, path, SOCK_STREAM, 0660, NULL), 0);
	umask(was);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	gw_listener_close(&l);
}

static void the_mode_of_what_a_link_leads_to_stays(void **state)
{
	mode_t was = umask(0077);
	struct gw_listener l;
	struct stat st;
	char target[80];
	FILE *f;

	snprintf(target, sizeof(target), "%s/target", dir);
	f = fopen(target, "w");
	assert_non_null(f);
	fclose(f);
	link_to = target;
	assert_int_equal(gw_listener_open(&l, path, SOCK_STREAM, 0660, NULL), -EOPNOTSUPP);
	link_to = NULL;
	umask(was);
	assert_int_equal(stat(target, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	unlink(target);
}

/* Sockets of two types are not confused: who listens for one is there for the other, too. */
static void one_of_another_type_is_not_left_over(void **state)
{
	static const int type[] = { SOCK_STREAM, SOCK_SEQPACKET };
	struct gw_listener l, other;
	struct stat st;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(gw_listener_open(&l, path, type[i], 0660, NULL), 0);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0660);
		assert_int_equal(gw_listener_open(&other, path, type[!i], 0600, NULL),
				 -EADDRINUSE);
		gw_listener_close(&l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_file_appears_when_it_answers),
		cmocka_unit_test(what_another_makes_meanwhile_is_not_replaced),
		cmocka_unit_test(a_path_that_is_another_s_by_now_is_left),
		cmocka_unit_test(one_of_another_type_is_not_left_over),
		cmocka_unit_test(the_umask_does_not_keep_the_group_out),
		cmocka_unit_test(the_mode_of_what_a_link_leads_to_stays),
	};

	return cmocka_run_group_tests_name("listen", tests, setup, teardown);
}
