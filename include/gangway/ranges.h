/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_RANGES_H
#define GANGWAY_RANGES_H

#include <stdbool.h>
#include <stdint.h>

#include <gangway/addr.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Lists of address ranges: what a buffer in a device's memory consists of, in order. A list holds
 * addresses of one kind; each kind has a type of list and of cursor of its own, made by the macro
 * at the end, so the compiler keeps BAR offsets, device memory and DMA addresses apart. Users take
 * those; the calls on bare numbers are what they are made of.
 *
 * There are two forms behind one cursor. Extents are exact to the byte and one element a run,
 * whatever its length: the form for interfaces and for the wire. Words are what page tables are
 * filled from: page frame and order in 64 bits, each block aligned to its own size. A length is
 * never rounded: what is not whole pages does not become words.
 *
 * A list that nobody adds to may be read by any number of threads, each with a cursor of its own.
 */

#define GW_RANGES_MAX	65536u		/* elements of any list */

enum gw_ranges_form { GW_RANGES_EXTENTS, GW_RANGES_WORDS };

/* Flags of an element; only words keep them. */
#define GW_RANGES_WRITE	0x040u		/* may be written */
#define GW_RANGES_MMIO	0x080u		/* registers or device memory: not to be cached */
#define GW_RANGES_END	0x100u		/* in a word: the run ends here; set by the list */

/* A word: frame in bits 63 to 12, flags in 11 to 6, order in 5 to 0: 4096 << order bytes. */
#define GW_WORD_FRAME	0xfffffffffffff000ull
#define GW_WORD_ORDER	0x03fu

/** A run of addresses. Its last byte, @at + @size - 1, is an address too. */
struct gw_run {
	uint64_t at, size;
};

/** @end: bytes of the list up to the end of this element */
struct gw_extent {
	uint64_t at, end;
};

/** struct gw_ranges - a list; to be looked at by cursors only, but for @bytes and @nr */
struct gw_ranges {
	enum gw_ranges_form form;
	unsigned int nr, max, room;	/* elements: there are, may be, have room */
	uint64_t bytes;			/* of all elements */
	struct gw_extent *extent;
	uint64_t *word, *sum;		/* sum[i]: bytes before word 16 * i */
};

/**
 * gw_ranges_init() - an empty list
 * @max: elements it may have; more than GW_RANGES_MAX counts as that
 */
void gw_ranges_init(struct gw_ranges *r, enum gw_ranges_form form, unsigned int max);

/** gw_ranges_fini() - free what the list holds */
void gw_ranges_fini(struct gw_ranges *r);

/**
 * gw_ranges_add() - append a run; one that continues the last, with equal flags, is merged with it
 * @flags: GW_RANGES_WRITE and GW_RANGES_MMIO; extents have none
 *
 * Return: 0; -EINVAL it is empty, or unknown flags, or (words) not whole pages; -EOVERFLOW it
 * wraps, or the sum of all lengths does; -ENOSPC more than @max elements; -ENOMEM. After an error
 * the list is as it was.
 */
int gw_ranges_add(struct gw_ranges *r, uint64_t at, uint64_t size, unsigned int flags);

/**
 * struct gw_cursor - a place in a list, and how far to go
 *
 * It is plain data: a copy is a second cursor.
 */
struct gw_cursor {
	const struct gw_ranges *r;
	unsigned int index;		/* element */
	uint64_t off;			/* bytes into it */
	uint64_t left;			/* bytes until the cursor's end */
	uint64_t first, last;		/* addresses it is clipped to */
};

/** gw_cursor_init() - at the start of the list, to its end */
void gw_cursor_init(struct gw_cursor *c, const struct gw_ranges *r);

/**
 * gw_cursor_seek() - to a place of the list, counted in its bytes; the end becomes the list's
 *
 * Takes time by the logarithm of the number of elements. Return: 0; -ERANGE behind the end.
 */
int gw_cursor_seek(struct gw_cursor *c, uint64_t pos);

/** gw_cursor_limit() - end after @bytes more of the list, if not earlier: with seek, a split */
void gw_cursor_limit(struct gw_cursor *c, uint64_t bytes);

/** gw_cursor_clip() - show what lies in @first to @last only, and in earlier clips: intersect */
void gw_cursor_clip(struct gw_cursor *c, uint64_t first, uint64_t last);

/**
 * gw_cursor_next() - the next piece, of at most @max bytes; never more than one element
 *
 * Return: false at the end.
 */
bool gw_cursor_next(struct gw_cursor *c, uint64_t max, struct gw_run *run);

/** gw_cursor_run() - likewise, with elements that continue each other merged */
bool gw_cursor_run(struct gw_cursor *c, uint64_t max, struct gw_run *run);

/**
 * gw_cursor_block() - the largest block of pages here that is aligned to its own size
 * @max_order: no larger than 4096 << @max_order
 *
 * Return: 1; 0 at the end; -EINVAL what is here is not whole pages.
 */
int gw_cursor_block(struct gw_cursor *c, unsigned int max_order, struct gw_run *run);

/**
 * gw_ranges_copy() - append all that a cursor shows, to a list of either form
 *
 * Return: as gw_ranges_add(); after an error what was appended before it stays.
 */
int gw_ranges_copy(struct gw_ranges *to, struct gw_cursor *c, unsigned int flags);

/* The list and the cursor of one kind of address. */
#define GW_RANGES_OF(kind, type)								\
struct gw_##kind##_ranges { struct gw_ranges raw; };						\
struct gw_##kind##_cursor { struct gw_cursor raw; };						\
struct gw_##kind##_run { type at; uint64_t size; };						\
static inline void gw_##kind##_ranges_init(struct gw_##kind##_ranges *r,			\
					   enum gw_ranges_form form, unsigned int max)		\
{ gw_ranges_init(&r->raw, form, max); }								\
static inline void gw_##kind##_ranges_fini(struct gw_##kind##_ranges *r)			\
{ gw_ranges_fini(&r->raw); }									\
static inline int gw_##kind##_ranges_add(struct gw_##kind##_ranges *r, type at, uint64_t size)	\
{ return gw_ranges_add(&r->raw, at.v, size, 0); }						\
static inline uint64_t gw_##kind##_ranges_bytes(const struct gw_##kind##_ranges *r)		\
{ return r->raw.bytes; }									\
static inline void gw_##kind##_cursor_init(struct gw_##kind##_cursor *c,			\
					   const struct gw_##kind##_ranges *r)			\
{ gw_cursor_init(&c->raw, &r->raw); }								\
static inline int gw_##kind##_cursor_seek(struct gw_##kind##_cursor *c, uint64_t pos)		\
{ return gw_cursor_seek(&c->raw, pos); }							\
static inline void gw_##kind##_cursor_limit(struct gw_##kind##_cursor *c, uint64_t bytes)	\
{ gw_cursor_limit(&c->raw, bytes); }								\
static inline void gw_##kind##_cursor_clip(struct gw_##kind##_cursor *c, type first, type last)	\
{ gw_cursor_clip(&c->raw, first.v, last.v); }							\
static inline bool gw_##kind##_cursor_next(struct gw_##kind##_cursor *c, uint64_t max,		\
					   struct gw_##kind##_run *run)				\
{												\
	struct gw_run raw;									\
	bool more = gw_cursor_next(&c->raw, max, &raw);						\
												\
	if (more) {										\
		run->at.v = raw.at;								\
		run->size = raw.size;								\
	}											\
	return more;										\
}												\
static inline bool gw_##kind##_cursor_run(struct gw_##kind##_cursor *c, uint64_t max,		\
					  struct gw_##kind##_run *run)				\
{												\
	struct gw_run raw;									\
	bool more = gw_cursor_run(&c->raw, max, &raw);						\
												\
	if (more) {										\
		run->at.v = raw.at;								\
		run->size = raw.size;								\
	}											\
	return more;										\
}

GW_RANGES_OF(bar, gw_bar_off)
GW_RANGES_OF(vram, gw_vram)
GW_RANGES_OF(iova, gw_iova)
GW_RANGES_OF(file, gw_file_off)

#ifdef __cplusplus
}
#endif

#endif
