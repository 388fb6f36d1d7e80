/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_BASE_QUEUE_H
#define GW_BASE_QUEUE_H

/* The lists of the BSDs, whole: glibc's have fewer macros. */
#ifdef __APPLE__
#include <sys/queue.h>
#else
#include <bsd/sys/queue.h>
#endif

#endif
