/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "devices/gpu/display.h"

/* The registers of a display, written as Linux's bochs driver writes them. */

#define MEMORY	(16ull << 20)

static struct gpu_display d;

static int set_up(void **state)
{
	memset(&d, 0, sizeof(d));
	gw_gpu_display_init(&d, MEMORY, 1024, 768);
	return 0;
}

static void dispi(enum gpu_dispi reg, uint16_t val)
{
	gw_gpu_display_write(&d, GPU_DISPI_AT + 2 * reg, 2, val);
}

static uint64_t dispi_read(enum gpu_dispi reg)
{
	return gw_gpu_display_read(&d, GPU_DISPI_AT + 2 * reg, 2);
}

static void set_mode(uint16_t x, uint16_t y, uint16_t bpp)
{
	gw_gpu_display_write(&d, GPU_VGA_AT + 2, 1, 1);
	gw_gpu_display_read(&d, GPU_VGA_STATUS, 1);
	gw_gpu_display_write(&d, GPU_VGA_ATTRIBUTE, 1, GPU_VGA_UNBLANK);
	dispi(GPU_DISPI_ENABLE, 0);
	dispi(GPU_DISPI_BPP, bpp);
	dispi(GPU_DISPI_XRES, x);
	dispi(GPU_DISPI_YRES, y);
	dispi(GPU_DISPI_VIRT_WIDTH, x);
	dispi(GPU_DISPI_X_OFFSET, 0);
	dispi(GPU_DISPI_Y_OFFSET, 0);
	dispi(GPU_DISPI_ENABLE, 0x41);
}

static void a_driver_finds_the_display_of_qemu(void **state)
{
	assert_int_equal(dispi_read(GPU_DISPI_ID), 0xb0c5);
	assert_int_equal(dispi_read(GPU_DISPI_MEMORY_64K), MEMORY >> 16);
	assert_int_equal(gw_gpu_display_read(&d, 0x600, 4), 8);
	assert_int_equal(gw_gpu_display_read(&d, 0x604, 4), 0x1e1e1e1e);
	gw_gpu_display_write(&d, 0x604, 4, 0xbebebebe);
	assert_int_equal(gw_gpu_display_read(&d, 0x604, 4), 0xbebebebe);
	gw_gpu_display_write(&d, 0x604, 4, 0x12345678);
	assert_int_equal(gw_gpu_display_read(&d, 0x604, 4), 0xbebebebe);
	dispi(GPU_DISPI_ID, 0xb0c0);
	assert_int_equal(dispi_read(GPU_DISPI_ID), 0xb0c5);
	dispi(GPU_DISPI_XRES, 640);
	dispi(GPU_DISPI_ENABLE, GPU_DISPI_GETCAPS);
	assert_int_equal(dispi_read(GPU_DISPI_XRES), 8192);
	dispi(GPU_DISPI_ENABLE, 0);
	assert_int_equal(dispi_read(GPU_DISPI_XRES), 640);
}

static void a_picture_is_where_the_registers_say(void **state)
{
	struct gpu_frame f;

	assert_false(gw_gpu_display_frame(&d, &f));
	set_mode(1024, 768, 32);
	assert_true(gw_gpu_display_frame(&d, &f));
	assert_int_equal(f.width, 1024);
	assert_int_equal(f.height, 768);
	assert_int_equal(f.stride, 4096);
	assert_int_equal(f.format, GPU_XRGB8888);
	assert_int_equal(f.off.v, 0);
	assert_int_equal(f.size, 1024 * 768 * 4);
	dispi(GPU_DISPI_VIRT_WIDTH, 2048);
	dispi(GPU_DISPI_X_OFFSET, 16);
	dispi(GPU_DISPI_Y_OFFSET, 3);
	assert_true(gw_gpu_display_frame(&d, &f));
	assert_int_equal(f.stride, 8192);
	assert_int_equal(f.off.v, 3 * 8192 + 16 * 4);
	assert_int_equal(f.size, 767 * 8192 + 1024 * 4);
	set_mode(640, 480, 16);
	assert_true(gw_gpu_display_frame(&d, &f));
	assert_int_equal(f.format, GPU_RGB565);
	assert_int_equal(f.stride, 1280);
}

static void a_picture_never_leaves_the_memory(void **state)
{
	struct gpu_frame f;

	set_mode(2048, 2048, 32);			/* fits to the byte */
	assert_true(gw_gpu_display_frame(&d, &f));
	dispi(GPU_DISPI_X_OFFSET, 1);
	assert_false(gw_gpu_display_frame(&d, &f));
	set_mode(2048, 2049, 32);
	assert_false(gw_gpu_display_frame(&d, &f));
	set_mode(0xffff, 0xffff, 32);
	dispi(GPU_DISPI_VIRT_WIDTH, 0xffff);
	dispi(GPU_DISPI_X_OFFSET, 0xffff);
	dispi(GPU_DISPI_Y_OFFSET, 0xffff);
	assert_false(gw_gpu_display_frame(&d, &f));
	set_mode(64, 0, 32);
	assert_false(gw_gpu_display_frame(&d, &f));
	for (unsigned int bpp = 0; bpp < 64; bpp++) {
		set_mode(64, 64, (uint16_t)bpp);
		assert_int_equal(gw_gpu_display_frame(&d, &f), bpp == 16 || bpp == 32);
	}
}

static void blanked_there_is_no_picture(void **state)
{
	struct gpu_frame f;

	set_mode(640, 480, 32);
	gw_gpu_display_read(&d, GPU_VGA_STATUS, 1);
	gw_gpu_display_write(&d, GPU_VGA_ATTRIBUTE, 1, 0);
	assert_false(gw_gpu_display_frame(&d, &f));
	/* the next write is the attribute's data, and changes nothing */
	gw_gpu_display_write(&d, GPU_VGA_ATTRIBUTE, 1, GPU_VGA_UNBLANK);
	assert_false(gw_gpu_display_frame(&d, &f));
	gw_gpu_display_write(&d, GPU_VGA_ATTRIBUTE, 1, GPU_VGA_UNBLANK);
	assert_true(gw_gpu_display_frame(&d, &f));
	gw_gpu_display_reset(&d);
	assert_false(gw_gpu_display_frame(&d, &f));
}

static void each_picture_shown_is_counted(void **state)
{
	uint64_t before;

	set_mode(640, 480, 32);
	before = d.flips;
	dispi(GPU_DISPI_X_OFFSET, 0);
	dispi(GPU_DISPI_Y_OFFSET, 480);
	dispi(GPU_DISPI_Y_OFFSET, 0);
	assert_int_equal(d.flips, before + 2);
}

static void every_width_reads_the_same_bytes(void **state)
{
	dispi(GPU_DISPI_XRES, 0x1234);
	dispi(GPU_DISPI_YRES, 0x5678);
	for (unsigned int width = 2; width <= 8; width *= 2) {
		for (unsigned int off = 0; off < GPU_DISPLAY_SIZE; off += width) {
			uint64_t whole = gw_gpu_display_read(&d, off, width), parts = 0;

			for (unsigned int i = 0; i < width; i++)
				parts |= gw_gpu_display_read(&d, off + i, 1) << 8 * i;
			assert_int_equal(whole, parts);
		}
	}
	assert_int_equal(gw_gpu_display_read(&d, GPU_DISPI_AT + 3, 1), 0x12);
}

static unsigned int pixels_x(const uint8_t *t)
{
	return t[2] | (t[4] & 0xf0u) << 4;
}

static void the_monitor_describes_itself(void **state)
{
	static const struct { unsigned int x, y; } mode[] = {
		{ 64, 64 }, { 1024, 768 }, { 1920, 1080 }, { 3840, 2160 }, { 4095, 4095 },
	};

	for (size_t i = 0; i < sizeof(mode) / sizeof(mode[0]); i++) {
		uint8_t e[GPU_EDID_SIZE], sum = 0, *t = e + 54;
		unsigned int clock;

		gw_gpu_edid(e, mode[i].x, mode[i].y, 1ull << 30);
		for (unsigned int j = 0; j < GPU_EDID_SIZE; j++)
			sum = (uint8_t)(sum + e[j]);
		assert_int_equal(sum, 0);
		assert_memory_equal(e, "\0\377\377\377\377\377\377\0", 8);
		assert_int_equal(pixels_x(t), mode[i].x);
		assert_int_equal(t[5] | (t[7] & 0xf0u) << 4, mode[i].y);
		clock = t[0] | (unsigned int)t[1] << 8;
		assert_true(clock > 0);
		assert_memory_equal(e + 54 + 36, "\0\0\0\xfc\0gangway\n", 13);
	}
}

static void a_mode_that_does_not_fit_is_not_told(void **state)
{
	uint8_t e[GPU_EDID_SIZE];

	gw_gpu_edid(e, 640, 480, 2 << 20);		/* 800x600 takes 1.9 MB, 1024x768 3.1 */
	assert_int_equal(e[35], 0x21);
	assert_int_equal(e[36], 0);
	assert_int_equal(e[38], 1);
	gw_gpu_edid(e, 640, 480, 64 << 20);
	assert_int_equal(e[36], 8);
	assert_int_equal(e[38], 1280 / 8 - 31);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_driver_finds_the_display_of_qemu, set_up),
		cmocka_unit_test_setup(a_picture_is_where_the_registers_say, set_up),
		cmocka_unit_test_setup(a_picture_never_leaves_the_memory, set_up),
		cmocka_unit_test_setup(blanked_there_is_no_picture, set_up),
		cmocka_unit_test_setup(each_picture_shown_is_counted, set_up),
		cmocka_unit_test_setup(every_width_reads_the_same_bytes, set_up),
		cmocka_unit_test(the_monitor_describes_itself),
		cmocka_unit_test(a_mode_that_does_not_fit_is_not_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
