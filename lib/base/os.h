/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_BASE_OS_H
#define GW_BASE_OS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lock.h"

#ifdef __APPLE__
#include <errno.h>
/* It has no such number; what it says of this one comes closest. */
#define ENOTUNIQ EMULTIHOP
#endif

/* What every system has, but each in a way of its own: one file a system, os_NAME.c. */

/** gw_os_cond_init() - a condition for gw_os_cond_wait_until(). Return: 0; -ENOMEM */
int gw_os_cond_init(pthread_cond_t *cond);

/**
 * gw_os_cond_wait_until() - as pthread_cond_wait(3), until a moment
 * @deadline: ns, as gw_now_ns() counts them
 *
 * Return: 0, also without a reason; -ETIMEDOUT.
 */
int gw_os_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline)
	GW_HOLDS(*lock);

/**
 * gw_os_memory_file() - a file in memory, without a name
 * @name: what debuggers show, where they show any
 * @size: bytes; 0: to be made longer by the caller
 * @seal: it cannot change its size any more, where the system knows of such a thing
 *
 * Return: a descriptor, closed on exec, the caller's; -errno.
 */
int gw_os_memory_file(const char *name, uint64_t size, bool seal);

/**
 * gw_os_memory_seal() - as with @seal, later. Return: 0, also where there is no such thing; -errno
 */
int gw_os_memory_seal(int fd);

/**
 * gw_os_file_id() - which file it is, as the kernel knows without asking whoever serves its file
 * system
 *
 * Return: false: not known.
 */
bool gw_os_file_id(int fd, uint64_t *dev, uint64_t *ino);

/**
 * gw_os_memory_renew() - have another file, of zeroes, in the place of one that was handed out
 * @fd: of memory in a file of fixed size; it, and whatever shows the file in this process, is then
 *      of the new one. Nobody may map or unmap it meanwhile
 *
 * After an error a part of that may be of the new file; to be called again before it is used.
 *
 * Return: 0; -ENOMEM, -EMFILE, or -errno of reading /proc/self/maps; -EOPNOTSUPP.
 */
int gw_os_memory_renew(int fd);

/**
 * gw_os_is_memory_file() - whether it is memory of the kernel's, so that touching it waits for
 * nobody
 */
bool gw_os_is_memory_file(int fd);

/** gw_os_random() - bytes that nobody can guess */
void gw_os_random(void *buf, size_t size);

/**
 * gw_os_thread_create() - as pthread_create(3), of a thread with a name of at most 15 characters
 *
 * Return: 0; -ENOMEM or -errno of pthread_create(3). Whether the name took is no matter.
 */
int gw_os_thread_create(pthread_t *thread, const char *name, void *(*run)(void *arg), void *arg);

#endif
