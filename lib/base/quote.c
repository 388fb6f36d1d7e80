/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/quote.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* How many bytes from @s on are one character of UTF-8, in its shortest form. 0: they are none. */
static unsigned int utf8_length(const uint8_t *s)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned int len = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 :
			   s[0] >> 3 == 30 ? 4 : 0;
	uint32_t c = len > 1 ? s[0] & (0x7fu >> len) : s[0];

	/* a string that ends early ends in a byte that does not continue it */
	for (unsigned int i = 1; i < len; i++) {
		if (s[i] >> 6 != 2)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	return len && c >= least[len] && c <= 0x10ffff && c >> 11 != 0x1b ? len : 0;
}

/* One of C0, DEL or C1. */
static bool is_control(const uint8_t *s, unsigned int len)
{
	return len == 1 ? s[0] < 0x20 || s[0] == 0x7f : len == 2 && s[0] == 0xc2 && s[1] < 0xa0;
}

const char *gw_quote(const char *s, char *out, size_t size)
{
	const uint8_t *at = (const uint8_t *)s;
	size_t n = 0;

	assert(size);
	while (*at) {
		unsigned int len = utf8_length(at);
		bool plain = len && !is_control(at, len);
		size_t need = plain ? len : 4;

		if (n + need >= size)
			break;
		if (plain)
			memcpy(out + n, at, len);
		else
			snprintf(out + n, size - n, "\\x%02x", *at);
		n += need;
		at += plain ? len : 1;
	}
	out[n] = '\0';
	return out;
}
