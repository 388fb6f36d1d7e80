/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory, descriptors and threads run out, one after the other at every place that asks. */
#include "vfio_user_peer.h"

#include <stdatomic.h>

static _Atomic int fail_at = -1;	/* this many more succeed, then one fails; -1: all succeed */
static _Atomic bool fail_main;		/* the test's thread is meant, not the server's */
static pthread_t main_thread;

static bool fails(void)
{
	bool is_main = pthread_equal(pthread_self(), main_thread);

	if (atomic_load(&fail_at) < 0 || is_main != atomic_load(&fail_main))
		return false;
	return atomic_fetch_sub(&fail_at, 1) == 0;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
int __real_eventfd(unsigned int count, int flags);
int __wrap_eventfd(unsigned int count, int flags);
int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);
int __real_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg);

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

int __wrap_eventfd(unsigned int count, int flags)
{
	errno = EMFILE;
	return fails() ? -1 : __real_eventfd(count, flags);
}

int __wrap_socket(int domain, int type, int protocol)
{
	errno = EMFILE;
	return fails() ? -1 : __real_socket(domain, type, protocol);
}

int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg)
{
	return fails() ? EAGAIN : __real_pthread_create(t, a, fn, arg);
}

static void listening_fails_cleanly_wherever_it_fails(void **state)
{
	struct peer *p = peer_new();
	unsigned int before = count_fds();
	struct stat st;
	int n, ret;

	atomic_store(&fail_main, true);
	for (n = 0;; n++) {
		atomic_store(&fail_at, n);
		ret = gw_vfio_user_listen(p->path, &p->dev, NULL, &p->log, &p->server);
		if (atomic_exchange(&fail_at, -1) >= 0)
			break;		/* all of it succeeded */
		assert_true(ret == -ENOMEM || ret == -EMFILE || ret == -EAGAIN);
		assert_null(p->server);
		assert_int_equal(count_fds(), before);
		assert_int_equal(stat(p->path, &st), -1);
	}
	assert_int_equal(ret, 0);
	assert_int_equal(n, 4);		/* server, eventfd, socket, thread */
	atomic_store(&fail_main, false);
	peer_meet(p);
	peer_free(p);
}

static void a_client_there_is_no_memory_for_is_turned_away(void **state)
{
	struct peer *p = *state;

	for (int n = 0; n < 2; n++) {
		forget(p, p->lines);
		atomic_store(&fail_at, n);
		p->sock = peer_connect(p->path);
		assert_closed(p);
		wait_text(p, p->lines, "client turned away: Cannot allocate memory");
		assert_int_equal(atomic_load(&fail_at), -1);
	}
	assert_trace(p, "");
	peer_meet(p);
	assert_in_sync(p);
}

static void a_reply_there_is_no_memory_to_keep_ends_the_connection(void **state)
{
	struct { uint64_t off; uint32_t region, count; } m = { 0, 0, PEER_BAR0 };
	struct peer *p = *state;
	unsigned int before = count_fds();

	atomic_store(&fail_at, 0);
	send_msg(p, GW_VU_REGION_READ, 0, &m, sizeof(m), NULL, 0);
	assert_closed(p);
	wait_detached(p, 1);
	assert_true(logged(p, "connection closed: Cannot allocate memory"));
	peer_meet(p);
	assert_in_sync(p);
	assert_int_equal(count_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listening_fails_cleanly_wherever_it_fails),
		listening_test(a_client_there_is_no_memory_for_is_turned_away),
		met_test(a_reply_there_is_no_memory_to_keep_ends_the_connection),
	};

	main_thread = pthread_self();
	return cmocka_run_group_tests_name("vfio_user_alloc", tests, NULL, NULL);
}
