/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "base/guard.h"
#include "fake_function.h"

static int setup(void **state)
{
	*state = guest_open(fake_new());
	if (!*state)
		return -1;
	guest_put(*state, GW_PCI_COMMAND, 2, GW_PCI_COMMAND_MEMORY | GW_PCI_COMMAND_IO);
	return 0;
}

static int teardown(void **state)
{
	guest_close(*state);
	return 0;
}

static void info(struct guest *g, unsigned int region, struct gw_region_info *r)
{
	memset(r, 0x5a, sizeof(*r));
	g->dev->ops->region_info(g->dev, region, r);
}

static int read_bar(struct guest *g, unsigned int bar, uint64_t off, void *buf, size_t len)
{
	return g->dev->ops->region_read(g->dev, bar, off, buf, len);
}

static int write_bar(struct guest *g, unsigned int bar, uint64_t off, const void *buf, size_t len)
{
	return g->dev->ops->region_write(g->dev, bar, off, buf, len);
}

static void regions_are_what_the_host_says(void **state)
{
	struct guest *g = *state;
	struct gw_region_info r;

	info(g, 0, &r);
	assert_null(r.addr);
	assert_int_equal(r.size, FAKE_BAR0_SIZE);
	assert_int_equal(r.flags, GW_REGION_F_READ | GW_REGION_F_WRITE);
	info(g, 2, &r);
	assert_int_equal(r.size, FAKE_BAR2_SIZE);
	assert_int_equal(r.flags, GW_REGION_F_READ | GW_REGION_F_WRITE | GW_REGION_F_MMAP);
	assert_int_equal(r.fd, g->f->fd[2]);
	assert_ptr_equal(r.addr, g->f->mem[2]);
	assert_int_equal(r.nr_areas, 0);
	info(g, GW_REGION_CONFIG, &r);
	assert_int_equal(r.size, 4096);
	assert_int_equal(r.flags, GW_REGION_F_READ | GW_REGION_F_WRITE);
	for (unsigned int i = 0; i < GW_NR_REGIONS + 2; i++) {
		if (i == 0 || i == 2 || i == 4 || i == GW_REGION_CONFIG)
			continue;
		info(g, i, &r);
		assert_int_equal(r.size, 0);
		assert_int_equal(r.flags, 0);
		assert_int_equal(r.fd, -1);
	}
}

static void pages_of_table_and_pending_bits_are_not_mapped(void **state)
{
	struct guest *g = *state;
	struct gw_region_info r;

	info(g, 4, &r);
	assert_true(r.flags & GW_REGION_F_MMAP);
	assert_int_equal(r.nr_areas, 2);
	assert_int_equal(r.area[0].off, 0);
	assert_int_equal(r.area[0].size, 0x1000);
	assert_int_equal(r.area[1].off, 0x3000);
	assert_int_equal(r.area[1].size, 0x1000);
}

/* A table of @nr vectors and pending bits: the areas of @bar, as "off+size " each. */
static void assert_areas_of(unsigned int bar, uint64_t unit, uint16_t nr, uint32_t table, uint32_t pba,
			    const char *want)
{
	struct fake *f = fake_new();
	struct gw_region_info r;
	char is[128] = "";
	struct guest *g;

	f->unit = unit;
	gw_pci_put(f->cfg, 0x72, 2, nr - 1u);
	gw_pci_put(f->cfg, 0x74, 4, table);
	gw_pci_put(f->cfg, 0x78, 4, pba);
	g = guest_open(f);
	info(g, bar, &r);
	for (unsigned int i = 0; i < r.nr_areas; i++)
		sprintf(is + strlen(is), "%x+%x ", (unsigned int)r.area[i].off,
			(unsigned int)r.area[i].size);
	if (r.flags & GW_REGION_F_MMAP)
		assert_string_equal(is, want);
	assert_int_equal(!(r.flags & GW_REGION_F_MMAP), !strcmp(want, "none"));
	guest_close(g);
}

static void assert_areas(uint16_t nr, uint32_t table, uint32_t pba, const char *want)
{
	assert_areas_of(4, 4096, nr, table, pba, want);
}

static void areas_go_around_the_table_wherever_it_is(void **state)
{
	assert_areas(8, 0x0000 | 4, 0x0800 | 4, "1000+3000 ");
	assert_areas(8, 0x3000 | 4, 0x3800 | 4, "0+3000 ");
	assert_areas(8, 0x3000 | 4, 0x1000 | 4, "0+1000 2000+1000 ");
	assert_areas(8, 0x1fc0 | 4, 0x2800 | 4, "0+1000 3000+1000 ");
	assert_areas(8, 0x1000 | 4, 0x0000 | 2, "0+1000 2000+2000 ");
	assert_areas(8, 0x0000 | 2, 0x1000 | 2, "");	/* all of it */
	/* a broken function's, one within the other: hidden, and out of reach even so */
	assert_areas(512, 0x1000 | 4, 0x1078 | 4, "0+1000 3000+1000 ");
}

static void areas_begin_and_end_on_16_kib(void **state)
{
	assert_areas_of(2, 0, 8, 0x8000 | 2, 0x9000 | 2, "0+8000 c000+f4000 ");
	assert_areas_of(2, 0, 8, 0x3000 | 2, 0x4000 | 2, "8000+f8000 ");
	assert_areas_of(2, 0, 8, 0xff000 | 2, 0xfe000 | 2, "0+fc000 ");
	assert_areas_of(2, 0, 512, 0x7000 | 2, 0x20000 | 2, "0+4000 c000+14000 24000+dc000 ");
	assert_areas_of(2, 0, 8, 0x1000 | 4, 0x2000 | 4, "");		/* all of it */
	/* one unit, with the table inside; the next, likewise, by the page */
	assert_areas_of(4, 0, 8, 0x1000 | 4, 0x2000 | 4, "none");
	assert_areas_of(4, 4096, 8, 0x1000 | 4, 0x2000 | 4, "0+1000 3000+1000 ");
	assert_areas_of(4, 0, 8, 0x1000 | 2, 0x2000 | 2, "");
}

static void a_bar_below_the_unit_is_trapped_but_works(void **state)
{
	struct gw_region_info r;
	struct fake *f = fake_new();
	uint32_t v = 0x1234;
	struct guest *g;

	for (unsigned int small = 0; small < 2; small++) {
		f->unit = small ? 4096 : 0;
		f->bar[2].size = 4096;
		g = guest_open(f);
		info(g, 2, &r);
		assert_int_equal(!!(r.flags & GW_REGION_F_MMAP), small);
		assert_int_equal(!!r.addr, small);
		guest_put(g, GW_PCI_COMMAND, 2, GW_PCI_COMMAND_MEMORY);
		assert_int_equal(write_bar(g, 2, 64, &v, 4), 0);
		assert_int_equal(f->mem[2][64], 0x34);
		f->bar[2].size = FAKE_BAR2_SIZE;
		guest_close(g);
		f = fake_new();
	}
	fake_free(f);
}

static void nothing_is_mapped_where_the_host_traps_all(void **state)
{
	struct fake *f = fake_new();
	struct gw_region_info r;
	struct guest *g;

	for (unsigned int i = 0; i < GW_NR_BARS; i++)
		f->bar[i].mappable = false;
	g = guest_open(f);
	for (unsigned int i = 0; i < GW_NR_REGIONS; i++) {
		info(g, i, &r);
		assert_int_equal(r.flags & GW_REGION_F_MMAP, 0);
	}
	guest_close(g);
}

static void a_mapping_without_a_file_is_used_but_not_offered(void **state)
{
	struct fake *f = fake_new();
	int fd = f->fd[2];
	struct gw_region_info r;
	uint32_t v = 0x1234;
	struct guest *g;

	f->fd[2] = -1;
	g = guest_open(f);
	info(g, 2, &r);
	assert_int_equal(r.flags & GW_REGION_F_MMAP, 0);
	guest_put(g, GW_PCI_COMMAND, 2, GW_PCI_COMMAND_MEMORY);
	assert_int_equal(write_bar(g, 2, 64, &v, 4), 0);
	assert_int_equal(f->mem[2][64], 0x34);
	assert_int_equal(f->widths, 0);		/* not by register access */
	f->fd[2] = fd;
	guest_close(g);
}

static unsigned int exported;

static int note_export(struct gw_function *f, unsigned int bar, const struct gw_bar_range *range,
		       unsigned int nr, int *fd)
{
	exported++;
	*fd = -1;
	return 0;
}

/* What a VMM may map it may have a dma-buf of, page by page; what is trapped, as the MSI-X table is,
 * never, not even in part, or among others. */
static void a_dma_buf_is_made_of_what_may_be_mapped_only(void **state)
{
	static const struct gw_peer_ops peers = { .bar_export = note_export };
	static const struct gw_bar_range bad[] = {
		{ { 0 }, 0 }, { { 1 }, 0x1000 }, { { 0 }, 1 }, { { 0x800 }, 0x800 },
		{ { 1ull << 32 }, 0x1000 }, { { 0 - 0x1000ull }, 0x2000 },
	};
	const struct gw_bar_range mixed[] = { { { 0 }, 0x1000 }, { { 0x1000 }, 0x1000 } };
	struct guest *g = *state;
	static struct gw_function_ops ops;
	int fd;

	assert_int_equal(g->dev->ops->dma_buf(g->dev, 4, mixed, 1, &fd), -EOPNOTSUPP);
	ops = *g->f->fn.ops;
	ops.peer = &peers;
	g->f->fn.ops = &ops;
	for (unsigned int first = 0; first < 4; first++)
		for (unsigned int nr = 1; first + nr <= 5; nr++) {
			const struct gw_bar_range r = { { first * 0x1000 }, nr * 0x1000 };
			bool may = nr == 1 && (first == 0 || first == 3);
			unsigned int before = exported;

			assert_int_equal(g->dev->ops->dma_buf(g->dev, 4, &r, 1, &fd),
					 may ? 0 : -EINVAL);
			assert_int_equal(exported, before + may);
		}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(g->dev->ops->dma_buf(g->dev, 4, &bad[i], 1, &fd), -EINVAL);
	assert_int_equal(g->dev->ops->dma_buf(g->dev, 6, mixed, 1, &fd), -EINVAL);
	assert_int_equal(g->dev->ops->dma_buf(g->dev, UINT32_MAX, mixed, 1, &fd), -EINVAL);
	assert_int_equal(g->dev->ops->dma_buf(g->dev, 4, mixed, 2, &fd), -EINVAL);
	assert_int_equal(g->dev->ops->dma_buf(g->dev, 0, mixed, 1, &fd), -EINVAL);
	assert_int_equal(exported, 2);
	gw_guest_function_gone(g->gf);
	assert_int_equal(g->dev->ops->dma_buf(g->dev, 4, mixed, 1, &fd), -ENODEV);
}

static void hostile_bars_are_refused_at_open(void **state)
{
	static const struct { unsigned int bar; struct gw_bar_info info; const char *why; } bad[] = {
		{ 0, { .size = 0x1800 }, "power of two" },
		{ 0, { .size = 8 }, "too small" },
		{ 0, { .size = 2, .io = true }, "too small" },
		{ 0, { .size = 1ull << 32 }, "too large" },
		{ 0, { .size = 32, .io = true, .is_64bit = true }, "I/O" },
		{ 5, { .size = 4096, .is_64bit = true }, "upper half" },
		{ 3, { .size = 4096 }, "upper half" },	/* of BAR 2 */
	};
	struct gw_guest_function *gf;
	struct gw_bar_info was;
	struct gw_dma *dma;
	struct fake *f;

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		f = fake_new();
		was = f->bar[bad[i].bar];
		f->bar[bad[i].bar] = bad[i].info;
		assert_int_equal(gw_dma_new(&f->fn, GW_PLAN_DIRECT, NULL, &dma), 0);
		assert_int_equal(gw_guest_function_new(&f->fn, dma, &f->log, &gf), -EINVAL);
		assert_int_equal(f->errors, 1);
		assert_non_null(strstr(f->line, bad[i].why));
		assert_null(f->sink);
		gw_dma_free(dma);
		f->bar[bad[i].bar] = was;
		fake_free(f);
	}
}

static void trapped_registers_are_accessed_in_aligned_pieces(void **state)
{
	struct guest *g = *state;
	uint8_t out[64], in[64];

	for (unsigned int off = 0; off < 16; off++) {
		for (size_t len = 0; len <= 32; len++) {
			for (unsigned int i = 0; i < sizeof(out); i++)
				out[i] = (uint8_t)(off + len * 3 + i);
			memset(g->f->mem[0], 0xee, 64);
			memset(in, 0, sizeof(in));
			assert_int_equal(write_bar(g, 0, off, out, len), 0);
			assert_int_equal(read_bar(g, 0, off, in, len), 0);
			assert_memory_equal(in, out, len);
			assert_memory_equal(g->f->mem[0] + off, out, len);
			assert_int_equal(g->f->mem[0][off + len], 0xee);
		}
	}
	g->f->widths = 0;
	assert_int_equal(read_bar(g, 0, 8, in, 8), 0);
	assert_int_equal(g->f->widths, 8);
	g->f->widths = 0;
	assert_int_equal(read_bar(g, 0, 0x43, in, 2), 0);
	assert_int_equal(g->f->widths, 1);
}

static void an_io_bar_takes_no_eight_bytes(void **state)
{
	struct fake *f = fake_new();
	struct guest *g;
	uint64_t v;

	f->bar[0].size = 64;
	f->bar[0].io = true;
	g = guest_open(f);
	guest_put(g, GW_PCI_COMMAND, 2, GW_PCI_COMMAND_MEMORY);
	assert_int_equal(read_bar(g, 0, 0, &v, 8), 0);
	assert_true(v == UINT64_MAX);		/* I/O decoding is off */
	guest_put(g, GW_PCI_COMMAND, 2, GW_PCI_COMMAND_IO);
	assert_int_equal(read_bar(g, 0, 0, &v, 8), 0);
	assert_true(v == 0);
	assert_int_equal(f->widths, 4);
	f->bar[0].size = FAKE_BAR0_SIZE;
	guest_close(g);
}

static void a_mapped_bar_works_by_message_too(void **state)
{
	struct guest *g = *state;
	uint64_t v = 0x1122334455667788;

	assert_int_equal(write_bar(g, 2, FAKE_BAR2_SIZE - 8, &v, 8), 0);
	assert_memory_equal(g->f->mem[2] + FAKE_BAR2_SIZE - 8, &v, 8);
	v = 0;
	assert_int_equal(read_bar(g, 2, FAKE_BAR2_SIZE - 3, &v, 3), 0);
	assert_int_equal(v, 0x112233);
	assert_int_equal(g->f->widths, 0);
	assert_int_equal(read_bar(g, 2, FAKE_BAR2_SIZE - 3, &v, 4), -EINVAL);
	assert_int_equal(read_bar(g, 2, UINT64_MAX, &v, 2), -EINVAL);
	assert_int_equal(write_bar(g, 1, 0, &v, 1), -EINVAL);
}

static void the_real_msix_table_is_out_of_reach(void **state)
{
	struct guest *g = *state;
	uint8_t buf[FAKE_MSIX * 16 + 32], want[sizeof(buf)];

	memset(g->f->mem[4], 0x77, FAKE_BAR4_SIZE);
	assert_int_equal(read_bar(g, 4, 0x1000 - 16, buf, sizeof(buf)), 0);
	memset(want, 0x77, sizeof(want));
	memset(want + 16, 0, FAKE_MSIX * 16);
	assert_memory_equal(buf, want, sizeof(buf));
	memset(buf, 0x99, sizeof(buf));
	assert_int_equal(write_bar(g, 4, 0x1000 - 16, buf, sizeof(buf)), 0);
	assert_int_equal(g->f->mem[4][0x0fff], 0x99);
	for (unsigned int i = 0; i < FAKE_MSIX * 16; i++)
		assert_int_equal(g->f->mem[4][0x1000 + i], 0x77);
	assert_int_equal(g->f->mem[4][0x1000 + FAKE_MSIX * 16], 0x99);
	assert_int_equal(read_bar(g, 4, 0x2000, buf, 16), 0);
	memset(want, 0, 8);		/* pending bits of 8 vectors are one word */
	memset(want + 8, 0x77, 8);
	assert_memory_equal(buf, want, 16);
}

static void without_memory_decoding_nothing_answers(void **state)
{
	struct guest *g = *state;
	uint32_t v = 5;

	guest_put(g, GW_PCI_COMMAND, 2, 0);
	assert_int_equal(write_bar(g, 0, 0, &v, 4), 0);
	assert_int_equal(write_bar(g, 2, 0, &v, 4), 0);
	assert_int_equal(read_bar(g, 0, 0, &v, 4), 0);
	assert_int_equal(v, UINT32_MAX);
	assert_int_equal(g->f->widths, 0);
	assert_int_equal(g->f->mem[2][0], 0);
}

static void a_register_that_fails_reads_as_ones(void **state)
{
	struct guest *g = *state;
	uint32_t v = 0;

	g->f->fail_reg = -EIO;
	assert_int_equal(read_bar(g, 0, 0, &v, 4), 0);
	assert_int_equal(v, UINT32_MAX);
	assert_int_equal(write_bar(g, 0, 0, &v, 4), 0);
	assert_int_equal(g->f->warnings, 2);
	g->f->fail_reg = -ENODEV;
	assert_int_equal(write_bar(g, 0, 0, &v, 4), 0);
	assert_int_equal(g->f->errors, 1);
	g->f->fail_reg = 0;
	assert_int_equal(read_bar(g, 2, 0, &v, 4), 0);
	assert_int_equal(v, UINT32_MAX);
}

static void a_mapping_that_vanishes_reads_as_ones(void **state)
{
	struct guest *g = *state;
	uint64_t v = 0;

	gw_guard_install();
	assert_int_equal(ftruncate(g->f->fd[2], 4096), 0);
	assert_int_equal(read_bar(g, 2, 8192, &v, 8), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(write_bar(g, 2, 8192, &v, 2), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(regions_are_what_the_host_says),
		T(pages_of_table_and_pending_bits_are_not_mapped),
		cmocka_unit_test(areas_begin_and_end_on_16_kib),
		cmocka_unit_test(a_bar_below_the_unit_is_trapped_but_works),
		cmocka_unit_test(areas_go_around_the_table_wherever_it_is),
		cmocka_unit_test(nothing_is_mapped_where_the_host_traps_all),
		cmocka_unit_test(a_mapping_without_a_file_is_used_but_not_offered),
		T(a_dma_buf_is_made_of_what_may_be_mapped_only),
		cmocka_unit_test(hostile_bars_are_refused_at_open),
		T(trapped_registers_are_accessed_in_aligned_pieces),
		cmocka_unit_test(an_io_bar_takes_no_eight_bytes),
		T(a_mapped_bar_works_by_message_too),
		T(the_real_msix_table_is_out_of_reach),
		T(without_memory_decoding_nothing_answers),
		T(a_register_that_fails_reads_as_ones),
		T(a_mapping_that_vanishes_reads_as_ones),
	};

	return cmocka_run_group_tests_name("guest bars", tests, NULL, NULL);
}
