/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <unistd.h>

#include "devices/gpu/card.h"

/* Who has which part of a card's memory. */

#define MIB	(1ull << 20)
#define G	((uint64_t)GPU_GRANULE)

static struct gpu_card *card_with(const char *opts)
{
	struct gpu_options o;
	struct gpu_card *card;

	assert_int_equal(gw_gpu_options_parse(opts, NULL, &o), 0);
	assert_int_equal(gw_gpu_card_new(&o, NULL, &card), 0);
	return card;
}

static void options_have_defaults_that_fit(void **state)
{
	struct gpu_options o;

	assert_int_equal(gw_gpu_options_parse("", NULL, &o), 0);
	assert_int_equal(o.vram, 256 * MIB);
	assert_int_equal(o.vfs, 1);
	assert_int_equal(o.share, 64 * MIB);
	assert_int_equal(o.window, 64 * MIB);
	assert_int_equal(gw_gpu_options_parse("vfs=8", NULL, &o), 0);
	assert_true(8 * o.share < o.vram && o.window >= o.share);
	assert_int_equal(gw_gpu_options_parse("share=100M", NULL, &o), 0);
	assert_int_equal(o.window, 128 * MIB);
	assert_int_equal(gw_gpu_options_parse("share=64M,window=16M,pieces=3", NULL, &o), 0);
	assert_int_equal(o.window, 16 * MIB);
	assert_int_equal(gw_gpu_options_parse("mode=1920x1080", NULL, &o), 0);
	assert_int_equal(o.height, 1080);
}

static void impossible_options_are_refused(void **state)
{
	static const char *const bad[] = {
		"vram=100M", "vram=8M", "vram=128G", "vram", "vfs=0", "vfs=9", "vfs=x", "share=0",
		"share=100K", "share=1M1", "share=512M", "vfs=2,share=129M", "window=3M",
		"window=64K", "pieces=0", "pieces=65", "share=1M,pieces=17", "mode=1024",
		"mode=4096x768", "mode=10x10", "mode=800x600x2", "mode=-1x600", "nothing=1", ",",
		"vfs=1,",
	};
	struct gpu_options o;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (gw_gpu_options_parse(bad[i], NULL, &o) != -EINVAL)
			fail_msg("\"%s\" was taken", bad[i]);
}

static void shares_are_apart_and_cut_into_pieces(void **state)
{
	struct gpu_card *c = card_with("vram=16M,vfs=3,share=4M,pieces=5"), *alone;
	struct gpu_share share[3];
	uint8_t used[16 * MIB / GPU_GRANULE] = { 0 };

	for (unsigned int vf = 0; vf < 3; vf++) {
		uint64_t sum = 0;

		assert_int_equal(gw_gpu_share(c, vf, &share[vf]), 0);
		assert_int_equal(share[vf].nr, 5);
		for (unsigned int i = 0; i < 5; i++) {
			const struct gpu_extent *e = &share[vf].extent[i];

			if (i)
				assert_int_not_equal(e->at.v, e[-1].at.v + e[-1].len);
			for (uint64_t g = e->at.v / G; g < (e->at.v + e->len) / G; g++)
				assert_int_equal(used[g]++, 0);
			sum += e->len;
		}
		assert_int_equal(sum, 4 * MIB);
		assert_int_equal(share[vf].bytes, 4 * MIB);
	}
	assert_int_equal(gw_gpu_share(c, 3, &share[0]), -EINVAL);
	gw_gpu_card_put(c);
	alone = card_with("vram=16M,share=4M,pieces=2");
	gw_gpu_share(alone, 0, &share[0]);
	assert_int_equal(share[0].extent[0].at.v, 14 * MIB);
	assert_int_equal(share[0].extent[1].at.v, 12 * MIB);
	gw_gpu_card_put(alone);
}

/* Each byte of each share, seen from both sides: exhaustive, as the card is small. */
static void a_window_shows_its_share_and_nothing_else(void **state)
{
	struct gpu_card *c = card_with("vram=16M,vfs=2,share=2M,pieces=7,window=4M");
	uint8_t *model = calloc(1, 16 * MIB), *seen = malloc(16 * MIB);

	assert_non_null(model);
	assert_non_null(seen);
	for (unsigned int vf = 0; vf < 2; vf++) {
		struct gpu_slot *s = &c->slot[vf];
		uint64_t off = 0;

		/* the whole of its file, as far as a VMM could reach */
		for (uint64_t i = 0; i < c->opt.vram; i++)
			s->mem[i] = (uint8_t)((i * 2654435761u >> 13) + vf + 1);
		for (unsigned int i = 0; i < s->share.nr; i++) {
			memcpy(model + s->share.extent[i].at.v, s->mem + off,
			       s->share.extent[i].len);
			off += s->share.extent[i].len;
		}
		gw_gpu_set_live(c, vf, true);
	}
	assert_int_equal(gw_gpu_read(c, (gw_vram){ 0 }, seen, 16 * MIB), 0);
	assert_memory_equal(seen, model, 16 * MIB);
	free(seen);
	free(model);
	gw_gpu_card_put(c);
}

static void a_share_is_resized_when_idle_only(void **state)
{
	struct gpu_card *c = card_with("vram=16M,vfs=2,share=2M");
	const struct gpu_extent more[] = { { { 0 }, 3 * MIB }, { { 8 * MIB }, G } };
	struct gpu_share share;
	uint64_t generation;
	uint8_t byte = 0x55;

	gw_gpu_share(c, 0, &share);
	generation = share.generation;
	gw_gpu_set_live(c, 0, true);
	assert_int_equal(gw_gpu_provision(c, 0, more, 2), -EBUSY);
	assert_int_equal(gw_gpu_write(c, share.extent[0].at, &byte, 1), 0);
	assert_int_equal(c->slot[0].mem[0], 0x55);
	gw_gpu_set_live(c, 0, false);
	assert_int_equal(gw_gpu_provision(c, 0, more, 2), 0);
	assert_int_equal(c->slot[0].mem[0], 0);		/* whoever has it next sees nothing */
	gw_gpu_share(c, 0, &share);
	assert_int_equal(share.bytes, 3 * MIB + G);
	assert_true(share.generation > generation);
	assert_int_equal(gw_gpu_provision(c, 0, NULL, 0), 0);
	gw_gpu_share(c, 0, &share);
	assert_int_equal(share.bytes, 0);
	gw_gpu_card_put(c);
}

static void wrong_extents_change_nothing(void **state)
{
	struct gpu_card *c = card_with("vram=16M,vfs=2,share=2M");	/* at 12M and 14M */
	const struct {
		struct gpu_extent e[2];
		int want;
	} bad[] = {
		{ { { { 0 }, G }, { { 1 }, G } }, -EINVAL },
		{ { { { 0 }, G }, { { 2 * G }, 0 } }, -EINVAL },
		{ { { { 0 }, G }, { { 2 * G }, G + 4096 } }, -EINVAL },
		{ { { { 0 }, G }, { { 16 * MIB }, G } }, -ERANGE },
		{ { { { 0 }, G }, { { 16 * MIB - G }, 2 * G } }, -ERANGE },
		{ { { { 0 }, G }, { { 0 - G }, 2 * G } }, -ERANGE },
		{ { { { 0 }, G }, { { 2 * G }, 0 - G } }, -ERANGE },
		{ { { { 0 }, 4 * G }, { { 3 * G }, G } }, -EEXIST },
		{ { { { 0 }, G }, { { 14 * MIB - G }, 2 * G } }, -EEXIST },
	};
	struct gpu_share before, after;

	gw_gpu_share(c, 0, &before);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(gw_gpu_provision(c, 0, bad[i].e, 2), bad[i].want);
		gw_gpu_share(c, 0, &after);
		assert_memory_equal(&before, &after, sizeof(before));
	}
	assert_int_equal(gw_gpu_provision(c, 2, bad[0].e, 1), -EINVAL);
	assert_int_equal(gw_gpu_provision(c, 0, bad[0].e, GPU_MAX_EXTENTS + 1), -EINVAL);
	gw_gpu_card_put(c);
}

static void access_to_what_was_taken_back_is_refused_and_recorded(void **state)
{
	struct gpu_card *c = card_with("vram=16M,vfs=2,share=2M");
	struct gpu_stale stale[2];
	struct gpu_share share;
	char buf[16] = { 0 };

	gw_gpu_share(c, 1, &share);
	gw_gpu_set_live(c, 1, true);
	assert_int_equal(gw_gpu_write(c, share.extent[0].at, "picture", 8), 0);
	gw_gpu_set_live(c, 1, false);
	assert_int_equal(gw_gpu_read(c, (gw_vram){ share.extent[0].at.v + 1 }, buf, 2), -EACCES);
	assert_int_equal(gw_gpu_write(c, (gw_vram){ share.extent[0].at.v + 3 }, buf, 1), -EACCES);
	assert_int_equal(buf[0], 0);
	assert_int_equal(gw_gpu_stale(c, stale, 2), 2);
	assert_int_equal(stale[0].vf, 1);
	assert_int_equal(stale[0].at.v, share.extent[0].at.v + 1);
	assert_int_equal(stale[1].len, 1);
	assert_int_equal(gw_gpu_read(c, (gw_vram){ 0 }, buf, 2), 0);	/* nobody's */
	assert_int_equal(gw_gpu_read(c, (gw_vram){ 16 * MIB - 1 }, buf, 2), -ERANGE);
	assert_int_equal(gw_gpu_read(c, (gw_vram){ UINT64_MAX }, buf, 2), -ERANGE);
	gw_gpu_set_live(c, 1, true);
	assert_int_equal(gw_gpu_read(c, share.extent[0].at, buf, 8), 0);
	assert_string_equal(buf, "picture");
	assert_int_equal(gw_gpu_stale(c, NULL, 0), 2);
	gw_gpu_card_put(c);
}

static int in_callback[2];

static void read_then(void *opaque, struct gpu_card *c, unsigned int vf, bool on)
{
	struct gpu_share share;
	char byte;

	gw_gpu_share(c, vf, &share);
	in_callback[on] = gw_gpu_read(c, share.extent[0].at, &byte, 1);
}

/* Whoever is told lets go by its own accesses, which are not stale yet. */
static void memory_is_there_until_who_watches_has_let_go(void **state)
{
	const struct gpu_watch watch = { .decode = read_then };
	struct gpu_card *c = card_with("vram=16M,vfs=2,share=2M");

	gw_gpu_watch(c, &watch);
	in_callback[0] = in_callback[1] = -1;
	gw_gpu_set_live(c, 1, true);
	assert_int_equal(in_callback[1], 0);
	gw_gpu_set_live(c, 1, false);
	assert_int_equal(in_callback[0], 0);
	assert_int_equal(gw_gpu_stale(c, NULL, 0), 0);
	gw_gpu_card_put(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_have_defaults_that_fit),
		cmocka_unit_test(impossible_options_are_refused),
		cmocka_unit_test(shares_are_apart_and_cut_into_pieces),
		cmocka_unit_test(a_window_shows_its_share_and_nothing_else),
		cmocka_unit_test(a_share_is_resized_when_idle_only),
		cmocka_unit_test(wrong_extents_change_nothing),
		cmocka_unit_test(access_to_what_was_taken_back_is_refused_and_recorded),
		cmocka_unit_test(memory_is_there_until_who_watches_has_let_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
