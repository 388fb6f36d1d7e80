/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <gangway/ranges.h>

/*
 * How it works: an extent keeps where it ends in the bytes of the list, which gives its length and
 * lets a seek bisect. Words have their length in them; every sixteenth has the sum of what comes
 * before it, and a seek bisects those and then steps.
 *
 * Words that continue the last run are not just appended: the run is encoded anew, so that a run
 * has the same words however it was put together. A run has at most two words an order.
 */

#define PAGE_SHIFT	12u
#define PAGE		(1ull << PAGE_SHIFT)
#define MAX_ORDER	(63u - PAGE_SHIFT)
#define SUM_EVERY	16u
#define FLAGS		(GW_RANGES_WRITE | GW_RANGES_MMIO)

static inline uint64_t word_size(uint64_t word)
{
	return PAGE << (word & GW_WORD_ORDER);
}

static inline uint64_t element_size(const struct gw_ranges *r, unsigned int i)
{
	if (r->form == GW_RANGES_WORDS)
		return word_size(r->word[i]);
	return r->extent[i].end - (i ? r->extent[i - 1].end : 0);
}

static inline uint64_t element_at(const struct gw_ranges *r, unsigned int i)
{
	return r->form == GW_RANGES_WORDS ? r->word[i] & GW_WORD_FRAME : r->extent[i].at;
}

static unsigned int order_here(uint64_t at, uint64_t size, unsigned int max)
{
	unsigned int by_size = 63u - (unsigned int)__builtin_clzll(size >> PAGE_SHIFT);
	unsigned int order = by_size < max ? by_size : max;

	if (at >> PAGE_SHIFT && (unsigned int)__builtin_ctzll(at >> PAGE_SHIFT) < order)
		order = (unsigned int)__builtin_ctzll(at >> PAGE_SHIFT);
	return order;
}

void gw_ranges_init(struct gw_ranges *r, enum gw_ranges_form form, unsigned int max)
{
	*r = (struct gw_ranges){ .form = form, .max = max < GW_RANGES_MAX ? max : GW_RANGES_MAX };
}

void gw_ranges_fini(struct gw_ranges *r)
{
	free(r->extent);
	free(r->word);
	free(r->sum);
	gw_ranges_init(r, r->form, r->max);
}

static int grow(void *array, size_t nr, size_t size)
{
	void *old, *p;

	memcpy(&old, array, sizeof(old));
	p = realloc(old, nr * size);
	if (!p)
		return -ENOMEM;
	memcpy(array, &p, sizeof(p));
	return 0;
}

/* Have room for @nr elements. Return: 0; -ENOSPC, -ENOMEM */
static int reserve(struct gw_ranges *r, unsigned int nr)
{
	unsigned int room = r->room ? r->room : 8;
	int ret;

	if (nr > r->max)
		return -ENOSPC;
	if (nr <= r->room)
		return 0;
	while (room < nr)
		room *= 2;
	if (r->form == GW_RANGES_EXTENTS) {
		ret = grow(&r->extent, room, sizeof(*r->extent));
	} else {
		ret = grow(&r->word, room, sizeof(*r->word));
		if (!ret)
			ret = grow(&r->sum, room / SUM_EVERY + 1, sizeof(*r->sum));
	}
	if (!ret)
		r->room = room;
	return ret;
}

static int add_extent(struct gw_ranges *r, uint64_t at, uint64_t size)
{
	struct gw_extent *prev = r->nr ? &r->extent[r->nr - 1] : NULL;
	int ret;

	/* an end at 2^64 is 0, and continues nothing: address 0 begins a run of its own */
	if (prev && at && prev->at + element_size(r, r->nr - 1) == at) {
		prev->end += size;
		return 0;
	}
	ret = reserve(r, r->nr + 1);
	if (!ret)
		r->extent[r->nr++] = (struct gw_extent){ at, r->bytes + size };
	return ret;
}

static unsigned int count_words(uint64_t at, uint64_t size)
{
	unsigned int nr = 0;

	for (; size; nr++) {
		uint64_t block = PAGE << order_here(at, size, MAX_ORDER);

		at += block;
		size -= block;
	}
	return nr;
}

static void put_words(struct gw_ranges *r, uint64_t at, uint64_t size, uint64_t sum,
		      unsigned int flags)
{
	while (size) {
		unsigned int order = order_here(at, size, MAX_ORDER);
		uint64_t block = PAGE << order;

		if (r->nr % SUM_EVERY == 0)
			r->sum[r->nr / SUM_EVERY] = sum;
		r->word[r->nr++] = at | flags | order | (size == block ? GW_RANGES_END : 0);
		at += block;
		size -= block;
		sum += block;
	}
}

static int add_words(struct gw_ranges *r, uint64_t at, uint64_t size, unsigned int flags)
{
	uint64_t sum = r->bytes, word;
	unsigned int keep = r->nr;
	int ret;

	if ((at | size) % PAGE)
		return -EINVAL;
	/* take the last run's words in again, from its end to its start */
	while (keep && at) {
		word = r->word[keep - 1];
		if ((word & FLAGS) != flags || (word & GW_WORD_FRAME) + word_size(word) != at ||
		    (keep != r->nr && word & GW_RANGES_END))
			break;
		keep--;
		at -= word_size(word);
		size += word_size(word);
		sum -= word_size(word);
	}
	ret = reserve(r, keep + count_words(at, size));
	if (ret)
		return ret;
	r->nr = keep;
	put_words(r, at, size, sum, flags);
	return 0;
}

int gw_ranges_add(struct gw_ranges *r, uint64_t at, uint64_t size, unsigned int flags)
{
	uint64_t last, bytes;
	int ret;

	if (!size || flags & ~(r->form == GW_RANGES_WORDS ? FLAGS : 0))
		return -EINVAL;
	if (__builtin_add_overflow(at, size - 1, &last) ||
	    __builtin_add_overflow(r->bytes, size, &bytes))
		return -EOVERFLOW;
	ret = r->form == GW_RANGES_WORDS ? add_words(r, at, size, flags) : add_extent(r, at, size);
	if (!ret)
		r->bytes = bytes;
	return ret;
}

int gw_ranges_copy(struct gw_ranges *to, struct gw_cursor *c, unsigned int flags)
{
	struct gw_run run;
	int ret = 0;

	while (!ret && gw_cursor_next(c, UINT64_MAX, &run))
		ret = gw_ranges_add(to, run.at, run.size, flags);
	return ret;
}

void gw_cursor_init(struct gw_cursor *c, const struct gw_ranges *r)
{
	*c = (struct gw_cursor){ .r = r, .left = r->bytes, .last = UINT64_MAX };
}

/* The first element for which bytes before its end, or before a group of words, exceed @pos. */
static unsigned int bisect(const struct gw_ranges *r, uint64_t pos)
{
	bool words = r->form == GW_RANGES_WORDS;
	unsigned int low = 0, high = words ? (r->nr - 1) / SUM_EVERY : r->nr - 1;

	while (low < high) {
		unsigned int mid = words ? low + (high - low + 1) / 2 : low + (high - low) / 2;

		if (words && r->sum[mid] <= pos)
			low = mid;
		else if (words)
			high = mid - 1;
		else if (r->extent[mid].end > pos)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

int gw_cursor_seek(struct gw_cursor *c, uint64_t pos)
{
	const struct gw_ranges *r = c->r;
	uint64_t before;

	if (pos > r->bytes)
		return -ERANGE;
	c->left = r->bytes - pos;
	c->index = r->nr;
	c->off = 0;
	if (!c->left)
		return 0;
	c->index = bisect(r, pos);
	if (r->form == GW_RANGES_EXTENTS) {
		before = c->index ? r->extent[c->index - 1].end : 0;
	} else {
		before = r->sum[c->index];
		c->index *= SUM_EVERY;
		while (pos - before >= word_size(r->word[c->index]))
			before += word_size(r->word[c->index++]);
	}
	c->off = pos - before;
	return 0;
}

void gw_cursor_limit(struct gw_cursor *c, uint64_t bytes)
{
	if (bytes < c->left)
		c->left = bytes;
}

void gw_cursor_clip(struct gw_cursor *c, uint64_t first, uint64_t last)
{
	if (first > c->first)
		c->first = first;
	if (last < c->last)
		c->last = last;
}

/* Go @bytes further, at most to the end of the element. */
static inline void step(struct gw_cursor *c, uint64_t rest, uint64_t bytes)
{
	c->left -= bytes;
	c->off += bytes;
	if (bytes == rest) {
		c->index++;
		c->off = 0;
	}
}

/*
 * What is left of the element, outside of the window skipped: @rest to its end, @size of that to
 * be shown. Return: false at the end
 */
static inline bool look(struct gw_cursor *c, uint64_t *at, uint64_t *size, uint64_t *rest)
{
	while (c->left) {
		uint64_t skip;

		*rest = element_size(c->r, c->index) - c->off;
		*at = element_at(c->r, c->index) + c->off;
		*size = *rest < c->left ? *rest : c->left;
		if (__builtin_expect(*at >= c->first && *at <= c->last, 1)) {
			if (*size - 1 > c->last - *at)
				*size = c->last - *at + 1;
			return true;
		}
		skip = *at < c->first && c->first - *at < *size ? c->first - *at : *size;
		step(c, *rest, skip);
	}
	return false;
}

bool gw_cursor_next(struct gw_cursor *c, uint64_t max, struct gw_run *run)
{
	uint64_t at, size, rest;

	if (!max || !look(c, &at, &size, &rest))
		return false;
	if (size > max)
		size = max;
	*run = (struct gw_run){ at, size };
	step(c, rest, size);
	return true;
}

bool gw_cursor_run(struct gw_cursor *c, uint64_t max, struct gw_run *run)
{
	struct gw_cursor ahead;
	struct gw_run more;

	if (!gw_cursor_next(c, max, run))
		return false;
	for (ahead = *c; gw_cursor_next(&ahead, max - run->size, &more); *c = ahead) {
		if (!more.at || run->at + run->size != more.at)
			break;
		run->size += more.size;
	}
	return true;
}

int gw_cursor_block(struct gw_cursor *c, unsigned int max_order, struct gw_run *run)
{
	uint64_t at, size, rest;

	if (!look(c, &at, &size, &rest))
		return 0;
	if (at % PAGE || size < PAGE)
		return -EINVAL;
	if (max_order > MAX_ORDER)
		max_order = MAX_ORDER;
	gw_cursor_next(c, PAGE << order_here(at, size, max_order), run);
	return 1;
}
