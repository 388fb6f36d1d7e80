/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <gangway/ranges.h>

#include "share/translate.h"

#define PAGE	4096ull
#define FORMS	(enum gw_ranges_form[]){ GW_RANGES_EXTENTS, GW_RANGES_WORDS }

static unsigned int seed = 11;

static uint64_t pages_below(unsigned int n)
{
	return (uint64_t)rand_r(&seed) % n * PAGE;
}

static void a_run_may_end_at_the_top_but_not_wrap(void **state)
{
	for (int f = 0; f < 2; f++) {
		struct gw_ranges r;
		struct gw_cursor c;
		struct gw_run run;

		gw_ranges_init(&r, FORMS[f], 8);
		assert_int_equal(gw_ranges_add(&r, 0 - PAGE, 2 * PAGE, 0), -EOVERFLOW);
		assert_int_equal(gw_ranges_add(&r, 0 - PAGE, 0, 0), -EINVAL);
		assert_int_equal(gw_ranges_add(&r, 0 - PAGE, PAGE, 0), 0);
		/* address 0 does not continue the top */
		assert_int_equal(gw_ranges_add(&r, 0, PAGE, 0), 0);
		assert_int_equal(r.nr, 2);
		gw_cursor_init(&c, &r);
		assert_true(gw_cursor_run(&c, UINT64_MAX, &run));
		assert_int_equal(run.at, 0 - PAGE);
		assert_int_equal(run.size, PAGE);
		assert_true(gw_cursor_run(&c, UINT64_MAX, &run));
		assert_int_equal(run.at, 0);
		assert_false(gw_cursor_run(&c, UINT64_MAX, &run));
		gw_ranges_fini(&r);
	}
}

/* R50, R53: lengths are exact; what is not whole pages is no word, and is not rounded to one. */
static void lengths_are_never_rounded(void **state)
{
	struct gw_ranges e, w;
	struct gw_cursor c;
	struct gw_run run;

	gw_ranges_init(&e, GW_RANGES_EXTENTS, 8);
	gw_ranges_init(&w, GW_RANGES_WORDS, 64);
	assert_int_equal(gw_ranges_add(&e, 0x1000, 0x1801, 0), 0);
	assert_int_equal(e.bytes, 0x1801);
	assert_int_equal(gw_ranges_add(&w, 0x1000, 0x1801, 0), -EINVAL);
	assert_int_equal(gw_ranges_add(&w, 0x1800, 0x1000, 0), -EINVAL);
	gw_cursor_init(&c, &e);
	assert_int_equal(gw_cursor_block(&c, 63, &run), 1);
	assert_int_equal(run.size, PAGE);
	assert_int_equal(gw_cursor_block(&c, 63, &run), -EINVAL);
	gw_ranges_fini(&e);
	gw_ranges_fini(&w);
}

/* A frame of 1920x1080 or 3840x2160 pixels is 8 words, at a place that suits it. */
static void frames_are_eight_words(void **state)
{
	static const uint64_t frame[] = { 1920 * 1080 * 4, 3840ull * 2160 * 4 };

	for (int f = 0; f < 2; f++) {
		struct gw_ranges w;

		gw_ranges_init(&w, GW_RANGES_WORDS, 64);
		assert_int_equal(gw_ranges_add(&w, 64 << 20, frame[f], GW_RANGES_MMIO), 0);
		assert_int_equal(w.nr, 8);
		for (unsigned int i = 0; i < w.nr; i++) {
			uint64_t size = PAGE << (w.word[i] & GW_WORD_ORDER);

			assert_int_equal((w.word[i] & GW_WORD_FRAME) % size, 0);
			assert_int_equal(w.word[i] & 0xfc0,
					 GW_RANGES_MMIO | (i == w.nr - 1 ? GW_RANGES_END : 0));
		}
		assert_int_equal(w.bytes, frame[f]);
		gw_ranges_fini(&w);
	}
}

static void limits_hold_and_a_refusal_changes_nothing(void **state)
{
	for (int f = 0; f < 2; f++) {
		struct gw_ranges r;

		gw_ranges_init(&r, FORMS[f], GW_RANGES_MAX + 5);
		for (unsigned int i = 0; i < GW_RANGES_MAX; i++)
			assert_int_equal(gw_ranges_add(&r, 2 * i * PAGE, PAGE, 0), 0);
		assert_int_equal(gw_ranges_add(&r, 0, PAGE, 0), -ENOSPC);
		assert_int_equal(r.nr, GW_RANGES_MAX);
		assert_int_equal(r.bytes, GW_RANGES_MAX * PAGE);
		gw_ranges_fini(&r);

		gw_ranges_init(&r, FORMS[f], 2 * 51);
		assert_int_equal(gw_ranges_add(&r, PAGE, 0 - 2 * PAGE, 0), 0);
		assert_int_equal(gw_ranges_add(&r, 0, 2 * PAGE, 0), -EOVERFLOW);
		assert_int_equal(gw_ranges_add(&r, 0, PAGE, 0), f ? -ENOSPC : 0);
		gw_ranges_fini(&r);
	}
}

/* Page by page, or all at once: the same words. */
static void a_run_is_the_same_however_it_was_put_together(void **state)
{
	for (int round = 0; round < 50; round++) {
		uint64_t at = pages_below(5000), size = PAGE + pages_below(300), done = 0;
		struct gw_ranges whole, parts;

		gw_ranges_init(&whole, GW_RANGES_WORDS, 1000);
		gw_ranges_init(&parts, GW_RANGES_WORDS, 1000);
		/* what comes before has other flags, or is elsewhere */
		assert_int_equal(gw_ranges_add(&whole, at, PAGE, GW_RANGES_WRITE), 0);
		assert_int_equal(gw_ranges_add(&parts, at, PAGE, GW_RANGES_WRITE), 0);
		at += PAGE;
		assert_int_equal(gw_ranges_add(&whole, at, size, 0), 0);
		while (done < size) {
			uint64_t n = PAGE + pages_below(20);

			n = n < size - done ? n : size - done;
			assert_int_equal(gw_ranges_add(&parts, at + done, n, 0), 0);
			done += n;
		}
		assert_int_equal(parts.nr, whole.nr);
		assert_memory_equal(parts.word, whole.word, whole.nr * sizeof(*whole.word));
		assert_memory_equal(parts.sum, whole.sum,
				    (whole.nr + 15) / 16 * sizeof(*whole.sum));
		gw_ranges_fini(&whole);
		gw_ranges_fini(&parts);
	}
}

/* The same list in both forms, and page by page in an array. */
struct both {
	struct gw_ranges r[2];
	uint64_t page[8192];
	unsigned int nr;
};

static void both_make(struct both *b, unsigned int runs)
{
	b->nr = 0;
	for (int f = 0; f < 2; f++)
		gw_ranges_init(&b->r[f], FORMS[f], GW_RANGES_MAX);
	for (unsigned int i = 0; i < runs; i++) {
		uint64_t at = pages_below(4000), size = PAGE + pages_below(40);

		/* one in four continues the one before */
		if (b->nr && rand_r(&seed) % 4 == 0)
			at = b->page[b->nr - 1] + PAGE;
		for (int f = 0; f < 2; f++)
			assert_int_equal(gw_ranges_add(&b->r[f], at, size, 0), 0);
		for (uint64_t a = at; a < at + size; a += PAGE)
			b->page[b->nr++] = a;
	}
}

static void both_fini(struct both *b)
{
	gw_ranges_fini(&b->r[0]);
	gw_ranges_fini(&b->r[1]);
}

/* What a cursor shows, against pages from @i to before @end of the array. */
static void shows(struct gw_cursor c, const struct both *b, unsigned int i, unsigned int end,
		  int how)
{
	struct gw_run run;
	int more = 1;

	for (;;) {
		uint64_t max = PAGE + pages_below(how == 3 ? 3 : 2000);

		if (how == 0)
			more = gw_cursor_next(&c, UINT64_MAX, &run);
		else if (how == 1)
			more = gw_cursor_run(&c, UINT64_MAX, &run);
		else if (how == 2)
			more = gw_cursor_block(&c, (unsigned int)rand_r(&seed) % 8, &run);
		else
			more = gw_cursor_next(&c, max, &run);
		assert_true(more >= 0);
		if (!more)
			break;
		assert_true(how != 3 || run.size <= max);
		for (uint64_t a = run.at; a < run.at + run.size; a += PAGE) {
			while (i < end && (b->page[i] < c.first || b->page[i] > c.last))
				i++;
			assert_true(i < end);
			assert_int_equal(a, b->page[i++]);
		}
	}
	while (i < end && (b->page[i] < c.first || b->page[i] > c.last))
		i++;
	assert_int_equal(i, end);
}

/* Splits, windows and seeks of either form show just the bytes that an array of pages has. */
static void cursors_agree_with_an_array_of_pages(void **state)
{
	static struct both b;

	for (int round = 0; round < 200; round++) {
		both_make(&b, 1 + (unsigned int)rand_r(&seed) % 100);
		for (int f = 0; f < 2; f++) {
			assert_int_equal(b.r[f].bytes, b.nr * PAGE);
			for (int how = 0; how < 4; how++) {
				unsigned int from = (unsigned int)rand_r(&seed) % (b.nr + 1);
				unsigned int n = (unsigned int)rand_r(&seed) % (b.nr - from + 1);
				uint64_t first = pages_below(4000);
				struct gw_cursor c;

				gw_cursor_init(&c, &b.r[f]);
				shows(c, &b, 0, b.nr, how);
				assert_int_equal(gw_cursor_seek(&c, from * PAGE), 0);
				shows(c, &b, from, b.nr, how);
				gw_cursor_limit(&c, n * PAGE);
				shows(c, &b, from, from + n, how);
				gw_cursor_clip(&c, first, first + PAGE - 1 + pages_below(1000));
				shows(c, &b, from, from + n, how);
				assert_int_equal(gw_cursor_seek(&c, b.r[f].bytes + 1), -ERANGE);
			}
		}
		both_fini(&b);
	}
}

/* R51: whoever walks a list need not know its form. */
static void each_form_can_be_copied_to_the_other_and_back(void **state)
{
	static struct both b;
	struct gw_ranges words, again;
	struct gw_cursor c;

	both_make(&b, 80);
	gw_ranges_init(&words, GW_RANGES_WORDS, GW_RANGES_MAX);
	gw_ranges_init(&again, GW_RANGES_EXTENTS, GW_RANGES_MAX);
	gw_cursor_init(&c, &b.r[0]);
	assert_int_equal(gw_ranges_copy(&words, &c, 0), 0);
	gw_cursor_init(&c, &words);
	assert_int_equal(gw_ranges_copy(&again, &c, 0), 0);
	assert_int_equal(again.nr, b.r[0].nr);
	assert_memory_equal(again.extent, b.r[0].extent, again.nr * sizeof(*again.extent));
	gw_ranges_fini(&words);
	gw_ranges_fini(&again);
	both_fini(&b);
}

/* A table that scatters 4000 pages, and its inverse. */
static void translated_there_and_back_is_where_it_was(void **state)
{
	static struct gw_translate_extent there[100], back[100];
	struct gw_translate t = { there, 100 }, inverse = { back, 100 };
	static struct both b;

	/* extents of 1 to 40 pages; the targets in the opposite order, with gaps */
	for (unsigned int i = 0; i < 100; i++) {
		uint64_t size = (40 + i % 3) * PAGE;

		there[i] = (struct gw_translate_extent){ i * 40 * PAGE, 0, 40 * PAGE };
		there[i].to = (1ull << 40) - i * 64 * PAGE - size;
		back[99 - i] = (struct gw_translate_extent){ there[i].to, there[i].from,
							     there[i].size };
	}
	assert_int_equal(gw_translate_check(&t), 0);
	assert_int_equal(gw_translate_check(&inverse), 0);
	for (int round = 0; round < 100; round++) {
		both_make(&b, 60);
		for (int f = 0; f < 2; f++) {
			struct gw_ranges out;
			struct gw_translate_cursor tc;
			struct gw_cursor c;
			struct gw_run run;
			unsigned int i = 0;
			int ret;

			gw_ranges_init(&out, FORMS[f], GW_RANGES_MAX);
			gw_cursor_init(&c, &b.r[f]);
			gw_cursor_clip(&c, 0, 100 * 40 * PAGE - 1);
			gw_translate_cursor_init(&tc, &t, &c);
			while ((ret = gw_translate_next(&tc, &run)) > 0)
				assert_int_equal(gw_ranges_add(&out, run.at, run.size, 0), 0);
			assert_int_equal(ret, 0);
			gw_cursor_init(&c, &out);
			gw_translate_cursor_init(&tc, &inverse, &c);
			while ((ret = gw_translate_next(&tc, &run)) > 0) {
				for (uint64_t a = run.at; a < run.at + run.size; a += PAGE) {
					while (b.page[i] >= 100 * 40 * PAGE)
						i++;
					assert_int_equal(a, b.page[i++]);
				}
			}
			assert_int_equal(ret, 0);
			gw_ranges_fini(&out);
		}
		both_fini(&b);
	}
}

static void a_table_must_be_sorted_and_must_not_wrap(void **state)
{
	static const struct { struct gw_translate_extent e[2]; int ret; } bad[] = {
		{ { { 0, 0, 0 }, { 1, 1, 1 } }, -EINVAL },
		{ { { 0, 0, 2 }, { 1, 8, 1 } }, -EINVAL },
		{ { { 4, 0, 2 }, { 1, 8, 1 } }, -EINVAL },
		{ { { 0 - 1ull, 0, 1 }, { 0, 8, 1 } }, -EINVAL },
		{ { { 0, 0, 1 }, { 0 - 1ull, 8, 2 } }, -EOVERFLOW },
		{ { { 0, 0 - 1ull, 2 }, { 8, 8, 2 } }, -EOVERFLOW },
		{ { { 0, 0 - 1ull, 1 }, { 0 - 1ull, 8, 1 } }, 0 },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct gw_translate t = { bad[i].e, 2 };

		assert_int_equal(gw_translate_check(&t), bad[i].ret);
	}
}

static int translate_one(const struct gw_translate *t, uint64_t at, uint64_t size,
			 struct gw_run *run)
{
	struct gw_translate_cursor tc;
	struct gw_ranges r;
	struct gw_cursor c;
	int ret;

	gw_ranges_init(&r, GW_RANGES_EXTENTS, 1);
	assert_int_equal(gw_ranges_add(&r, at, size, 0), 0);
	gw_cursor_init(&c, &r);
	gw_translate_cursor_init(&tc, t, &c);
	ret = gw_translate_next(&tc, run);
	gw_ranges_fini(&r);
	return ret;
}

/*
 * A machine on which CPU addresses, and what two devices of one domain put on the bus, all differ:
 * memory below 2 GiB is elsewhere for a device that can send 64 bits, and out of reach for one that
 * cannot; 32-bit BARs are at bus addresses of their own.
 */
static void addresses_of_a_machine_whose_kinds_all_differ(void **state)
{
	static const struct gw_translate_extent wide[] = {
		{ 0x0, 0x2000000000, 0x80000000 },
		{ 0x80000000, 0x80000000, 0x1f80000000 },
		{ 0x0060000000100000, 0x100000, 0x7ff00000 },
		{ 0x0060000080000000, 0x0060000080000000, 0x1ff80000000 },
	};
	static const struct gw_translate_extent narrow[] = {
		{ 0x80000000, 0x80000000, 0x80000000 },
		{ 0x0060000000100000, 0x100000, 0x7ff00000 },
	};
	const struct gw_translate w = { wide, 4 }, n = { narrow, 2 };
	struct gw_run run;

	assert_int_equal(gw_translate_check(&w), 0);
	assert_int_equal(gw_translate_check(&n), 0);
	/* a BAR at 0x10000000 of the domain */
	assert_int_equal(translate_one(&w, 0x0060000010000000, PAGE, &run), 1);
	assert_int_equal(run.at, 0x10000000);
	assert_int_equal(run.at - 0x0060000010000000, 0xffa0000000000000);
	assert_int_equal(translate_one(&n, 0x0060000010000000, PAGE, &run), 1);
	assert_int_equal(run.at, 0x10000000);
	/* memory below 2 GiB */
	assert_int_equal(translate_one(&w, 0x40000000, PAGE, &run), 1);
	assert_int_equal(run.at, 0x2040000000);
	assert_int_equal(translate_one(&n, 0x40000000, PAGE, &run), -ENOENT);
	/* memory from 2 to 4 GiB, and above */
	assert_int_equal(translate_one(&w, 0xc0000000, PAGE, &run), 1);
	assert_int_equal(run.at, 0xc0000000);
	assert_int_equal(translate_one(&n, 0xc0000000, PAGE, &run), 1);
	assert_int_equal(run.at, 0xc0000000);
	assert_int_equal(translate_one(&w, 0x100000000, PAGE, &run), 1);
	assert_int_equal(run.at, 0x100000000);
	assert_int_equal(translate_one(&n, 0x100000000, PAGE, &run), -ENOENT);
	/* across a border: split there, and nothing is assumed to go on behind it */
	assert_int_equal(translate_one(&w, 0x7ffff000, 2 * PAGE, &run), 1);
	assert_int_equal(run.at, 0x207ffff000);
	assert_int_equal(run.size, PAGE);
}

static void kinds_have_lists_of_their_own(void **state)
{
	struct gw_bar_ranges r;
	struct gw_bar_cursor c;
	struct gw_bar_run run;

	gw_bar_ranges_init(&r, GW_RANGES_EXTENTS, 4);
	assert_int_equal(gw_bar_ranges_add(&r, (gw_bar_off){ PAGE }, 3 * PAGE), 0);
	assert_int_equal(gw_bar_ranges_bytes(&r), 3 * PAGE);
	gw_bar_cursor_init(&c, &r);
	gw_bar_cursor_clip(&c, (gw_bar_off){ 2 * PAGE }, (gw_bar_off){ UINT64_MAX });
	assert_true(gw_bar_cursor_run(&c, UINT64_MAX, &run));
	assert_int_equal(run.at.v, 2 * PAGE);
	assert_int_equal(run.size, 2 * PAGE);
	assert_int_equal(gw_bar_cursor_seek(&c, PAGE), 0);
	gw_bar_cursor_limit(&c, PAGE);
	assert_true(gw_bar_cursor_next(&c, UINT64_MAX, &run));
	assert_false(gw_bar_cursor_next(&c, UINT64_MAX, &run));
	gw_bar_ranges_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_may_end_at_the_top_but_not_wrap),
		cmocka_unit_test(lengths_are_never_rounded),
		cmocka_unit_test(frames_are_eight_words),
		cmocka_unit_test(limits_hold_and_a_refusal_changes_nothing),
		cmocka_unit_test(a_run_is_the_same_however_it_was_put_together),
		cmocka_unit_test(cursors_agree_with_an_array_of_pages),
		cmocka_unit_test(each_form_can_be_copied_to_the_other_and_back),
		cmocka_unit_test(translated_there_and_back_is_where_it_was),
		cmocka_unit_test(a_table_must_be_sorted_and_must_not_wrap),
		cmocka_unit_test(addresses_of_a_machine_whose_kinds_all_differ),
		cmocka_unit_test(kinds_have_lists_of_their_own),
	};

	return cmocka_run_group_tests_name("share ranges", tests, NULL, NULL);
}
