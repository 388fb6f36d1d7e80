/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_ATOMIC_H
#define GANGWAY_ATOMIC_H

/*
 * Members of public structs that threads share. A C++ program sees plain members of the same size
 * and at the same place. They are the library's, and the program must not touch them.
 */
#ifdef __cplusplus
#define GW_ATOMIC(type)	type
#else
#include <stdatomic.h>
#define GW_ATOMIC(type)	_Atomic type
#endif

#endif
