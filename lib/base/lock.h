/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_BASE_LOCK_H
#define GW_BASE_LOCK_H

/*
 * Locks whose use is proved: a field says which lock guards it, a function says which locks its
 * caller holds, and tests/locks has clang prove that all code keeps to that and that each function
 * gives back what it takes. Nothing else knows of these words, so for other builds they are
 * comments.
 */

#ifdef GW_PROVE_LOCKS

#include <pthread.h>

#define GW_LOCK_ATTRIBUTE(...)	__attribute__((__VA_ARGS__))

#else
#define GW_LOCK_ATTRIBUTE(...)
#endif

/* Of a field or variable: it is read with the lock held, and written with it held for writing. */
#define GW_GUARDED_BY(lock)	GW_LOCK_ATTRIBUTE(guarded_by(&lock))

/* Of a function, after its parameters: its caller holds the locks. */
#define GW_HOLDS(...)		GW_LOCK_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define GW_HOLDS_SHARED(...)	GW_LOCK_ATTRIBUTE(requires_shared_capability(__VA_ARGS__))

/*
 * Of a function: it takes the locks, for reading or whole, gives them back, or takes them if it
 * returns @success.
 */
#define GW_LOCKS(...)		GW_LOCK_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define GW_LOCKS_SHARED(...)	GW_LOCK_ATTRIBUTE(acquire_shared_capability(__VA_ARGS__))
#define GW_UNLOCKS(...)		GW_LOCK_ATTRIBUTE(release_generic_capability(__VA_ARGS__))
#define GW_TRIES(success, ...)	GW_LOCK_ATTRIBUTE(try_acquire_capability(success, __VA_ARGS__))
#define GW_TRIES_SHARED(success, ...) \
				GW_LOCK_ATTRIBUTE(try_acquire_shared_capability(success, __VA_ARGS__))

/* Of a function that makes locks: up to its end, its caller is alone with what they guard. */
#define GW_MAKES(...)		GW_LOCK_ATTRIBUTE(assert_capability(__VA_ARGS__))

/*
 * Statements, for what clang cannot see: all others that could want the lock have gone, it is held
 * by another name, or what it guards changes with a second lock held as well, and that one is: so
 * it may be read. They hold up to the end of the function.
 */
#define GW_ALONE(lock)		gw_lock_seen(&(lock))
#define GW_HELD(lock)		gw_lock_seen(&(lock))
#define GW_READABLE(lock)	gw_lock_seen_shared(&(lock))

static inline void gw_lock_seen(const void *lock) GW_MAKES(*lock)
{
	(void)lock;
}

static inline void gw_lock_seen_shared(const void *lock)
	GW_LOCK_ATTRIBUTE(assert_shared_capability(*lock))
{
	(void)lock;
}

/*
 * Of a function that clang cannot follow. A comment in front of it says why, and why it is right.
 */
#define GW_UNPROVED		GW_LOCK_ATTRIBUTE(no_thread_safety_analysis)

#ifdef GW_PROVE_LOCKS
/* What pthread's calls do. */
extern int pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *a) GW_MAKES(*m);
extern int pthread_rwlock_init(pthread_rwlock_t *l, const pthread_rwlockattr_t *a) GW_MAKES(*l);
extern int pthread_mutex_lock(pthread_mutex_t *m) GW_LOCKS(*m);
extern int pthread_mutex_trylock(pthread_mutex_t *m) GW_TRIES(0, *m);
extern int pthread_mutex_unlock(pthread_mutex_t *m) GW_UNLOCKS(*m);
extern int pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m) GW_HOLDS(*m);
extern int pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *t)
	GW_HOLDS(*m);
extern int pthread_cond_clockwait(pthread_cond_t *c, pthread_mutex_t *m, clockid_t clock,
				  const struct timespec *t) GW_HOLDS(*m);
extern int pthread_rwlock_rdlock(pthread_rwlock_t *l) GW_LOCKS_SHARED(*l);
extern int pthread_rwlock_wrlock(pthread_rwlock_t *l) GW_LOCKS(*l);
extern int pthread_rwlock_unlock(pthread_rwlock_t *l) GW_UNLOCKS(*l);
#endif
#endif
