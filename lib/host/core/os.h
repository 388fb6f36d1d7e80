/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_CORE_OS_H
#define GW_CORE_OS_H

/*
 * Locks are the one thing that the core needs and for which DriverKit has another name. Taking one
 * and giving it back is not proved: clang cannot know that the system's lock inside is the core's.
 */

#include "base/lock.h"

#ifdef GW_CORE_DRIVERKIT

#include <DriverKit/IOLib.h>

struct gw_core_lock {
	IOLock *lock;
};

/** gw_core_lock_init() - Return: false if memory is out */
static inline _Bool gw_core_lock_init(struct gw_core_lock *l) GW_MAKES(*l)
{
	l->lock = IOLockAlloc();
	return l->lock;
}

static inline void gw_core_lock_fini(struct gw_core_lock *l)
{
	IOLockFree(l->lock);
}

static inline void gw_core_lock(struct gw_core_lock *l) GW_LOCKS(*l) GW_UNPROVED
{
	IOLockLock(l->lock);
}

static inline void gw_core_unlock(struct gw_core_lock *l) GW_UNLOCKS(*l) GW_UNPROVED
{
	IOLockUnlock(l->lock);
}

#else

#include <pthread.h>

struct gw_core_lock {
	pthread_mutex_t lock;
};

/** gw_core_lock_init() - Return: false if memory is out */
static inline _Bool gw_core_lock_init(struct gw_core_lock *l) GW_MAKES(*l)
{
	return !pthread_mutex_init(&l->lock, NULL);
}

static inline void gw_core_lock_fini(struct gw_core_lock *l)
{
	pthread_mutex_destroy(&l->lock);
}

static inline void gw_core_lock(struct gw_core_lock *l) GW_LOCKS(*l) GW_UNPROVED
{
	pthread_mutex_lock(&l->lock);
}

static inline void gw_core_unlock(struct gw_core_lock *l) GW_UNLOCKS(*l) GW_UNPROVED
{
	pthread_mutex_unlock(&l->lock);
}

#endif
#endif
