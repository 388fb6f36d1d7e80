/* SPDX-License-Identifier: BSD-3-Clause */
#include <semaphore.h>
#include <signal.h>

#include "base/thread.h"
#include "base/util.h"
#include "unit.h"

struct seen {
	sem_t named;
	sigset_t blocked;
	char name[16];
};

static void *look(void *arg)
{
	struct seen *s = arg;

	while (sem_wait(&s->named))
		continue;
	pthread_sigmask(SIG_SETMASK, NULL, &s->blocked);
	pthread_getname_np(pthread_self(), s->name, sizeof(s->name));
	return NULL;
}

static void a_thread_has_a_name_and_blocks_all_signals_but_those_of_its_own_faults(void **state)
{
	static const int faults[] = { SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP };
	struct seen s;
	pthread_t t;

	sem_init(&s.named, 0, 0);
	assert_int_equal(gw_thread_start(&t, "gw-test", look, &s), 0);
	sem_post(&s.named);
	pthread_join(t, NULL);
	sem_destroy(&s.named);
	assert_string_equal(s.name, "gw-test");
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		assert_false(sigismember(&s.blocked, faults[i]));
	assert_true(sigismember(&s.blocked, SIGTERM));
	assert_true(sigismember(&s.blocked, SIGINT));
	assert_true(sigismember(&s.blocked, SIGUSR1));
	assert_true(sigismember(&s.blocked, SIGALRM));
}

static void the_starter_keeps_its_own_signals(void **state)
{
	sigset_t before, after;
	struct seen s;
	pthread_t t;

	pthread_sigmask(SIG_SETMASK, NULL, &before);
	sem_init(&s.named, 0, 1);
	assert_int_equal(gw_thread_start(&t, "gw-test", look, &s), 0);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	pthread_join(t, NULL);
	sem_destroy(&s.named);
	for (int sig = 1; sig < 32; sig++)
		assert_int_equal(sigismember(&after, sig), sigismember(&before, sig));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_has_a_name_and_blocks_all_signals_but_those_of_its_own_faults),
		cmocka_unit_test(the_starter_keeps_its_own_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
