/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/use.h"

#include <pthread.h>

/*
 * How it works: the last user of a closed count only touches what outlives every count, so the
 * one who waits may free the object at once. Waits are rare; they share one condition.
 */
static pthread_mutex_t use_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t use_idle = PTHREAD_COND_INITIALIZER;

void gw_use_wake(void)
{
	pthread_mutex_lock(&use_lock);
	pthread_cond_broadcast(&use_idle);
	pthread_mutex_unlock(&use_lock);
}

void gw_use_drain(struct gw_use *u)
{
	if (atomic_load_explicit(&u->v, memory_order_acquire) == GW_USE_CLOSED)
		return;
	pthread_mutex_lock(&use_lock);
	while (atomic_load_explicit(&u->v, memory_order_acquire) != GW_USE_CLOSED)
		pthread_cond_wait(&use_idle, &use_lock);
	pthread_mutex_unlock(&use_lock);
}
