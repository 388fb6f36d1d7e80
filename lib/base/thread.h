/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_BASE_THREAD_H
#define GW_BASE_THREAD_H

#include <pthread.h>

/**
 * gw_thread_start() - start a thread of the library's
 * @name: at most 15 characters, all begin with "gw-"; what ps(1) and debuggers show
 *
 * The program's signals are never delivered to it, so no handler of an embedder runs there; those
 * that a fault of its own raises are (SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP), as base/guard.h
 * needs SIGBUS. The thread is to be joined.
 *
 * Return: 0; -errno of pthread_create(3).
 */
int gw_thread_start(pthread_t *thread, const char *name, void *(*run)(void *arg), void *arg);

#endif
