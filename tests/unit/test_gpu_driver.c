/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>

#include <gangway/sim.h>

#include "base/util.h"
#include "devices/gpu/driver.h"
#include "devices/gpu/pf.h"

/* A virtual function's picture on the physical function's screen, over the simulated host. */

#define MIB	(1ull << 20)
#define WIDTH	500u
#define HEIGHT	400u
#define STRIDE	2048u
#define OFF	300u			/* of the first pixel, from the export */

static struct {
	struct gw_sim *sim;
	struct gw_host *host;
	struct gw_function *pf, *vf;
	struct gw_endpoint *ep;
	struct gpu_card *card;
	struct gw_bar_map map;
	struct gw_exporter *exporter;
	struct gpu_driver *driver;
	char reason[GW_SHARE_REASON];
} rig;

/* What the holder of the function does when it has to give its memory up. */
static void on_decode(void *opaque, struct gpu_card *card, unsigned int vf, bool on)
{
	if (on)
		gw_exporter_rearm(rig.exporter);
	else
		gw_exporter_revoke(rig.exporter);
}

static const struct gw_share_id pf_id = { .fn = { .dev = 1 }, .pf = { .dev = 1 }, .vf = -1,
					  .cookie = 77 };

static void open_with(const char *opts)
{
	const struct gw_dext_options host = { .reset_ms = 1 };	/* most go on by themselves */
	const struct gpu_watch watch = { .decode = on_decode };
	struct gw_exporter_options x = {
		.id = { .fn = { .dev = 0x11 }, .pf = pf_id.pf, .vf = 0, .cookie = 77 },
		.vm = "vm", .force_ms = 1000,
	};
	struct gpu_options o;

	memset(&rig, 0, sizeof(rig));
	assert_int_equal(gw_gpu_options_parse(opts, NULL, &o), 0);
	assert_int_equal(gw_gpu_card_new(&o, NULL, &rig.card), 0);
	assert_int_equal(gw_gpu_pf_new(rig.card, &rig.ep), 0);
	assert_int_equal(gw_sim_new(NULL, &rig.sim), 0);
	assert_int_equal(gw_sim_add(rig.sim, rig.ep, NULL, 0, 1, 0), 0);
	assert_int_equal(gw_dext_host_new(gw_sim_services(rig.sim), NULL, &rig.host), 0);
	gw_dext_host_set_options(rig.host, &host);
	assert_int_equal(rig.host->ops->open(rig.host, "00:01.0", &rig.pf), 0);
	assert_int_equal(rig.pf->ops->config_write(rig.pf, 0x150, 2, 1), 0);
	assert_int_equal(rig.pf->ops->config_write(rig.pf, 0x148, 2, 9), 0);
	assert_int_equal(rig.host->ops->open(rig.host, "00:11.0", &rig.vf), 0);
	assert_int_equal(rig.vf->ops->bar_map(rig.vf, GPU_BAR_MEMORY, &rig.map), 0);
	x.bar_size[GPU_BAR_MEMORY] = o.window;
	assert_int_equal(gw_exporter_new(&x, &rig.exporter), 0);
	gw_gpu_watch(rig.card, &watch);
	assert_int_equal(gw_gpu_driver_new(rig.pf, &pf_id, rig.card, NULL, &rig.driver), 0);
	assert_int_equal(rig.vf->ops->config_write(rig.vf, 4, 2, 2), 0);
}

static void close_rig(void)
{
	gw_gpu_driver_free(rig.driver);
	rig.vf->ops->bar_unmap(rig.vf, GPU_BAR_MEMORY);
	rig.vf->ops->close(rig.vf);
	rig.pf->ops->close(rig.pf);
	rig.host->ops->free(rig.host);
	gw_gpu_watch(rig.card, NULL);
	gw_exporter_free(rig.exporter);
	gw_sim_free(rig.sim);
	gw_gpu_card_put(rig.card);
}

/* From @at on, as much as the picture takes. */
static struct gw_export *export_at(uint64_t at)
{
	const struct gw_bar_range range = { .off = { at }, .size = (OFF + HEIGHT * STRIDE + 4095) &
								   ~4095ull };
	struct gw_export *e;

	assert_int_equal(gw_export_new(rig.exporter, GPU_BAR_MEMORY, &range, 1, &e), 0);
	return e;
}

static const struct gpu_frame frame = {
	.width = WIDTH, .height = HEIGHT, .stride = STRIDE, .format = GPU_XRGB8888,
	.off = { OFF }, .size = (uint64_t)STRIDE * (HEIGHT - 1) + 4 * WIDTH,
};

static uint32_t pixel(unsigned int x, unsigned int y)
{
	return x * 2654435761u ^ y << 16;
}

static void draw(uint64_t at)
{
	uint8_t *to = (uint8_t *)rig.map.addr + at + OFF;

	for (unsigned int y = 0; y < HEIGHT; y++)
		for (unsigned int x = 0; x < WIDTH; x++) {
			uint32_t v = pixel(x, y);

			memcpy(to + (size_t)y * STRIDE + 4 * x, &v, 4);
		}
}

/* Return: an error of the scan-out, or -ENODATA: it shows nothing. */
static int on_screen(uint32_t line[WIDTH], unsigned int y)
{
	struct gpu_picture p;

	if (!gw_gpu_scanout_picture(gw_gpu_pf_scanout(rig.ep), &p))
		return -ENODATA;
	return gw_gpu_scanout_line(rig.card, &p, y, (uint8_t *)line);
}

static void what_is_drawn_is_on_the_screen_pixel_for_pixel(void **state)
{
	const uint64_t at = 300 * 1024;		/* over the border of two pieces */
	uint32_t line[WIDTH];
	struct gw_export *e;

	open_with("vram=16M,share=4M,pieces=11");
	e = export_at(at);
	draw(at);
	assert_int_equal(gw_gpu_driver_show(rig.driver, e, &frame, rig.reason), 0);
	assert_true(gw_gpu_driver_runs(rig.driver) > 1);
	for (unsigned int y = 0; y < HEIGHT; y++) {
		assert_int_equal(on_screen(line, y), 0);
		for (unsigned int x = 0; x < WIDTH; x++)
			assert_int_equal(line[x], pixel(x, y));
	}
	gw_gpu_driver_hide(rig.driver);
	assert_int_equal(on_screen(line, 0), -ENODATA);
	gw_export_free(e);
	close_rig();
}

static void a_share_larger_than_its_window_is_refused_with_both_numbers(void **state)
{
	struct gw_export *e;

	open_with("vram=16M,share=4M,window=1M");
	e = export_at(0);
	assert_int_equal(gw_gpu_driver_show(rig.driver, e, &frame, rig.reason), -EOPNOTSUPP);
	assert_non_null(strstr(rig.reason, "has 4 MiB"));
	assert_non_null(strstr(rig.reason, "shows 1 MiB"));
	gw_export_free(e);
	close_rig();
}

static void a_picture_of_too_many_pieces_is_refused(void **state)
{
	static struct gw_bar_range range[GPU_SCAN_MAX + 2];
	struct gw_export *e;

	open_with("vram=16M,share=4M,pieces=3");
	for (unsigned int i = 0; i < ARRAY_SIZE(range); i++)
		range[i] = (struct gw_bar_range){ .off = { i * 8192 }, .size = 4096 };
	assert_int_equal(gw_export_new(rig.exporter, GPU_BAR_MEMORY, range, ARRAY_SIZE(range), &e),
			 0);
	assert_int_equal(gw_gpu_driver_show(rig.driver, e, &frame, rig.reason), -E2BIG);
	assert_int_equal(gw_gpu_driver_runs(rig.driver), 0);
	gw_export_free(e);
	close_rig();
}

/* R24: by the table as it is now, although the driver was there before it. */
static void a_new_layout_is_what_is_shown(void **state)
{
	static const struct gpu_extent other[] = {
		{ { 8 * MIB }, MIB / 2 }, { { 4 * MIB }, 3 * MIB + MIB / 2 },
	};
	uint32_t line[WIDTH];
	struct gw_export *e;

	open_with("vram=16M,share=4M,pieces=1,vfs=1");
	e = export_at(0);
	assert_int_equal(gw_gpu_driver_show(rig.driver, e, &frame, rig.reason), 0);
	assert_int_equal(rig.vf->ops->config_write(rig.vf, 4, 2, 0), 0);
	assert_int_equal(gw_gpu_provision(rig.card, 0, other, ARRAY_SIZE(other)), 0);
	assert_int_equal(rig.vf->ops->config_write(rig.vf, 4, 2, 2), 0);
	draw(0);
	assert_int_equal(gw_gpu_driver_show(rig.driver, e, &frame, rig.reason), 0);
	assert_int_equal(gw_gpu_driver_runs(rig.driver), 2);
	for (unsigned int y = 0; y < HEIGHT; y++) {
		assert_int_equal(on_screen(line, y), 0);
		for (unsigned int x = 0; x < WIDTH; x++)
			assert_int_equal(line[x], pixel(x, y));
	}
	gw_export_free(e);
	close_rig();
}

static _Atomic bool looked_enough;

/* A monitor, which looks all the time. Return: lines that were another one's */
static void *monitor(void *opaque)
{
	uint32_t line[WIDTH];
	uintptr_t wrong = 0;

	for (unsigned int y = 0; !looked_enough; y = (y + 1) % HEIGHT)
		if (!on_screen(line, y))
			wrong += line[7] != pixel(7, y) && line[7];
	return (void *)wrong;
}

/* A reset may be answered before it is over; what is read then waits for its end. */
static void reset_vf(void)
{
	uint32_t vendor;

	assert_int_equal(rig.vf->ops->reset(rig.vf), 0);
	do
		assert_int_equal(rig.vf->ops->config_read(rig.vf, 0, 2, &vendor), 0);
	while (vendor != GPU_VF_VENDOR);
}

/*
 * The monitor has taken a line's place when the function is reset, so a few lines may come too
 * late for it: those are refused. What the hardware shows is over when the reset begins.
 */
static void a_reset_takes_the_picture_off_the_screen_first(void **state)
{
	uint32_t line[WIDTH];
	struct gw_export *e;
	pthread_t thread;
	void *wrong;

	open_with("vram=16M,share=4M,pieces=5");
	e = export_at(0);
	looked_enough = false;
	assert_int_equal(pthread_create(&thread, NULL, monitor, NULL), 0);
	for (unsigned int i = 0; i < 50; i++) {
		draw(0);
		assert_int_equal(gw_gpu_driver_show(rig.driver, e, &frame, rig.reason), 0);
		assert_int_equal(on_screen(line, i), 0);
		reset_vf();
		assert_int_equal(on_screen(line, i), -ENODATA);
		assert_int_equal(gw_gpu_driver_runs(rig.driver), 0);
	}
	looked_enough = true;
	assert_int_equal(pthread_join(thread, &wrong), 0);
	assert_null(wrong);
	/* not decoding, nothing can be shown */
	assert_int_equal(rig.vf->ops->config_write(rig.vf, 4, 2, 0), 0);
	assert_int_equal(gw_gpu_driver_show(rig.driver, e, &frame, rig.reason), -ENODEV);
	gw_export_free(e);
	close_rig();
}

static void with_nobody_looking_nothing_stale_is_read(void **state)
{
	struct gw_export *e;

	open_with("vram=16M,share=4M,pieces=5");
	e = export_at(0);
	for (unsigned int i = 0; i < 20; i++) {
		assert_int_equal(gw_gpu_driver_show(rig.driver, e, &frame, rig.reason), 0);
		reset_vf();
	}
	assert_int_equal(gw_gpu_stale(rig.card, NULL, 0), 0);
	assert_int_equal(gw_sim_vanish(rig.sim, NULL, 0, 0x11, 0), 0);
	assert_int_equal(gw_gpu_driver_show(rig.driver, e, &frame, rig.reason), -ENODEV);
	assert_int_equal(gw_gpu_stale(rig.card, NULL, 0), 0);
	gw_export_free(e);
	close_rig();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_drawn_is_on_the_screen_pixel_for_pixel),
		cmocka_unit_test(a_share_larger_than_its_window_is_refused_with_both_numbers),
		cmocka_unit_test(a_new_layout_is_what_is_shown),
		cmocka_unit_test(a_picture_of_too_many_pieces_is_refused),
		cmocka_unit_test(a_reset_takes_the_picture_off_the_screen_first),
		cmocka_unit_test(with_nobody_looking_nothing_stale_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
