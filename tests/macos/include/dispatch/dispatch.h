/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_MACOS_DISPATCH_H
#define TESTS_MACOS_DISPATCH_H

/* Declarations of our own, from Apple's libdispatch: dispatch/queue.h, dispatch/object.h. */

typedef struct dispatch_queue_s *dispatch_queue_t;
typedef void (*dispatch_function_t)(void *context);

dispatch_queue_t dispatch_queue_create(const char *label, void *attr);
void dispatch_release(dispatch_queue_t queue);
void dispatch_sync_f(dispatch_queue_t queue, void *context, dispatch_function_t work);

#endif
