/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_BASE_READER_H
#define GW_BASE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * A bounds-checked reader over bytes from outside. A take that does not fit fails and moves
 * nothing; integers are in host byte order unless the name says otherwise.
 */
struct gw_reader {
	const uint8_t *p, *end;
};

static inline struct gw_reader gw_reader_init(const void *buf, size_t len)
{
	return (struct gw_reader){ .p = buf, .end = (const uint8_t *)buf + len };
}

static inline size_t gw_reader_left(const struct gw_reader *r)
{
	return (size_t)(r->end - r->p);
}

static inline bool gw_reader_take(struct gw_reader *r, void *out, size_t n)
{
	if (n > gw_reader_left(r))
		return false;
	memcpy(out, r->p, n);
	r->p += n;
	return true;
}

/** gw_reader_skip() - the next @n bytes in place, or NULL */
static inline const uint8_t *gw_reader_skip(struct gw_reader *r, size_t n)
{
	const uint8_t *at = r->p;

	if (n > gw_reader_left(r))
		return NULL;
	r->p += n;
	return at;
}

static inline bool gw_reader_u16(struct gw_reader *r, uint16_t *v)
{
	return gw_reader_take(r, v, sizeof(*v));
}

static inline bool gw_reader_u32(struct gw_reader *r, uint32_t *v)
{
	return gw_reader_take(r, v, sizeof(*v));
}

static inline bool gw_reader_u64(struct gw_reader *r, uint64_t *v)
{
	return gw_reader_take(r, v, sizeof(*v));
}

#endif
