/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_ATOMIC_H
#define GANGWAY_ATOMIC_H

/*
 * Members of public structs that threads share. A C++ program sees plain ones of the same size and
 * place: they are the library's, and not to be touched there.
 */
#ifdef __cplusplus
#define GW_ATOMIC(type)	type
#else
#include <stdatomic.h>
#define GW_ATOMIC(type)	_Atomic type
#endif

#endif
