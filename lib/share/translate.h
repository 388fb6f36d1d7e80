/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_SHARE_TRANSLATE_H
#define GW_SHARE_TRANSLATE_H

#include <gangway/ranges.h>

/*
 * A table that turns one kind of address into another, extent by extent; and a cursor through it.
 * Whoever owns the table knows the kinds: these calls have none.
 */
struct gw_translate_extent {
	uint64_t from, to, size;
};

struct gw_translate {
	const struct gw_translate_extent *extent;	/* sorted by @from, disjoint */
	unsigned int nr;
};

/**
 * gw_translate_check() - can it be a table?
 *
 * Return: 0; -EINVAL an extent is empty, or not after the one before it; -EOVERFLOW one wraps.
 */
int gw_translate_check(const struct gw_translate *t);

/** gw_translate_find() - the extent that holds an address, or NULL */
const struct gw_translate_extent *gw_translate_find(const struct gw_translate *t, uint64_t at);

/** struct gw_translate_cursor - what a cursor shows, translated, and split where an extent ends */
struct gw_translate_cursor {
	const struct gw_translate *t;
	struct gw_cursor src;
	struct gw_run rest;		/* of a piece that an extent's end has split */
	unsigned int hint;		/* extent of the piece before */
};

void gw_translate_cursor_init(struct gw_translate_cursor *c, const struct gw_translate *t,
			      const struct gw_cursor *src);

/** gw_translate_next() - Return: 1; 0 at the end; -ENOENT *@run, not translated, is in no extent */
int gw_translate_next(struct gw_translate_cursor *c, struct gw_run *run);

#endif
