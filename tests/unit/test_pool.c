/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libfdt.h>

#include <gangway/fdt.h>
#include <gangway/plan.h>
#include <gangway/pool.h>

#include "base/util.h"

/* Hosts that choose addresses, each for one function. */

#define MiB		(1ull << 20)
#define GiB		(1ull << 30)
#define FIRST_IOVA	0x8001230000ull

struct fake {
	struct gw_function fn;
	uint64_t iova;
	unsigned int nr_ranges;		/* 0: one */
	int fail_map, fail_unmap;
	unsigned int calls, mapped;
	uint8_t *addr;
	uint64_t size;
	gw_iova wanted;
};

static int fake_map(struct gw_function *fn, const struct gw_memory *mem, uint64_t size,
		    const gw_iova *want, struct gw_mapping *map)
{
	struct fake *f = container_of(fn, struct fake, fn);
	unsigned int nr = f->nr_ranges ? f->nr_ranges : 1;

	f->calls++;
	if (f->fail_map)
		return f->fail_map;
	assert_false(mem->read_only);
	f->wanted = want ? *want : (gw_iova){ 0 };
	map->handle = 7;
	map->nr_segments = nr;
	for (unsigned int i = 0; i < nr; i++)
		map->seg[i] = (struct gw_segment){
			.iova.v = (want ? want->v : f->iova) + i * 2 * size, .size = size / nr };
	f->addr = mem->addr;
	f->size = size;
	f->mapped++;
	return 0;
}

static int fake_unmap(struct gw_function *fn, uint64_t handle)
{
	struct fake *f = container_of(fn, struct fake, fn);

	assert_int_equal(handle, 7);
	f->mapped--;
	return f->fail_unmap;
}

static const struct gw_function_ops fake_ops = { .dma_map = fake_map, .dma_unmap = fake_unmap };

static struct fake fake_init(uint64_t iova)
{
	return (struct fake){
		.fn = { .ops = &fake_ops, .info = { .name = "fake", .class_code = 0x010802 },
			.limits = { .granule = 16384, .max_bytes = 1536 * MiB, .max_maps = 65536,
				    .max_map_bytes = 1024 * MiB, .max_segments = 7,
				    .iova_last.v = UINT64_MAX } },
		.iova = iova,
	};
}

static const gw_gpa ram = { 0x40000000 };

static struct gw_pools open_pools(uint64_t ram_size)
{
	struct gw_pools p;

	assert_int_equal(gw_pools_open(&p, ram, ram_size, NULL, NULL), 0);
	return p;
}

static void a_pool_is_the_end_of_ram_and_all_that_is_mapped(void **state)
{
	struct fake f = fake_init(FIRST_IOVA);
	struct gw_pools p = open_pools(512 * MiB);
	struct stat st;
	uint8_t byte = 0;

	assert_int_equal(gw_pools_add(&p, &f.fn, 0x80, 32 * MiB, NULL), 0);
	assert_int_equal(p.nr, 1);
	assert_true(p.pool[0].gpa.v == ram.v + 480 * MiB && p.pool[0].size == 32 * MiB);
	assert_true(p.pool[0].iova.v == FIRST_IOVA && p.pool[0].devfn == 0x80);
	assert_true(f.mapped == 1 && f.size == 32 * MiB);
	/* what the device writes is what the guest reads there */
	f.addr[12345] = 0x5a;
	assert_int_equal(pread(p.ram.fd, &byte, 1, (off_t)(480 * MiB + 12345)), 1);
	assert_int_equal(byte, 0x5a);
	assert_int_equal(fstat(p.ram.fd, &st), 0);
	assert_int_equal(st.st_size, 512 * MiB);
	assert_int_equal(p.ram.fd_off, 0);
	/* nobody can take pages away from under the device */
	assert_int_equal(ftruncate(p.ram.fd, 4096), -1);
	gw_pools_close(&p);
	assert_int_equal(f.mapped, 0);
	gw_pools_close(&p);
}

static void the_default_size_follows_the_kind_of_device(void **state)
{
	static const struct {
		uint32_t class_code;
		uint64_t size;
	} kinds[] = {
		{ 0x010802, 64 * MiB }, { 0x020000, 32 * MiB }, { 0x030000, 256 * MiB },
		{ 0x120000, 256 * MiB }, { 0xff0000, 16 * MiB }, { 0, 16 * MiB },
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct fake f = fake_init(FIRST_IOVA);
		struct gw_pools p = open_pools(1024 * MiB);

		f.fn.info.class_code = kinds[i].class_code;
		assert_int_equal(gw_pools_add(&p, &f.fn, 0, 0, NULL), 0);
		assert_true(p.pool[0].size == kinds[i].size);
		gw_pools_close(&p);
	}
}

static void pools_stay_below_four_gib_and_lie_one_below_the_other(void **state)
{
	struct fake a = fake_init(FIRST_IOVA), b = fake_init(FIRST_IOVA + GiB);
	struct gw_pools p = open_pools(6 * GiB);

	assert_int_equal(gw_pools_add(&p, &a.fn, 0x80, 64 * MiB, NULL), 0);
	assert_int_equal(gw_pools_add(&p, &b.fn, 0x88, 16 * MiB, NULL), 0);
	assert_true(p.pool[0].gpa.v == 4 * GiB - 64 * MiB);
	assert_true(p.pool[1].gpa.v == 4 * GiB - 80 * MiB);
	assert_true(a.addr == p.ram.addr + 3 * GiB - 64 * MiB);
	assert_true(b.addr == p.ram.addr + 3 * GiB - 80 * MiB);
	gw_pools_close(&p);
	assert_int_equal(a.mapped + b.mapped, 0);
}

static void an_odd_end_of_ram_leaves_the_pool_in_units_of_the_host(void **state)
{
	struct fake f = fake_init(FIRST_IOVA);
	struct gw_pools p = open_pools(512 * MiB + 4096);

	assert_int_equal(gw_pools_add(&p, &f.fn, 0, 1 * MiB, NULL), 0);
	assert_true(p.pool[0].gpa.v == ram.v + 511 * MiB);
	gw_pools_close(&p);
}

static void a_host_that_takes_addresses_gets_the_guests(void **state)
{
	struct fake f = fake_init(FIRST_IOVA);
	struct gw_pools p = open_pools(512 * MiB);

	f.fn.limits.caller_iova = true;
	assert_int_equal(gw_pools_add(&p, &f.fn, 0, 64 * MiB, NULL), 0);
	assert_true(f.wanted.v == ram.v + 448 * MiB && p.pool[0].iova.v == f.wanted.v);
	gw_pools_close(&p);
}

static void what_cannot_work_is_refused_before_the_host_is_asked(void **state)
{
	struct fake f = fake_init(FIRST_IOVA);
	struct gw_pools p = open_pools(384 * MiB);

	assert_int_equal(gw_pools_add(&p, &f.fn, 0, 1 * MiB + 4096, NULL), -EINVAL);
	assert_int_equal(gw_pools_add(&p, &f.fn, 0, 16384, NULL), -EINVAL);
	assert_int_equal(gw_pools_add(&p, &f.fn, 0, 1025 * MiB, NULL), -ENOSPC);
	/* the kernel and its initramfs need 256 MiB */
	assert_int_equal(gw_pools_add(&p, &f.fn, 0, 129 * MiB, NULL), -ENOSPC);
	assert_int_equal(f.calls, 0);
	assert_int_equal(gw_pools_add(&p, &f.fn, 0, 128 * MiB, NULL), 0);
	assert_int_equal(gw_pools_add(&p, &f.fn, 8, 1 * MiB, NULL), -ENOSPC);
	assert_int_equal(f.calls, 1);
	gw_pools_close(&p);

	p = open_pools(128 * MiB);
	assert_int_equal(gw_pools_add(&p, &f.fn, 0, 1 * MiB, NULL), -ENOSPC);
	gw_pools_close(&p);
	assert_int_equal(gw_pools_open(&p, ram, 0, NULL, NULL), -EINVAL);
	gw_pools_close(&p);
}

static void a_pool_is_within_both_limits_of_the_host(void **state)
{
	struct fake f = fake_init(FIRST_IOVA);
	struct gw_pools p = open_pools(1024 * MiB);

	for (unsigned int i = 0; i < 2; i++) {
		f.fn.limits.max_bytes = (i ? 32 : 64) * MiB;
		f.fn.limits.max_map_bytes = (i ? 64 : 32) * MiB;
		assert_int_equal(gw_pools_add(&p, &f.fn, 0, 32 * MiB + 16384, NULL), -ENOSPC);
		assert_int_equal(f.calls, 0);
	}
	assert_int_equal(gw_pools_add(&p, &f.fn, 0, 32 * MiB, NULL), 0);
	gw_pools_close(&p);
}

static void no_more_pools_than_there_is_room_to_note(void **state)
{
	struct fake f[GW_MAX_POOLS + 1];
	struct gw_pools p = open_pools(512 * MiB);

	for (unsigned int i = 0; i < GW_MAX_POOLS; i++) {
		f[i] = fake_init(FIRST_IOVA + i * GiB);
		assert_int_equal(gw_pools_add(&p, &f[i].fn, (uint8_t)i, 1 * MiB, NULL), 0);
		assert_true(p.pool[i].gpa.v == ram.v + (511 - i) * MiB);
	}
	f[GW_MAX_POOLS] = fake_init(FIRST_IOVA + GW_MAX_POOLS * GiB);
	assert_int_equal(gw_pools_add(&p, &f[GW_MAX_POOLS].fn, 8, 1 * MiB, NULL), -ENOSPC);
	gw_pools_close(&p);
	for (unsigned int i = 0; i <= GW_MAX_POOLS; i++)
		assert_int_equal(f[i].mapped, 0);
}

/* The other range would be within the device's reach, and guest memory like any other. */
static void a_pool_in_several_ranges_is_refused(void **state)
{
	struct fake f = fake_init(FIRST_IOVA);
	struct gw_pools p = open_pools(512 * MiB);

	f.nr_ranges = 2;
	assert_int_equal(gw_pools_add(&p, &f.fn, 0, 64 * MiB, NULL), -ENOTUNIQ);
	assert_int_equal(f.mapped, 0);
	assert_int_equal(p.nr, 0);
	f.nr_ranges = 0;
	f.fail_map = -EIO;
	assert_int_equal(gw_pools_add(&p, &f.fn, 0, 64 * MiB, NULL), -EIO);
	f.fail_map = -EMLINK;
	assert_int_equal(gw_pools_add(&p, &f.fn, 0, 64 * MiB, NULL), -EMLINK);
	assert_int_equal(p.nr, 0);
	gw_pools_close(&p);
}

static void pools_that_meet_at_the_device_are_refused(void **state)
{
	struct fake a = fake_init(FIRST_IOVA), b = fake_init(FIRST_IOVA), c = fake_init(0);
	struct gw_pools p = open_pools(512 * MiB);

	assert_int_equal(gw_pools_add(&p, &a.fn, 0, 32 * MiB, NULL), 0);
	assert_int_equal(gw_pools_add(&p, &b.fn, 8, 32 * MiB, NULL), -EADDRNOTAVAIL);
	b.iova = FIRST_IOVA + 32 * MiB - 16384;
	assert_int_equal(gw_pools_add(&p, &b.fn, 8, 32 * MiB, NULL), -EADDRNOTAVAIL);
	b.iova = FIRST_IOVA - 32 * MiB + 16384;
	assert_int_equal(gw_pools_add(&p, &b.fn, 8, 32 * MiB, NULL), -EADDRNOTAVAIL);
	assert_int_equal(b.mapped, 0);
	b.iova = FIRST_IOVA + 32 * MiB;
	assert_int_equal(gw_pools_add(&p, &b.fn, 8, 32 * MiB, NULL), 0);
	c.iova = b.iova;
	assert_int_equal(gw_pools_add(&p, &c.fn, 16, 32 * MiB, NULL), -EADDRNOTAVAIL);
	c.iova = FIRST_IOVA - 32 * MiB;
	assert_int_equal(gw_pools_add(&p, &c.fn, 16, 32 * MiB, NULL), 0);
	gw_pools_close(&p);
	assert_int_equal(c.mapped, 0);
	assert_int_equal(a.mapped + b.mapped, 0);
}

static void memory_that_a_device_may_still_reach_stays(void **state)
{
	struct fake f = fake_init(FIRST_IOVA);
	struct gw_pools p = open_pools(512 * MiB);
	uint8_t *addr = p.ram.addr;

	assert_int_equal(gw_pools_add(&p, &f.fn, 0, 32 * MiB, NULL), 0);
	f.fail_unmap = -EIO;
	gw_pools_close(&p);
	addr[512 * MiB - 1] = 1;	/* no SIGSEGV */
	munmap(addr, 512 * MiB);
}

static void memory_of_a_pool_that_was_refused_and_not_unmapped_stays(void **state)
{
	for (unsigned int meets = 0; meets < 2; meets++) {
		struct fake a = fake_init(FIRST_IOVA), b = fake_init(FIRST_IOVA);
		struct gw_pools p = open_pools(512 * MiB);
		uint8_t *addr = p.ram.addr;

		assert_int_equal(gw_pools_add(&p, &a.fn, 0, 32 * MiB, NULL), 0);
		b.nr_ranges = meets ? 1 : 2;
		b.fail_unmap = -EIO;
		assert_int_equal(gw_pools_add(&p, &b.fn, 8, 32 * MiB, NULL),
				 meets ? -EADDRNOTAVAIL : -ENOTUNIQ);
		assert_int_equal(p.nr, 1);
		gw_pools_close(&p);
		assert_int_equal(a.mapped + b.mapped, 0);
		b.addr[0] = 1;	/* no SIGSEGV */
		munmap(addr, 512 * MiB);
	}
}

/* It reaches nothing any more, so its memory need not be kept. */
static void the_memory_of_a_function_that_has_gone_is_let_go(void **state)
{
	struct fake f = fake_init(FIRST_IOVA);
	struct gw_pools p = open_pools(512 * MiB);
	unsigned char in_core;

	assert_int_equal(gw_pools_add(&p, &f.fn, 0, 32 * MiB, NULL), 0);
	f.fail_unmap = -ENODEV;
	gw_pools_close(&p);
	assert_int_equal(mincore(f.addr, 4096, &in_core), -1);
	assert_int_equal(errno, ENOMEM);
}

/* ---- the device tree ---- */

static void write_tree(const char *path, bool reserved)
{
	char buf[4096];
	FILE *file = fopen(path, "w");
	int node;

	assert_non_null(file);
	assert_int_equal(fdt_create_empty_tree(buf, sizeof(buf)), 0);
	node = fdt_add_subnode(buf, 0, "pcie@10000000");
	assert_true(node > 0);
	assert_int_equal(fdt_setprop_string(buf, node, "compatible", "pci-host-ecam-generic"), 0);
	assert_int_equal(fdt_setprop_u32(buf, node, "phandle", 0x8001), 0);
	if (reserved) {
		node = fdt_add_subnode(buf, 0, "reserved-memory");
		assert_int_equal(fdt_setprop_u32(buf, node, "#address-cells", 2), 0);
		assert_true(fdt_add_subnode(buf, node, "pool@7c000000") > 0);
	}
	assert_int_equal(fwrite(buf, 1, sizeof(buf), file), sizeof(buf));
	fclose(file);
}

static const struct gw_pools two_pools = {
	.nr = 2,
	.pool = {
		{ .gpa.v = 0x7c000000, .iova.v = 0x8001234000, .size = 64 * MiB, .devfn = 0x80 },
		{ .gpa.v = 0x7b000000, .iova.v = 0x9000000000, .size = 16 * MiB, .devfn = 0x89 },
	},
};

static void read_tree(const char *path, char *buf, size_t size)
{
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	assert_true(fread(buf, 1, size, file) > 0);
	fclose(file);
	assert_int_equal(fdt_check_full(buf, size), 0);
}

static void check_cells(const void *fdt, const char *node, const char *name, const uint32_t *want,
			int nr)
{
	int len, at = fdt_path_offset(fdt, node);
	const fdt32_t *cells;

	assert_true(at >= 0);
	cells = fdt_getprop(fdt, at, name, &len);
	assert_non_null(cells);
	assert_int_equal(len, nr * 4);
	for (int i = 0; i < nr; i++)
		assert_int_equal(fdt32_to_cpu(cells[i]), want[i]);
}

static uint32_t one_cell(const void *fdt, const char *node, const char *name)
{
	const fdt32_t *cell = fdt_getprop(fdt, fdt_path_offset(fdt, node), name, NULL);

	assert_non_null(cell);
	return fdt32_to_cpu(*cell);
}

static void the_device_tree_says_what_each_function_reaches(void **state)
{
	static const uint32_t ranges[] = {
		0x43000000, 0x80, 0x01234000, 0, 0x7c000000, 0, 0x04000000,
		0x43000000, 0x90, 0x00000000, 0, 0x7b000000, 0, 0x01000000,
	};
	static const uint32_t mem0[] = { 0, 0x7c000000, 0, 0x04000000 };
	static const uint32_t mem1[] = { 0, 0x7b000000, 0, 0x01000000 };
	static const uint32_t fn0[] = { 0x8000, 0, 0, 0, 0 }, fn1[] = { 0x8900, 0, 0, 0, 0 };
	char path[] = "/tmp/gangway-test-XXXXXX", buf[8192];
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	write_tree(path, false);
	assert_int_equal(gw_fdt_add_pools(path, path, &two_pools, NULL), 0);
	read_tree(path, buf, sizeof(buf));
	check_cells(buf, "/pcie@10000000", "dma-ranges", ranges, 14);
	check_cells(buf, "/reserved-memory/pool@7c000000", "reg", mem0, 4);
	check_cells(buf, "/reserved-memory/pool@7b000000", "reg", mem1, 4);
	check_cells(buf, "/pcie@10000000/function@10,0", "reg", fn0, 5);
	check_cells(buf, "/pcie@10000000/function@11,1", "reg", fn1, 5);
	assert_int_equal(one_cell(buf, "/reserved-memory", "#address-cells"), 2);
	assert_int_equal(one_cell(buf, "/reserved-memory", "#size-cells"), 2);
	assert_non_null(fdt_getprop(buf, fdt_path_offset(buf, "/reserved-memory"), "ranges", NULL));
	assert_int_equal(fdt_node_check_compatible(buf, fdt_path_offset(buf,
			 "/reserved-memory/pool@7c000000"), "restricted-dma-pool"), 0);
	/* each function has its own, by a phandle that nothing else has */
	assert_int_equal(one_cell(buf, "/pcie@10000000/function@10,0", "memory-region"),
			 one_cell(buf, "/reserved-memory/pool@7c000000", "phandle"));
	assert_int_equal(one_cell(buf, "/pcie@10000000/function@11,1", "memory-region"),
			 one_cell(buf, "/reserved-memory/pool@7b000000", "phandle"));
	assert_int_not_equal(one_cell(buf, "/reserved-memory/pool@7b000000", "phandle"),
			     one_cell(buf, "/reserved-memory/pool@7c000000", "phandle"));
	assert_int_not_equal(one_cell(buf, "/reserved-memory/pool@7c000000", "phandle"), 0x8001);
	unlink(path);
}

static void a_device_tree_without_a_host_bridge_is_refused(void **state)
{
	char path[] = "/tmp/gangway-test-XXXXXX", buf[4096];
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(fdt_create_empty_tree(buf, sizeof(buf)), 0);
	assert_int_equal(write(fd, buf, sizeof(buf)), sizeof(buf));
	close(fd);
	assert_int_equal(gw_fdt_add_pools(path, path, &two_pools, NULL), -ENOENT);
	unlink(path);
}

static void a_place_that_is_taken_in_the_device_tree_is_refused(void **state)
{
	char path[] = "/tmp/gangway-test-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	write_tree(path, true);
	assert_int_equal(gw_fdt_add_pools(path, path, &two_pools, NULL), -EEXIST);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(gw_fdt_add_pools(path, path, &two_pools, NULL), -EINVAL);
	unlink(path);
}

static void the_plan_needs_a_device_tree_and_is_never_automatic(void **state)
{
	struct gw_host_limits limits = { 0 };
	enum gw_plan plan;
	char why[160];

	assert_int_equal(gw_plan_parse("pool", &plan), 0);
	assert_int_equal(plan, GW_PLAN_POOL);
	assert_int_equal(gw_plan_choose(&limits, true, GW_PLAN_POOL, &plan, why), 0);
	assert_int_equal(plan, GW_PLAN_POOL);
	assert_int_equal(gw_plan_choose(&limits, false, GW_PLAN_POOL, &plan, why), -EOPNOTSUPP);
	assert_non_null(strstr(why, "device tree"));
	assert_int_equal(gw_plan_choose(&limits, true, GW_PLAN_AUTO, &plan, why), 0);
	assert_int_not_equal(plan, GW_PLAN_POOL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pool_is_the_end_of_ram_and_all_that_is_mapped),
		cmocka_unit_test(the_default_size_follows_the_kind_of_device),
		cmocka_unit_test(pools_stay_below_four_gib_and_lie_one_below_the_other),
		cmocka_unit_test(an_odd_end_of_ram_leaves_the_pool_in_units_of_the_host),
		cmocka_unit_test(a_host_that_takes_addresses_gets_the_guests),
		cmocka_unit_test(what_cannot_work_is_refused_before_the_host_is_asked),
		cmocka_unit_test(a_pool_is_within_both_limits_of_the_host),
		cmocka_unit_test(no_more_pools_than_there_is_room_to_note),
		cmocka_unit_test(a_pool_in_several_ranges_is_refused),
		cmocka_unit_test(pools_that_meet_at_the_device_are_refused),
		cmocka_unit_test(memory_that_a_device_may_still_reach_stays),
		cmocka_unit_test(memory_of_a_pool_that_was_refused_and_not_unmapped_stays),
		cmocka_unit_test(the_memory_of_a_function_that_has_gone_is_let_go),
		cmocka_unit_test(the_device_tree_says_what_each_function_reaches),
		cmocka_unit_test(a_device_tree_without_a_host_bridge_is_refused),
		cmocka_unit_test(a_place_that_is_taken_in_the_device_tree_is_refused),
		cmocka_unit_test(the_plan_needs_a_device_tree_and_is_never_automatic),
	};

	return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
