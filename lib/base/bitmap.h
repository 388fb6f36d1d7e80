/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_BASE_BITMAP_H
#define GW_BASE_BITMAP_H

#include <stdbool.h>
#include <stdint.h>

/* Bitmaps of 64-bit words, bit 0 lowest. */

static inline bool gw_bitmap_test(const uint64_t *map, unsigned int bit)
{
	return map[bit / 64] >> bit % 64 & 1;
}

static inline void gw_bitmap_set(uint64_t *map, unsigned int bit)
{
	map[bit / 64] |= 1ull << bit % 64;
}

static inline void gw_bitmap_clear(uint64_t *map, unsigned int bit)
{
	map[bit / 64] &= ~(1ull << bit % 64);
}

/** for each set bit of a word, lowest first; @word is consumed */
#define gw_bitmap_for_each(bit, word) \
	for (; (word) && ((bit) = (unsigned int)__builtin_ctzll(word), 1); (word) &= (word) - 1)

#endif
