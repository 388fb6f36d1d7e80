/* SPDX-License-Identifier: BSD-3-Clause */
#include "share_rig.h"

/* What a share lays out, what an import of it is, and that it never is anything else. */

#define VFS	4u
#define VRAM	(1ull << 32)

static struct gw_provisioning *table_new(void)
{
	struct gw_provisioning *p;

	assert_int_equal(gw_provisioning_new(&rig_pf, RIG_BAR, VFS, VRAM, NULL, &p), 0);
	return p;
}

/* rig_vf is number 1: 3 pages here, 2 there, 3 elsewhere; neighbours all around. */
static const struct gw_vram_extent scattered[] = {
	{ { 100 * RIG_PAGE }, 3 * RIG_PAGE },
	{ { 7 * RIG_PAGE }, 2 * RIG_PAGE },
	{ { 50 * RIG_PAGE }, 3 * RIG_PAGE },
};
static const uint64_t place[] = { 100, 101, 102, 7, 8, 50, 51, 52 };

static int import(struct gw_provisioning *p, const struct gw_share_id *vf, unsigned int bar,
		  const struct gw_bar_range *range, unsigned int nr, uint64_t bytes,
		  struct gw_vram_import **im)
{
	char reason[GW_SHARE_REASON] = "";
	struct gw_bar_ranges list;
	const struct gw_iov_vram_payload in = { vf, bar, &list };
	int ret = 0;

	gw_bar_ranges_init(&list, GW_RANGES_EXTENTS, GW_RANGES_MAX);
	for (unsigned int i = 0; !ret && i < nr; i++)
		ret = gw_bar_ranges_add(&list, range[i].off, range[i].size);
	if (!ret) {
		ret = gw_provisioning_import(p, &in, bytes, im, reason);
		assert_int_equal(!ret, !*reason);
	}
	gw_bar_ranges_fini(&list);
	return ret;
}

/* R24: of this device only; by identity, never by address. */
static void only_a_virtual_function_of_this_device(void **state)
{
	const struct gw_bar_range one = { { 0 }, RIG_PAGE };
	struct gw_provisioning *p = table_new();
	struct gw_share_id id = rig_vf;
	struct gw_vram_import *im;

	assert_int_equal(gw_provisioning_set(p, 1, RIG_BYTES, scattered, 3), 0);
	assert_int_equal(import(p, &rig_pf, 0, &one, 1, RIG_PAGE, &im), -EXDEV);
	assert_int_equal(import(p, &rig_other, 0, &one, 1, RIG_PAGE, &im), -EXDEV);
	id.cookie++;	/* the same address, after another card was plugged in there */
	assert_int_equal(import(p, &id, 0, &one, 1, RIG_PAGE, &im), -EXDEV);
	id = rig_vf;
	id.pf.bus++;
	assert_int_equal(import(p, &id, 0, &one, 1, RIG_PAGE, &im), -EXDEV);
	id = rig_vf;
	id.vf = VFS;
	assert_int_equal(import(p, &id, 0, &one, 1, RIG_PAGE, &im), -EXDEV);
	id.vf = 2;	/* has no share */
	assert_int_equal(import(p, &id, 0, &one, 1, RIG_PAGE, &im), -ENOENT);
	assert_int_equal(import(p, &rig_vf, 2, &one, 1, RIG_PAGE, &im), -EXDEV);
	id = rig_vf;
	id.fn.bus = 9;	/* a virtual function may be on another bus than the device's */
	assert_int_equal(import(p, &id, 0, &one, 1, RIG_PAGE, &im), 0);
	gw_vram_import_put(im);
	gw_provisioning_free(p);
}

/* R40: both numbers are in the message, and it is a matter of trying another kind. */
static void a_share_larger_than_its_window_is_refused(void **state)
{
	const struct gw_vram_extent big = { { 0 }, VRAM / 2 };
	const struct gw_bar_range one = { { 0 }, RIG_PAGE };
	struct gw_bar_ranges list;
	const struct gw_iov_vram_payload in = { &rig_vf, RIG_BAR, &list };
	struct gw_provisioning *p = table_new();
	char reason[GW_SHARE_REASON];
	struct gw_vram_import *im;

	assert_int_equal(gw_provisioning_set(p, 1, 256 << 20, &big, 1), 0);
	gw_bar_ranges_init(&list, GW_RANGES_EXTENTS, 1);
	assert_int_equal(gw_bar_ranges_add(&list, one.off, one.size), 0);
	assert_int_equal(gw_provisioning_import(p, &in, RIG_PAGE, &im, reason), -EOPNOTSUPP);
	assert_non_null(strstr(reason, "2048 MiB"));
	assert_non_null(strstr(reason, "256 MiB"));
	gw_bar_ranges_fini(&list);
	/* smaller than the window: what is behind it is not a share's */
	assert_int_equal(gw_provisioning_set(p, 1, RIG_BYTES, scattered, 3), 0);
	assert_int_equal(import(p, &rig_vf, 0, &(struct gw_bar_range){ { 8 * RIG_PAGE }, RIG_PAGE },
				1, RIG_PAGE, &im), -ERANGE);
	gw_provisioning_free(p);
}

static void lists_that_are_refused(void **state)
{
	static const struct { struct gw_bar_range r[2]; uint64_t bytes; int ret; } bad[] = {
		{ { { { 0 }, 0 } }, 0, -EINVAL },
		{ { { { 1 }, RIG_PAGE } }, RIG_PAGE, -EINVAL },
		{ { { { 0 }, RIG_PAGE + 1 } }, RIG_PAGE + 1, -EINVAL },
		{ { { { 7 * RIG_PAGE }, 2 * RIG_PAGE } }, 2 * RIG_PAGE, -ERANGE },
		{ { { { 0 - RIG_PAGE }, RIG_PAGE } }, RIG_PAGE, -ERANGE },
		{ { { { 0 - RIG_PAGE }, 2 * RIG_PAGE } }, 2 * RIG_PAGE, -EOVERFLOW },
		{ { { { RIG_PAGE }, 0 - RIG_PAGE } }, 0 - RIG_PAGE, -ERANGE },
		{ { { { 0 }, RIG_PAGE } }, 2 * RIG_PAGE, -EMSGSIZE },
		{ { { { 0 }, 8 * RIG_PAGE }, { { 0 }, 9 * RIG_PAGE } }, 17 * RIG_PAGE, -ERANGE },
	};
	struct gw_provisioning *p = table_new();
	struct gw_vram_import *im;

	assert_int_equal(gw_provisioning_set(p, 1, RIG_BYTES, scattered, 3), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(import(p, &rig_vf, 0, bad[i].r, bad[i].r[1].size ? 2 : 1,
					bad[i].bytes, &im), bad[i].ret);
	assert_int_equal(gw_provisioning_revoke(p, 1), 0);	/* no reference was left */
	gw_provisioning_free(p);
}

/* Every list of two ranges of a share of 8 pages: just its bytes, in order, or nothing. */
static void a_small_share_is_never_left(void **state)
{
	struct gw_provisioning *p = table_new();
	unsigned int good = 0;

	assert_int_equal(gw_provisioning_set(p, 1, RIG_BYTES, scattered, 3), 0);
	for (unsigned int n = 0; n < 10 * 10 * 10 * 10; n++) {
		unsigned int at[] = { n % 10, n / 100 % 10 }, len[] = { n / 10 % 10, n / 1000 };
		struct gw_bar_range r[] = { { { at[0] * RIG_PAGE }, len[0] * RIG_PAGE },
					    { { at[1] * RIG_PAGE }, len[1] * RIG_PAGE } };
		bool inside = len[0] && len[1] && at[0] + len[0] <= 8 && at[1] + len[1] <= 8;
		struct gw_vram_import *im;
		struct gw_vram_cursor c;
		struct gw_vram_run run;
		unsigned int i = 0;
		int ret = import(p, &rig_vf, 0, r, 2, r[0].size + r[1].size, &im);

		assert_int_equal(!ret, inside);
		if (ret)
			continue;
		good++;
		gw_vram_cursor_init(&c, gw_vram_import_ranges(im));
		while (gw_vram_cursor_next(&c, RIG_PAGE, &run)) {
			unsigned int page = i < len[0] ? at[0] + i : at[1] + i - len[0];

			assert_int_equal(run.at.v, place[page] * RIG_PAGE);
			i++;
		}
		assert_int_equal(i, len[0] + len[1]);
		gw_vram_import_put(im);
	}
	assert_int_equal(good, 36 * 36);
	gw_provisioning_free(p);
}

static unsigned int seed = 5;

/* A piece of up to 64 pages in each of 500 stretches of 128, mixed up. Return: bytes */
static uint64_t lay_out_random(struct gw_provisioning *p)
{
	static struct gw_vram_extent piece[500];
	uint64_t total = 0;

	for (unsigned int k = 0; k < 500; k++) {
		uint64_t at = (k * 37 % 500) * 128 + (uint64_t)rand_r(&seed) % 64;

		piece[k] = (struct gw_vram_extent){ { at * RIG_PAGE },
						    (1 + (uint64_t)rand_r(&seed) % 64) * RIG_PAGE };
		total += piece[k].size;
	}
	assert_int_equal(gw_provisioning_set(p, 1, total, piece, 500), 0);
	return total;
}

/* Page by page the places at which the function itself finds what the list says. */
static void is_what_the_function_sees(struct gw_provisioning *p, const struct gw_bar_range *r,
				      unsigned int nr, const struct gw_vram_import *im)
{
	uint64_t done = 0, left;
	struct gw_vram_cursor c;
	struct gw_vram_run run;
	unsigned int i = 0;
	gw_vram at;

	gw_vram_cursor_init(&c, gw_vram_import_ranges(im));
	while (gw_vram_cursor_next(&c, RIG_PAGE, &run)) {
		assert_int_equal(gw_provisioning_at(p, 1, r[i].off.v + done, &at, &left), 0);
		assert_int_equal(run.at.v, at.v);
		done += RIG_PAGE;
		if (done == r[i].size) {
			i++;
			done = 0;
		}
	}
	assert_int_equal(i, nr);
}

/* Random shares of many pieces: each page of an import is the one that was laid there. */
static void a_large_share_is_never_left(void **state)
{
	for (int round = 0; round < 20; round++) {
		struct gw_provisioning *p = table_new();
		uint64_t total = lay_out_random(p), bytes = 0;
		struct gw_bar_range r[200];
		struct gw_vram_import *im;
		bool inside = true;

		for (unsigned int k = 0; k < 200; k++) {
			r[k].off.v = (uint64_t)rand_r(&seed) % (total / RIG_PAGE) * RIG_PAGE;
			r[k].size = (1 + (uint64_t)rand_r(&seed) % 300) * RIG_PAGE;
			if (round % 2 && r[k].size > total - r[k].off.v)
				r[k].size = total - r[k].off.v;
			inside &= r[k].off.v + r[k].size <= total;
			bytes += r[k].size;
		}
		assert_int_equal(import(p, &rig_vf, 0, r, 200, bytes, &im), inside ? 0 : -ERANGE);
		if (inside) {
			is_what_the_function_sees(p, r, 200, im);
			gw_vram_import_put(im);
		}
		gw_provisioning_free(p);
	}
}

static void shares_cannot_overlap(void **state)
{
	const struct gw_vram_extent twice[] = { { { 0 }, 2 * RIG_PAGE },
						{ { RIG_PAGE }, RIG_PAGE } };
	const struct gw_vram_extent beyond = { { VRAM - RIG_PAGE }, 2 * RIG_PAGE };
	const struct gw_vram_extent wraps = { { 0 - RIG_PAGE }, 2 * RIG_PAGE };
	const struct gw_vram_extent odd = { { 1 }, RIG_PAGE }, none = { { 0 }, 0 };
	const struct gw_vram_extent at_8 = { { 8 * RIG_PAGE }, RIG_PAGE };
	const struct gw_vram_extent at_9 = { { 9 * RIG_PAGE }, RIG_PAGE };
	struct gw_provisioning *p = table_new();
	uint64_t left, window;
	gw_vram at;

	assert_int_equal(gw_provisioning_set(p, VFS, RIG_BYTES, scattered, 3), -EINVAL);
	assert_int_equal(gw_provisioning_set(p, 1, RIG_BYTES, twice, 2), -EEXIST);
	assert_int_equal(gw_provisioning_set(p, 1, RIG_BYTES, &beyond, 1), -ERANGE);
	assert_int_equal(gw_provisioning_set(p, 1, RIG_BYTES, &wraps, 1), -EOVERFLOW);
	assert_int_equal(gw_provisioning_set(p, 1, RIG_BYTES, &odd, 1), -EINVAL);
	assert_int_equal(gw_provisioning_set(p, 1, RIG_BYTES, &none, 1), -EINVAL);
	assert_int_equal(gw_provisioning_set(p, 1, RIG_BYTES, scattered, 3), 0);
	assert_int_equal(gw_provisioning_set(p, 2, RIG_BYTES, &at_8, 1), -EEXIST);
	assert_int_equal(gw_provisioning_set(p, 2, RIG_BYTES, &at_9, 1), 0);
	/* a layout that is refused leaves the one before */
	assert_int_equal(gw_provisioning_set(p, 1, RIG_BYTES, &at_9, 1), -EEXIST);
	assert_int_equal(gw_provisioning_at(p, 1, 4 * RIG_PAGE + 9, &at, &left), 0);
	assert_int_equal(at.v, 8 * RIG_PAGE + 9);
	assert_int_equal(left, RIG_PAGE - 9);
	assert_int_equal(gw_provisioning_at(p, 1, 8 * RIG_PAGE, &at, &left), -ERANGE);
	assert_int_equal(gw_provisioning_size(p, 1, &window), 8 * RIG_PAGE);
	assert_int_equal(window, RIG_BYTES);
	/* its own place may be laid out anew, and then is free for another */
	assert_int_equal(gw_provisioning_set(p, 1, RIG_BYTES, &at_8, 1), 0);
	assert_int_equal(gw_provisioning_set(p, 1, RIG_BYTES, NULL, 0), 0);
	assert_int_equal(gw_provisioning_set(p, 2, RIG_BYTES, &at_8, 1), 0);
	gw_provisioning_free(p);
}

/* R44: what is imported keeps the layout; a revoke makes it invalid, and does not change it. */
static void a_layout_stays_while_anything_of_it_is_imported(void **state)
{
	const struct gw_bar_range one = { { 0 }, RIG_PAGE };
	struct gw_provisioning *p = table_new();
	struct gw_vram_import *im;

	assert_int_equal(gw_provisioning_set(p, 1, RIG_BYTES, scattered, 3), 0);
	assert_int_equal(import(p, &rig_vf, 0, &one, 1, RIG_PAGE, &im), 0);
	assert_int_equal(gw_provisioning_set(p, 1, RIG_BYTES, scattered, 2), -EBUSY);
	assert_true(gw_vram_import_valid(im));
	assert_int_equal(gw_provisioning_revoke(p, 1), 1);
	assert_false(gw_vram_import_valid(im));
	assert_int_equal(gw_provisioning_set(p, 1, RIG_BYTES, scattered, 2), -EBUSY);
	gw_vram_import_put(im);
	assert_int_equal(gw_provisioning_set(p, 1, RIG_BYTES, scattered, 2), 0);
	gw_provisioning_free(p);
}

struct racing {
	struct gw_provisioning *p;
	_Atomic bool stop;
};

/* Lay the share out low and high in turns, whenever nothing of it is imported. */
static void *lay_out(void *opaque)
{
	struct racing *r = opaque;

	for (unsigned int i = 0; !r->stop; i++) {
		const struct gw_vram_extent two[] = {
			{ { (i % 2 * 1000 + 10) * RIG_PAGE }, 5 * RIG_PAGE },
			{ { (i % 2 * 1000 + 500) * RIG_PAGE }, 5 * RIG_PAGE },
		};

		while (gw_provisioning_set(r->p, 1, RIG_BYTES, two, 2) == -EBUSY && !r->stop)
			gw_provisioning_revoke(r->p, 1);
	}
	return NULL;
}

/* An import shows one layout or the other, never some of each. */
static void a_layout_that_changes_under_way_is_never_mixed(void **state)
{
	const struct gw_bar_range all = { { 0 }, 10 * RIG_PAGE };
	struct racing r = { .p = table_new() };
	unsigned int good = 0, tries = 0;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, lay_out, &r), 0);
	while (good < 2000) {
		struct gw_vram_import *im;
		struct gw_vram_cursor c;
		struct gw_vram_run a = { 0 }, b = { 0 };
		int ret = import(r.p, &rig_vf, 0, &all, 1, 10 * RIG_PAGE, &im);

		assert_true(++tries < 10000000);
		assert_true(!ret || ret == -EAGAIN || ret == -ENOENT);
		if (ret)
			continue;
		gw_vram_cursor_init(&c, gw_vram_import_ranges(im));
		assert_true(gw_vram_cursor_next(&c, UINT64_MAX, &a));
		assert_true(gw_vram_cursor_next(&c, UINT64_MAX, &b));
		assert_true(a.at.v == 10 * RIG_PAGE || a.at.v == 1010 * RIG_PAGE);
		assert_int_equal(b.at.v - a.at.v, 490 * RIG_PAGE);
		assert_int_equal(a.size + b.size, 10 * RIG_PAGE);
		gw_vram_import_put(im);
		good++;
	}
	r.stop = true;
	pthread_join(thread, NULL);
	gw_provisioning_free(r.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_virtual_function_of_this_device),
		cmocka_unit_test(a_share_larger_than_its_window_is_refused),
		cmocka_unit_test(lists_that_are_refused),
		cmocka_unit_test(a_small_share_is_never_left),
		cmocka_unit_test(a_large_share_is_never_left),
		cmocka_unit_test(shares_cannot_overlap),
		cmocka_unit_test(a_layout_stays_while_anything_of_it_is_imported),
		cmocka_unit_test(a_layout_that_changes_under_way_is_never_mixed),
	};

	return cmocka_run_group_tests_name("share provisioning", tests, NULL, NULL);
}
