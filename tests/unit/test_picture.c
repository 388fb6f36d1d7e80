/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/guard.h"
#include "cli/picture.h"

/* What others say of a picture, and its pixels. */

static void what_is_said_is_understood(void **state)
{
	const struct picture p = { 1920, 1080, 7680, PICTURE_BGRX8888, 4096 };
	char text[PICTURE_TEXT];
	struct picture q;

	picture_text(&p, text);
	assert_string_equal(text, "1920x1080 stride 7680 offset 4096 bgrx8888");
	assert_true(picture_parse(text, &q));
	assert_memory_equal(&p, &q, sizeof(p));
	assert_true(picture_fits(&q, 4096 + 7680 * 1080));
	assert_false(picture_fits(&q, 4096 + 7680 * 1080 - 1));
}

static void nonsense_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "screen", "1024x768", "1024x768 stride 4096 offset 0",
		"0x768 stride 4096 offset 0 xrgb8888",
		"1024x0 stride 4096 offset 0 xrgb8888", "1024x768 stride 4095 offset 0 xrgb8888",
		"1024x768 stride 2047 offset 0 rgb565", "1024x768 stride 4096 offset 0 yuv",
		"1024x768 stride 4096 offset 0 xrgb8888 more",
		"99999x10 stride 999999 offset 0 rgb565",
		"1024x768 stride 4096 offset 0 xrgb88888888888888",
	};
	struct picture p;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (picture_parse(bad[i], &p))
			fail_msg("\"%s\" was taken", bad[i]);
	/* the largest that can be said wraps nowhere */
	assert_true(picture_parse("16384x16384 stride 999999 offset 999999999999 xrgb8888", &p));
	assert_false(picture_fits(&p, 999999999999));
}

static void each_format_gives_the_same_colours(void **state)
{
	static const struct {
		enum picture_format format;
		uint8_t raw[8];
	} two[] = {
		{ PICTURE_XRGB8888, { 0, 0, 255, 9, 255, 255, 0, 9 } },	/* red, and cyan */
		{ PICTURE_BGRX8888, { 9, 255, 0, 0, 9, 0, 255, 255 } },
		{ PICTURE_RGB565, { 0x00, 0xf8, 0xff, 0x07 } },
	};
	uint8_t raw[8], out[8];

	for (size_t i = 0; i < sizeof(two) / sizeof(two[0]); i++) {
		const struct picture p = { 2, 1, 8, two[i].format, 0 };

		assert_int_equal(picture_line(&p, two[i].raw, 0, raw, out), 0);
		assert_memory_equal(out, "\377\0\0\0\0\377\377\0", 8);
	}
}

static void memory_that_has_gone_is_an_error(void **state)
{
	const struct picture p = { 64, 64, 256, PICTURE_XRGB8888, 0 };
	char path[] = "/tmp/picture-XXXXXX";
	int fd = mkstemp(path);
	void *mem;

	gw_guard_install();	/* cmocka has taken the signal over */
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 64 * 256), 0);
	mem = mmap(NULL, 64 * 256, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(mem != MAP_FAILED);
	assert_int_equal(picture_png(&p, mem, path, NULL), 0);	/* beside it, then in its place */
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(picture_png(&p, mem, path, NULL), -EFAULT);
	munmap(mem, 64 * 256);
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_said_is_understood),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(each_format_gives_the_same_colours),
		cmocka_unit_test(memory_that_has_gone_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
