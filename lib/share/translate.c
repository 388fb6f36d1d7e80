/* SPDX-License-Identifier: BSD-3-Clause */
#include "share/translate.h"

#include <errno.h>
#include <stddef.h>

int gw_translate_check(const struct gw_translate *t)
{
	uint64_t last = 0, to_last;

	for (unsigned int i = 0; i < t->nr; i++) {
		const struct gw_translate_extent *e = &t->extent[i];

		if (!e->size || (i && e->from <= last))
			return -EINVAL;
		if (__builtin_add_overflow(e->from, e->size - 1, &last) ||
		    __builtin_add_overflow(e->to, e->size - 1, &to_last))
			return -EOVERFLOW;
	}
	return 0;
}

void gw_translate_cursor_init(struct gw_translate_cursor *c, const struct gw_translate *t,
			      const struct gw_cursor *src)
{
	*c = (struct gw_translate_cursor){ .t = t, .src = *src };
}

static inline bool holds(const struct gw_translate *t, unsigned int i, uint64_t at)
{
	return i < t->nr && at >= t->extent[i].from && at - t->extent[i].from < t->extent[i].size;
}

const struct gw_translate_extent *gw_translate_find(const struct gw_translate *t, uint64_t at)
{
	unsigned int low = 0, high = t->nr;

	while (low < high) {
		unsigned int mid = low + (high - low) / 2;

		if (t->extent[mid].from <= at)
			low = mid + 1;
		else
			high = mid;
	}
	return low && holds(t, low - 1, at) ? &t->extent[low - 1] : NULL;
}

/* The extent of @at: the one before, the next, or wherever. */
static bool find(struct gw_translate_cursor *c, uint64_t at)
{
	const struct gw_translate_extent *e;

	if (holds(c->t, c->hint, at) || holds(c->t, ++c->hint, at))
		return true;
	e = gw_translate_find(c->t, at);
	c->hint = e ? (unsigned int)(e - c->t->extent) : 0;
	return e;
}

int gw_translate_next(struct gw_translate_cursor *c, struct gw_run *run)
{
	const struct gw_translate_extent *e;
	uint64_t delta, size;

	if (!c->rest.size && !gw_cursor_next(&c->src, UINT64_MAX, &c->rest))
		return 0;
	*run = c->rest;
	if (!find(c, c->rest.at))
		return -ENOENT;
	e = &c->t->extent[c->hint];
	delta = c->rest.at - e->from;
	size = c->rest.size < e->size - delta ? c->rest.size : e->size - delta;
	*run = (struct gw_run){ e->to + delta, size };
	c->rest.at += size;
	c->rest.size -= size;
	return 1;
}
