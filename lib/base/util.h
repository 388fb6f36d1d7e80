/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_BASE_UTIL_H
#define GW_BASE_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

static inline bool gw_is_pow2(uint64_t v)
{
	return v && !(v & (v - 1));
}

/** gw_now_ns() - CLOCK_MONOTONIC in nanoseconds */
uint64_t gw_now_ns(void);

/**
 * gw_option_next() - the next of a list KEY=VALUE,KEY=VALUE,...
 * @rest: where the list goes on, NULL at its end; what it points at is changed
 *
 * A comma in a value is written twice, as QEMU has it.
 *
 * Return: the option; NULL at the end.
 */
char *gw_option_next(char **rest);

/**
 * gw_size_parse() - a number of bytes with an optional suffix K, M, G or T (powers of 1024)
 *
 * Return: 0; -EINVAL not a number or something behind it, -ERANGE above 2^63.
 */
int gw_size_parse(const char *s, uint64_t *bytes);

#endif
