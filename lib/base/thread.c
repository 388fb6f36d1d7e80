/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/thread.h"

#include <signal.h>

int gw_thread_start(pthread_t *thread, const char *name, void *(*run)(void *arg), void *arg)
{
	sigset_t ours, was;
	int ret;

	sigfillset(&ours);
	sigdelset(&ours, SIGBUS);
	sigdelset(&ours, SIGSEGV);
	sigdelset(&ours, SIGFPE);
	sigdelset(&ours, SIGILL);
	sigdelset(&ours, SIGTRAP);
	pthread_sigmask(SIG_SETMASK, &ours, &was);
	ret = -pthread_create(thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	if (!ret)
		pthread_setname_np(*thread, name);	/* only a name: whether it took is no matter */
	return ret;
}
