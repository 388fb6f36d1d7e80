/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "base/reader.h"
#include "share/translate.h"

/*
 * Lists of ranges. An input is a byte of form and of what is done with them, then ranges of two
 * 64-bit numbers: most become the list, every fourth an extent of a table. Whatever they are, the
 * bytes that cursors show are those that went in.
 */

#define MAX_EXTENTS	64u

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_words(const struct gw_ranges *r)
{
	uint64_t sum = 0;

	if (r->form != GW_RANGES_WORDS)
		return;
	for (unsigned int i = 0; i < r->nr; i++) {
		uint64_t size = 4096ull << (r->word[i] & GW_WORD_ORDER);

		check((r->word[i] & GW_WORD_FRAME) % size == 0);
		check(i % 16 || r->sum[i / 16] == sum);
		sum += size;
	}
	check(sum == r->bytes);
}

static void check_walk(const struct gw_ranges *r, uint64_t pos, uint64_t limit, uint64_t max)
{
	uint64_t seen = 0, want = pos > r->bytes ? 0 : r->bytes - pos;
	struct gw_cursor c, merged;
	struct gw_run run;

	want = want < limit ? want : limit;
	gw_cursor_init(&c, r);
	check(gw_cursor_seek(&c, pos) == (pos > r->bytes ? -ERANGE : 0));
	if (pos > r->bytes)
		return;
	gw_cursor_limit(&c, limit);
	merged = c;
	for (unsigned int i = 0; i < 4096 && gw_cursor_next(&c, max, &run); i++) {
		check(run.size && run.size <= max && run.at + run.size - 1 >= run.at);
		seen += run.size;
	}
	check(seen == want || c.left);
	seen = 0;
	while (gw_cursor_run(&merged, UINT64_MAX, &run))
		seen += run.size;
	check(seen == want);
}

static void check_translation(const struct gw_ranges *r, const struct gw_translate *t)
{
	struct gw_translate_cursor tc;
	struct gw_cursor c;
	struct gw_run run;
	uint64_t seen = 0;
	int ret;

	if (gw_translate_check(t))
		return;
	gw_cursor_init(&c, r);
	gw_translate_cursor_init(&tc, t, &c);
	while ((ret = gw_translate_next(&tc, &run)) > 0)
		seen += run.size;
	check(ret == -ENOENT || seen == r->bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct gw_translate_extent extent[MAX_EXTENTS];
	struct gw_translate t = { extent, 0 };
	struct gw_reader in = gw_reader_init(data, len);
	struct gw_ranges r;
	uint8_t how;
	uint64_t at, size, bytes = 0, pos = 0, max = 4096;

	if (!gw_reader_take(&in, &how, 1))
		return 0;
	gw_ranges_init(&r, how & 1 ? GW_RANGES_WORDS : GW_RANGES_EXTENTS, 512);
	for (unsigned int i = 0; gw_reader_u64(&in, &at) && gw_reader_u64(&in, &size); i++) {
		if (i % 4 == 3 && t.nr < MAX_EXTENTS) {
			extent[t.nr++] = (struct gw_translate_extent){ at, size, at ^ size };
			continue;
		}
		if (how & 2) {
			at &= ~4095ull;
			size &= ~4095ull;
		}
		if (!gw_ranges_add(&r, at, size, 0))
			bytes += size;
		check(r.bytes == bytes && r.nr <= r.max);
		pos = at;
		max = size ? size : 1;
	}
	check_words(&r);
	check_walk(&r, 0, UINT64_MAX, UINT64_MAX);
	check_walk(&r, bytes ? pos % bytes : 0, max, max);
	check_walk(&r, bytes, 1, 1);
	check_walk(&r, pos, max, 4096);
	check_translation(&r, &t);
	gw_ranges_fini(&r);
	return 0;
}
