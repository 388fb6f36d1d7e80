/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/thread.h"

#include <signal.h>

#include "base/os.h"

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
	ret = gw_os_thread_create(thread, name, run, arg);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	return ret;
}
