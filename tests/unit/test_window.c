/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libfdt.h>

#include <gangway/fdt.h>
#include <gangway/plan.h>

#include "base/util.h"
#include "fds.h"

/* A host that chooses addresses, and may answer with several ranges. */

#define MiB		(1ull << 20)
#define FIRST_IOVA	0x8001230000ull
#define GAP		0x4000

struct fake {
	struct gw_function fn;
	uint64_t next_iova;
	uint64_t ranges[4];		/* sizes of all but the last range */
	unsigned int nr_ranges;
	int fail_map, fail_unmap;
	unsigned int mapped;
	uint8_t *addr;
};

static int fake_map(struct gw_function *fn, const struct gw_memory *mem, uint64_t size,
		    const gw_iova *want, struct gw_mapping *map)
{
	struct fake *f = container_of(fn, struct fake, fn);
	uint64_t left = size;

	assert_null(want);
	if (f->fail_map)
		return f->fail_map;
	map->handle = 7;
	map->nr_segments = 0;
	while (left) {
		unsigned int i = map->nr_segments++;

		map->seg[i].size = i < f->nr_ranges ? f->ranges[i] : left;
		map->seg[i].iova.v = f->next_iova;
		f->next_iova += map->seg[i].size + GAP;
		left -= map->seg[i].size;
	}
	f->addr = mem->addr;
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

static struct fake fake_init(void)
{
	return (struct fake){
		.fn = { .ops = &fake_ops, .info.name = "fake", .limits = {
			.granule = 16384, .max_bytes = 1536 * MiB, .max_maps = 65536,
			.max_map_bytes = 1536 * MiB, .max_segments = 7,
			.iova_last.v = UINT64_MAX } },
		.next_iova = FIRST_IOVA,
	};
}

static const gw_gpa ram = { 0x40000000 };

static void the_window_is_the_start_of_ram(void **state)
{
	struct fake f = fake_init();
	struct gw_window w;
	struct stat st;

	assert_int_equal(gw_window_open(&w, &f.fn, ram, 256 * MiB, 64 * MiB, NULL, NULL), 0);
	assert_true(w.size == 64 * MiB && w.iova.v == FIRST_IOVA && w.gpa.v == ram.v);
	assert_int_equal(fstat(w.ram.fd, &st), 0);
	assert_int_equal(st.st_size, 256 * MiB);
	assert_int_equal(w.ram.fd_off, 0);
	/* what the device writes is what the guest reads */
	f.addr[12345] = 0x5a;
	uint8_t byte = 0;

	assert_int_equal(pread(w.ram.fd, &byte, 1, 12345), 1);
	assert_int_equal(byte, 0x5a);
	/* nobody can take pages away from under the device */
	assert_int_equal(ftruncate(w.ram.fd, 4096), -1);
	gw_window_close(&w);
	assert_int_equal(f.mapped, 0);
	gw_window_close(&w);
}

static void ram_smaller_than_or_equal_to_the_window_is_all_window(void **state)
{
	struct fake f = fake_init();
	struct gw_window w;

	assert_int_equal(gw_window_open(&w, &f.fn, ram, 128 * MiB, 512 * MiB, NULL, NULL), 0);
	assert_true(w.size == 128 * MiB);
	gw_window_close(&w);
	assert_int_equal(gw_window_open(&w, &f.fn, ram, 128 * MiB, 128 * MiB, NULL, NULL), 0);
	assert_true(w.size == 128 * MiB);
	gw_window_close(&w);
	assert_int_equal(gw_window_open(&w, &f.fn, ram, 128 * MiB, 130 * MiB, NULL, NULL), 0);
	assert_true(w.size == 128 * MiB && !w.ram.near);
	gw_window_close(&w);
	/* no size: what the budget allows */
	assert_int_equal(gw_window_open(&w, &f.fn, ram, 2048 * MiB, 0, NULL, NULL), 0);
	assert_true(w.size == 1536 * MiB && w.ram.size == 2048 * MiB);
	assert_true(w.ram.near == 1536 * MiB);
	gw_window_close(&w);
}

static void a_window_is_within_both_limits_of_the_host(void **state)
{
	struct fake f = fake_init();
	struct gw_window w;

	for (unsigned int i = 0; i < 2; i++) {
		f.fn.limits.max_bytes = (i ? 128 : 256) * MiB + 4096;
		f.fn.limits.max_map_bytes = 128 * MiB + 4096;
		assert_int_equal(gw_window_open(&w, &f.fn, ram, 512 * MiB, 0, NULL, NULL), 0);
		assert_true(w.size == 128 * MiB);
		gw_window_close(&w);
		assert_int_equal(gw_window_open(&w, &f.fn, ram, 512 * MiB, 129 * MiB, NULL, NULL),
				 -ENOSPC);
	}
}

static void what_cannot_work_is_refused_before_the_host_is_asked(void **state)
{
	struct fake f = fake_init();
	struct gw_window w;

	assert_int_equal(gw_window_open(&w, &f.fn, ram, 4096 * MiB, 2048 * MiB, NULL, NULL), -ENOSPC);
	assert_int_equal(gw_window_open(&w, &f.fn, ram, 256 * MiB, 16 * MiB, NULL, NULL), -EINVAL);
	/* in 32 MiB not even the kernel finds room beside its bounce buffers */
	assert_int_equal(gw_window_open(&w, &f.fn, ram, 256 * MiB, 32 * MiB, NULL, NULL), -EINVAL);
	assert_int_equal(gw_window_open(&w, &f.fn, ram, 256 * MiB + 4096, 64 * MiB, NULL, NULL),
			 -EINVAL);
	assert_int_equal(gw_window_open(&w, &f.fn, ram, 256 * MiB, 64 * MiB + 4096, NULL, NULL),
			 -EINVAL);
	assert_int_equal(gw_window_open(&w, &f.fn, ram, 0, 64 * MiB, NULL, NULL), -EINVAL);
	assert_int_equal(f.addr != NULL, 0);
	f.fail_map = -EIO;
	assert_int_equal(gw_window_open(&w, &f.fn, ram, 256 * MiB, 64 * MiB, NULL, NULL), -EIO);
	gw_window_close(&w);
}

/* RAM begins in the file where the largest range does, so that the window starts RAM again. */
static void of_several_ranges_the_largest_is_used(void **state)
{
	struct fake f = fake_init();
	struct gw_window w;
	struct stat st;

	f.ranges[0] = 16 * MiB;
	f.ranges[1] = 100 * MiB;
	f.nr_ranges = 2;
	assert_int_equal(gw_window_open(&w, &f.fn, ram, 256 * MiB, 160 * MiB, NULL, NULL), 0);
	assert_true(w.size == 100 * MiB);
	assert_true(w.iova.v == FIRST_IOVA + 16 * MiB + GAP);
	assert_true(w.ram.fd_off == 16 * MiB);
	assert_int_equal(fstat(w.ram.fd, &st), 0);
	assert_int_equal(st.st_size, (256 + 16) * MiB);
	gw_window_close(&w);

	f.ranges[0] = 60 * MiB;
	f.ranges[1] = 16 * MiB;
	f.next_iova = FIRST_IOVA;
	assert_int_equal(gw_window_open(&w, &f.fn, ram, 256 * MiB, 160 * MiB, NULL, NULL), 0);
	assert_true(w.size == 84 * MiB && w.iova.v == FIRST_IOVA + 76 * MiB + 2 * GAP);
	assert_true(w.ram.fd_off == 76 * MiB);
	gw_window_close(&w);

	/* nothing lies before the first of two */
	f.ranges[0] = 80 * MiB;
	f.nr_ranges = 1;
	assert_int_equal(gw_window_open(&w, &f.fn, ram, 256 * MiB, 160 * MiB, NULL, NULL), 0);
	assert_true(w.size == 80 * MiB && w.ram.fd_off == 0);
	gw_window_close(&w);

	f.nr_ranges = 2;
	f.ranges[0] = 60 * MiB;
	f.ranges[1] = 60 * MiB;
	assert_int_equal(gw_window_open(&w, &f.fn, ram, 256 * MiB, 160 * MiB, NULL, NULL), -ENOTUNIQ);
	assert_int_equal(f.mapped, 0);
}

static void functions_share_a_window_only_at_one_address(void **state)
{
	struct fake a = fake_init(), b = fake_init();
	struct gw_window w;

	assert_int_equal(gw_window_open(&w, &a.fn, ram, 256 * MiB, 64 * MiB, NULL, NULL), 0);
	assert_int_equal(gw_window_share(&w, &b.fn, NULL), 0);
	assert_int_equal(b.mapped, 1);
	/* its next address is another one */
	assert_int_equal(gw_window_share(&w, &b.fn, NULL), -EADDRNOTAVAIL);
	assert_int_equal(b.mapped, 1);
	gw_window_close(&w);
	assert_int_equal(a.mapped + b.mapped, 0);
}

static void a_window_that_begins_elsewhere_or_is_smaller_is_not_shared(void **state)
{
	struct fake a = fake_init(), b = fake_init();
	struct gw_window w;

	assert_int_equal(gw_window_open(&w, &a.fn, ram, 256 * MiB, 64 * MiB, NULL, NULL), 0);
	b.ranges[0] = 48 * MiB;
	b.nr_ranges = 1;
	assert_int_equal(gw_window_share(&w, &b.fn, NULL), -EADDRNOTAVAIL);
	assert_int_equal(b.mapped, 0);
	gw_window_close(&w);

	a.ranges[0] = 16 * MiB;
	a.ranges[1] = b.ranges[0] = 100 * MiB;
	a.nr_ranges = 2;
	assert_int_equal(gw_window_open(&w, &a.fn, ram, 256 * MiB, 160 * MiB, NULL, NULL), 0);
	b.next_iova = w.iova.v;
	assert_int_equal(gw_window_share(&w, &b.fn, NULL), -EADDRNOTAVAIL);
	gw_window_close(&w);
	assert_int_equal(a.mapped + b.mapped, 0);
}

static void no_more_share_a_window_than_there_is_room_to_note(void **state)
{
	struct fake f[GW_MAX_WINDOW_USERS + 1];
	struct gw_window w;

	for (unsigned int i = 0; i <= GW_MAX_WINDOW_USERS; i++)
		f[i] = fake_init();
	assert_int_equal(gw_window_open(&w, &f[0].fn, ram, 64 * MiB, 64 * MiB, NULL, NULL), 0);
	for (unsigned int i = 1; i < GW_MAX_WINDOW_USERS; i++)
		assert_int_equal(gw_window_share(&w, &f[i].fn, NULL), 0);
	assert_int_equal(gw_window_share(&w, &f[GW_MAX_WINDOW_USERS].fn, NULL), -ENOSPC);
	assert_int_equal(w.nr_users, GW_MAX_WINDOW_USERS);
	gw_window_close(&w);
	for (unsigned int i = 0; i <= GW_MAX_WINDOW_USERS; i++)
		assert_int_equal(f[i].mapped, 0);
}

static void memory_that_a_device_may_still_reach_stays(void **state)
{
	for (unsigned int shared = 0; shared < 2; shared++) {
		struct fake a = fake_init(), b = fake_init();
		struct gw_window w;

		assert_int_equal(gw_window_open(&w, &a.fn, ram, 64 * MiB, 64 * MiB, NULL, NULL), 0);
		if (shared) {
			/* refused, and the host does not take it back */
			b.next_iova += GAP;
			b.fail_unmap = -EIO;
			assert_int_equal(gw_window_share(&w, &b.fn, NULL), -EADDRNOTAVAIL);
		} else {
			assert_int_equal(gw_window_share(&w, &b.fn, NULL), 0);
			a.fail_unmap = -EIO;
		}
		gw_window_close(&w);
		assert_int_equal(a.mapped, 0);
		a.addr[64 * MiB - 1] = 1;	/* no SIGSEGV */
		munmap(a.addr, 64 * MiB);
	}
}

static void what_was_never_opened_can_be_closed(void **state)
{
	struct gw_window w = { 0 };

	assert_true(fcntl(0, F_GETFD) >= 0);
	gw_window_close(&w);
	assert_true(fcntl(0, F_GETFD) >= 0);	/* its descriptor was not 0 */
}

/* It reaches nothing any more, so its memory need not be kept. */
static void the_memory_of_a_function_that_has_gone_is_let_go(void **state)
{
	struct fake f = fake_init();
	struct gw_window w;
	unsigned char in_core;

	f.fail_unmap = -ENODEV;
	assert_int_equal(gw_window_open(&w, &f.fn, ram, 64 * MiB, 64 * MiB, NULL, NULL), 0);
	gw_window_close(&w);
	assert_int_equal(mincore(f.addr, 4096, &in_core), -1);
	assert_int_equal(errno, ENOMEM);
}

static void memory_with_a_name_is_made_and_removed(void **state)
{
	struct fake f = fake_init();
	struct gw_window w;
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/tmp/gangway-test-memory.%d", getpid());
	assert_int_equal(gw_window_open(&w, &f.fn, ram, 64 * MiB, 64 * MiB, path, NULL), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 64 * MiB);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* what is there is somebody else's */
	struct gw_window second;

	assert_int_equal(gw_window_open(&second, &f.fn, ram, 64 * MiB, 64 * MiB, path, NULL), -EEXIST);
	gw_window_close(&second);
	assert_int_equal(stat(path, &st), 0);
	gw_window_close(&w);
	assert_int_equal(stat(path, &st), -1);
}

/* As where the file system is full: all that grows a file fails. */
static void limit_files(uint64_t bytes)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes ? bytes : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void memory_that_cannot_be_made_leaves_nothing(void **state)
{
	struct fake f = fake_init();
	unsigned int before = count_fds();
	struct gw_window w;
	struct stat st;
	char path[64];

	snprintf(path, sizeof(path), "/tmp/gangway-test-memory.%d", getpid());
	limit_files(64 * MiB);
	assert_int_equal(gw_window_open(&w, &f.fn, ram, 128 * MiB, 64 * MiB, path, NULL), -EFBIG);
	assert_int_equal(stat(path, &st), -1);
	assert_int_equal(gw_window_open(&w, &f.fn, ram, 128 * MiB, 64 * MiB, NULL, NULL), -EFBIG);
	assert_int_equal(f.mapped, 0);
	/* it can be made, but not grow by what lies before the window */
	limit_files(256 * MiB);
	f.ranges[0] = 16 * MiB;
	f.nr_ranges = 1;
	assert_int_equal(gw_window_open(&w, &f.fn, ram, 256 * MiB, 160 * MiB, path, NULL), -EFBIG);
	assert_int_equal(stat(path, &st), -1);
	assert_int_equal(f.mapped, 0);
	assert_int_equal(w.ram.size, 0);
	limit_files(0);
	assert_int_equal(count_fds(), before);
}

static void write_tree(const char *path, const char *compatible)
{
	char buf[2048];
	FILE *file = fopen(path, "w");
	int node;

	assert_non_null(file);
	assert_int_equal(fdt_create_empty_tree(buf, sizeof(buf)), 0);
	node = fdt_add_subnode(buf, 0, "pcie@10000000");
	assert_true(node > 0);
	assert_int_equal(fdt_setprop_string(buf, node, "compatible", compatible), 0);
	assert_int_equal(fwrite(buf, 1, sizeof(buf), file), sizeof(buf));
	fclose(file);
}

static void the_device_tree_says_where_the_window_is(void **state)
{
	struct gw_window w = { .gpa.v = 0x40000000, .iova.v = 0x8001230000, .size = 0x120000000 };
	static const uint32_t want[] = { 0x43000000, 0x80, 0x01230000, 0, 0x40000000, 1,
					 0x20000000 };
	char path[] = "/tmp/gangway-test-XXXXXX", buf[8192];
	int fd = mkstemp(path), len;
	const fdt32_t *cells;
	FILE *file;

	assert_true(fd >= 0);
	close(fd);
	write_tree(path, "pci-host-ecam-generic");
	assert_int_equal(gw_fdt_add_window(path, path, &w, NULL), 0);
	file = fopen(path, "r");
	assert_true(fread(buf, 1, sizeof(buf), file) > 0);
	fclose(file);
	assert_int_equal(fdt_check_header(buf), 0);
	cells = fdt_getprop(buf, fdt_path_offset(buf, "/pcie@10000000"), "dma-ranges", &len);
	assert_non_null(cells);
	assert_int_equal(len, sizeof(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_int_equal(fdt32_to_cpu(cells[i]), want[i]);
	unlink(path);
}

static void what_is_no_device_tree_for_us_is_refused(void **state)
{
	struct gw_window w = { .size = 4096 };
	char path[] = "/tmp/gangway-test-XXXXXX";
	unsigned int before = count_fds();
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(gw_fdt_add_window(path, path, &w, NULL), -EINVAL);
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(gw_fdt_add_window(path, path, &w, NULL), -EINVAL);
	assert_int_equal(ftruncate(fd, 64 << 20), 0);
	assert_int_equal(gw_fdt_add_window(path, path, &w, NULL), -EINVAL);
	close(fd);
	write_tree(path, "something-else");
	assert_int_equal(gw_fdt_add_window(path, path, &w, NULL), -ENOENT);
	write_tree(path, "pci-host-ecam-generic");
	assert_int_equal(gw_fdt_add_window(path, "/tmp/no/such/folder", &w, NULL), -ENOENT);
	assert_int_equal(gw_fdt_add_window(path, "/dev/full", &w, NULL), -ENOSPC);
	assert_int_equal(gw_fdt_add_window("/tmp", path, &w, NULL), -EBADMSG);
	unlink(path);
	assert_int_equal(gw_fdt_add_window(path, path, &w, NULL), -ENOENT);
	assert_int_equal(count_fds(), before);
}

static void how_many_address_bits_a_window_takes_is_told(void **state)
{
	struct gw_window w = { .iova.v = 0x8ebdd64000, .size = 1024 * MiB };
	struct gw_function_info info = { .class_code = 0x0c0310 };

	assert_int_equal(gw_window_bits(&w), 40);
	assert_string_equal(gw_window_misfit(&w, &info), "an OHCI USB controller");
	info.class_code = 0x01018a;
	assert_string_equal(gw_window_misfit(&w, &info), "an IDE controller");
	info.class_code = 0x010802;
	assert_null(gw_window_misfit(&w, &info));
	w.iova.v = 0x10080000000;
	assert_int_equal(gw_window_bits(&w), 41);
	/* the last address decides */
	w.iova.v = 0xffffc000;
	w.size = 0x4000;
	info.class_code = 0x0c0310;
	assert_int_equal(gw_window_bits(&w), 32);
	assert_null(gw_window_misfit(&w, &info));
	w.size = 0x8000;
	assert_int_equal(gw_window_bits(&w), 33);
}

/* What the kernel must have there would not find room, if all else went there first. */
static void a_small_window_is_not_used_first(void **state)
{
	struct fake f = fake_init();
	struct gw_window w;

	assert_int_equal(gw_window_open(&w, &f.fn, ram, 512 * MiB, 128 * MiB, NULL, NULL), 0);
	assert_true(!w.ram.near);
	gw_window_close(&w);
	assert_int_equal(gw_window_open(&w, &f.fn, ram, 512 * MiB, 256 * MiB, NULL, NULL), 0);
	assert_true(w.ram.near == 256 * MiB);
	gw_window_close(&w);
}

static void auto_takes_the_first_plan_that_works(void **state)
{
	struct gw_host_limits limits = { .caller_iova = true };
	enum gw_plan plan;
	char why[160];

	assert_int_equal(gw_plan_choose(&limits, true, GW_PLAN_AUTO, &plan, why), 0);
	assert_int_equal(plan, GW_PLAN_DIRECT);
	limits.caller_iova = false;
	assert_int_equal(gw_plan_choose(&limits, true, GW_PLAN_AUTO, &plan, why), 0);
	assert_int_equal(plan, GW_PLAN_WINDOW);
	assert_int_equal(gw_plan_choose(&limits, false, GW_PLAN_AUTO, &plan, why), 0);
	assert_int_equal(plan, GW_PLAN_PARAVIRT);
	assert_non_null(strstr(why, "chooses the DMA addresses"));
	assert_int_equal(gw_plan_choose(&limits, false, GW_PLAN_WINDOW, &plan, why), -EOPNOTSUPP);
	assert_int_equal(gw_plan_choose(&limits, true, GW_PLAN_PARAVIRT, &plan, why), 0);
	assert_int_equal(gw_plan_choose(&limits, true, GW_PLAN_DIRECT, &plan, why), -EOPNOTSUPP);
	assert_int_equal(gw_plan_parse("window", &plan), 0);
	assert_int_equal(plan, GW_PLAN_WINDOW);
	assert_int_equal(gw_plan_parse("", &plan), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_window_is_the_start_of_ram),
		cmocka_unit_test(ram_smaller_than_or_equal_to_the_window_is_all_window),
		cmocka_unit_test(a_window_is_within_both_limits_of_the_host),
		cmocka_unit_test(what_cannot_work_is_refused_before_the_host_is_asked),
		cmocka_unit_test(of_several_ranges_the_largest_is_used),
		cmocka_unit_test(functions_share_a_window_only_at_one_address),
		cmocka_unit_test(a_window_that_begins_elsewhere_or_is_smaller_is_not_shared),
		cmocka_unit_test(no_more_share_a_window_than_there_is_room_to_note),
		cmocka_unit_test(memory_that_a_device_may_still_reach_stays),
		cmocka_unit_test(what_was_never_opened_can_be_closed),
		cmocka_unit_test(the_memory_of_a_function_that_has_gone_is_let_go),
		cmocka_unit_test(memory_with_a_name_is_made_and_removed),
		cmocka_unit_test(memory_that_cannot_be_made_leaves_nothing),
		cmocka_unit_test(the_device_tree_says_where_the_window_is),
		cmocka_unit_test(what_is_no_device_tree_for_us_is_refused),
		cmocka_unit_test(how_many_address_bits_a_window_takes_is_told),
		cmocka_unit_test(a_small_window_is_not_used_first),
		cmocka_unit_test(auto_takes_the_first_plan_that_works),
	};

	return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
