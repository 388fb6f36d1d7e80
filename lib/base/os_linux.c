/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/os.h"

#include <errno.h>
#include <time.h>

int gw_os_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;
	int ret = pthread_condattr_init(&attr);

	if (ret)
		return -ret;
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	ret = pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
	return -ret;
}

int gw_os_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline)
{
	const struct timespec until = { .tv_sec = (time_t)(deadline / 1000000000),
					.tv_nsec = (long)(deadline % 1000000000) };

	return pthread_cond_timedwait(cond, lock, &until) == ETIMEDOUT ? -ETIMEDOUT : 0;
}
