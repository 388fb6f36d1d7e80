/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_MACOS_MACH_H
#define TESTS_MACOS_MACH_H

/* Declarations of our own, from the sources that Apple publishes: xnu, osfmk/mach. */

#include <stddef.h>
#include <stdint.h>

typedef int kern_return_t;
typedef unsigned int mach_port_t;
typedef mach_port_t task_port_t;
typedef uint64_t mach_vm_address_t;
typedef uint64_t mach_vm_size_t;

#define KERN_SUCCESS	0

extern mach_port_t mach_task_self_;
#define mach_task_self() mach_task_self_

#endif
