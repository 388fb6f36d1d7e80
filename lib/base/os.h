/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_BASE_OS_H
#define GW_BASE_OS_H

#include <pthread.h>
#include <stdint.h>

/* What every system has, but each in a way of its own: one file a system, os_NAME.c. */

/** gw_os_cond_init() - a condition for gw_os_cond_wait_until(). Return: 0; -ENOMEM */
int gw_os_cond_init(pthread_cond_t *cond);

/**
 * gw_os_cond_wait_until() - as pthread_cond_wait(3), until a moment
 * @deadline: ns, as gw_now_ns() counts them
 *
 * Return: 0, also without a reason; -ETIMEDOUT.
 */
int gw_os_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline);

#endif
