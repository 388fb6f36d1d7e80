/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <sys/mman.h>

#include <gangway/sim.h>

#include "base/util.h"
#include "devices/gpu/pf.h"
#include "devices/gpu/vf.h"

/* A virtual function on the simulated host, reached as the daemon does. */

#define MIB	(1ull << 20)
#define COMMAND	4u

static struct {
	struct gw_sim *sim;
	struct gw_host *host;
	struct gw_function *pf, *fn;
	struct gpu_card *card;
} rig;

static int set_up(void **state)
{
	struct gw_endpoint *ep;
	struct gpu_options o;

	assert_int_equal(gw_gpu_options_parse("vram=16M,share=3M,pieces=3", NULL, &o), 0);
	assert_int_equal(gw_gpu_card_new(&o, NULL, &rig.card), 0);
	assert_int_equal(gw_gpu_pf_new(rig.card, &ep), 0);
	assert_int_equal(gw_sim_new(NULL, &rig.sim), 0);
	assert_int_equal(gw_sim_add(rig.sim, ep, NULL, 0, 1, 0), 0);
	assert_int_equal(gw_dext_host_new(gw_sim_services(rig.sim), NULL, &rig.host), 0);
	assert_int_equal(rig.host->ops->open(rig.host, "00:01.0", &rig.pf), 0);
	assert_int_equal(rig.pf->ops->config_write(rig.pf, 0x150, 2, 1), 0);
	assert_int_equal(rig.pf->ops->config_write(rig.pf, 0x148, 2, 9), 0);
	assert_int_equal(rig.host->ops->open(rig.host, "00:11.0", &rig.fn), 0);
	return 0;
}

static int tear_down(void **state)
{
	rig.fn->ops->close(rig.fn);
	rig.pf->ops->close(rig.pf);
	rig.host->ops->free(rig.host);
	gw_sim_free(rig.sim);
	gw_gpu_card_put(rig.card);
	return 0;
}

static void command(uint16_t val)
{
	assert_int_equal(rig.fn->ops->config_write(rig.fn, COMMAND, 2, val), 0);
}

static uint64_t reg(unsigned int bar, uint64_t off, unsigned int width)
{
	uint64_t val;

	assert_int_equal(rig.fn->ops->reg_read(rig.fn, bar, (gw_bar_off){ off }, width, &val), 0);
	return val;
}

static void the_window_is_the_share_at_its_place_in_vram(void **state)
{
	struct gpu_share share;
	struct gw_bar_map map;
	uint8_t byte = 0;

	command(2);
	gw_gpu_share(rig.card, 0, &share);
	assert_int_equal(rig.fn->ops->bar_map(rig.fn, GPU_BAR_MEMORY, &map), 0);
	assert_int_equal(map.size, 4 * MIB);
	((volatile uint8_t *)map.addr)[MIB + 5] = 0xab;		/* in the second piece */
	assert_int_equal(gw_gpu_read(rig.card, (gw_vram){ share.extent[1].at.v + 5 }, &byte, 1), 0);
	assert_int_equal(byte, 0xab);
	assert_int_equal(reg(GPU_BAR_MEMORY, MIB + 5, 1), 0xab);
	rig.fn->ops->bar_unmap(rig.fn, GPU_BAR_MEMORY);
}

/* It covers the share, not all of the window. */
static void the_display_knows_how_much_memory_there_is(void **state)
{
	command(2);
	assert_int_equal(reg(GPU_BAR_DISPLAY, GPU_DISPI_AT + 2 * GPU_DISPI_MEMORY_64K, 2), 3 * 16);
	assert_int_equal(reg(GPU_BAR_DISPLAY, 0, 8), 0x00ffffffffffff00);
}

static void memory_is_the_functions_while_it_decodes(void **state)
{
	struct gpu_share share;
	uint8_t byte;

	gw_gpu_share(rig.card, 0, &share);
	command(2);
	assert_int_equal(gw_gpu_read(rig.card, share.extent[0].at, &byte, 1), 0);
	assert_int_equal(gw_gpu_provision(rig.card, 0, share.extent, share.nr), -EBUSY);
	command(0);
	assert_int_equal(gw_gpu_read(rig.card, share.extent[0].at, &byte, 1), -EACCES);
	assert_int_equal(gw_gpu_provision(rig.card, 0, share.extent, share.nr), 0);
	command(2);
	assert_int_equal(gw_gpu_read(rig.card, share.extent[0].at, &byte, 1), 0);
	assert_int_equal(gw_sim_vanish(rig.sim, NULL, 0, 0x11, 0), 0);
	assert_int_equal(gw_gpu_read(rig.card, share.extent[0].at, &byte, 1), -EACCES);
}

static void a_reset_leaves_no_picture_to_whoever_comes_next(void **state)
{
	struct gw_bar_map map;

	command(2);
	assert_int_equal(rig.fn->ops->bar_map(rig.fn, GPU_BAR_MEMORY, &map), 0);
	memset(map.addr, 0x77, map.size);
	rig.fn->ops->reg_write(rig.fn, GPU_BAR_DISPLAY, (gw_bar_off){ GPU_DISPI_AT + 2 }, 2, 640);
	assert_int_equal(rig.fn->ops->reset(rig.fn), 0);
	for (uint64_t i = 0; i < map.size; i++)
		if (((uint8_t *)map.addr)[i])
			fail_msg("byte %llu is still there", (unsigned long long)i);
	command(2);
	assert_int_equal(reg(GPU_BAR_DISPLAY, GPU_DISPI_AT + 2, 2), 0);
	rig.fn->ops->bar_unmap(rig.fn, GPU_BAR_MEMORY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_window_is_the_share_at_its_place_in_vram,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_display_knows_how_much_memory_there_is, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(memory_is_the_functions_while_it_decodes, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_reset_leaves_no_picture_to_whoever_comes_next,
						set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
