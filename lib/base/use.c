/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/use.h"

#include <errno.h>
#include <pthread.h>

#include "base/os.h"

/*
 * How it works: the last user of a closed count only touches what outlives every count, so whoever
 * waits may free the object at once. Waits are rare; they share one condition.
 */
static pthread_mutex_t use_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t use_idle;
static pthread_once_t use_once = PTHREAD_ONCE_INIT;

/* Where there is no memory for a condition there are no threads to wait for either. */
static void use_init(void)
{
	gw_os_cond_init(&use_idle);
}

void gw_use_wake(void)
{
	pthread_once(&use_once, use_init);
	pthread_mutex_lock(&use_lock);
	pthread_cond_broadcast(&use_idle);
	pthread_mutex_unlock(&use_lock);
}

void gw_use_drain(struct gw_use *u)
{
	gw_use_drain_until(u, UINT64_MAX);
}

static bool drained(struct gw_use *u)
{
	return atomic_load_explicit(&u->v, memory_order_acquire) == GW_USE_CLOSED;
}

int gw_use_drain_until(struct gw_use *u, uint64_t deadline)
{
	int ret = 0;

	if (drained(u))
		return 0;
	pthread_once(&use_once, use_init);
	pthread_mutex_lock(&use_lock);
	while (!drained(u) && !ret)
		ret = gw_os_cond_wait_until(&use_idle, &use_lock, deadline);
	pthread_mutex_unlock(&use_lock);
	return drained(u) ? 0 : -ETIMEDOUT;
}
