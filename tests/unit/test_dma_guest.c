/* SPDX-License-Identifier: BSD-3-Clause */
/* Mappings that a guest asks for, in runs of memory that come and go. */
#include "unit.h"

#include <sys/mman.h>
#include <unistd.h>

#include <gangway/dma.h>

#include "base/util.h"
#include "dma/dma.h"

#define PAGE	4096ull
#define RW	(GW_PROT_READ | GW_PROT_WRITE)

struct env {
	struct gw_function fn;
	struct gw_dma *dma;
	int mem, other;
	unsigned int live;
	uint64_t next, order[16], nr_unmapped;
	int fail_map, fail_unmap;
	const uint8_t *last;
};

static int env_map(struct gw_function *fn, const struct gw_memory *mem, uint64_t size,
		   const gw_iova *want, struct gw_mapping *map)
{
	struct env *e = container_of(fn, struct env, fn);

	assert_null(want);
	assert_non_null(mem->addr);
	if (e->fail_map)
		return e->fail_map;
	*map = (struct gw_mapping){ .handle = ++e->next, .nr_segments = 1,
				    .seg[0] = { { e->next << 32 }, size } };
	e->live++;
	e->last = mem->addr;
	return 0;
}

static int env_unmap(struct gw_function *fn, uint64_t handle)
{
	struct env *e = container_of(fn, struct env, fn);

	if (e->fail_unmap)
		return e->fail_unmap;
	e->live--;
	if (e->nr_unmapped < ARRAY_SIZE(e->order))
		e->order[e->nr_unmapped] = handle;
	e->nr_unmapped++;
	return 0;
}

static const struct gw_function_ops env_ops = { .dma_map = env_map, .dma_unmap = env_unmap };

static int file_of(uint64_t size)
{
	int fd = memfd_create("mem", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static int setup(void **state)
{
	struct env *e = calloc(1, sizeof(*e));

	e->fn.ops = &env_ops;
	e->fn.limits = (struct gw_host_limits){ .granule = PAGE, .max_bytes = 1 << 30,
		.max_maps = 1000, .max_map_bytes = 1 << 30, .max_segments = 1,
		.iova_last.v = UINT64_MAX };
	e->mem = file_of(256 * PAGE);
	e->other = file_of(256 * PAGE);
	assert_int_equal(gw_dma_new(&e->fn, GW_PLAN_PARAVIRT, NULL, &e->dma), 0);
	*state = e;
	return 0;
}

static int teardown(void **state)
{
	struct env *e = *state;

	e->fail_unmap = 0;
	gw_dma_free(e->dma);
	assert_int_equal(e->live, 0);
	close(e->mem);
	close(e->other);
	free(e);
	return 0;
}

static void run(struct env *e, uint64_t gpa, uint64_t pages, uint64_t off, int prot, int fd)
{
	struct gw_slice s = { .at.v = gpa, .size = pages * PAGE, .off = off * PAGE,
			      .prot = prot };

	assert_int_equal(gw_dma_map(e->dma, &s, fd), 0);
}

static int map(struct env *e, uint64_t gpa, uint64_t pages, uint64_t *handle)
{
	const struct gw_dma_want want = { .gpa = { gpa }, .size = pages * PAGE };
	struct gw_mapping m;
	int ret = gw_dma_guest_map(e->dma, &want, &m);

	if (!ret && handle)
		*handle = m.handle;
	return ret;
}

static void unmap_run(struct env *e, uint64_t first, uint64_t last)
{
	uint64_t bytes;

	assert_int_equal(
		gw_dma_unmap(e->dma, (gw_vmm_addr){ first }, (gw_vmm_addr){ last }, &bytes), 0);
}

static void a_mapping_goes_over_runs_that_follow_each_other_in_the_file(void **state)
{
	struct env *e = *state;
	uint64_t h = 0;

	run(e, 0x10000, 2, 0, RW, e->mem);
	run(e, 0x12000, 1, 2, RW, e->mem);
	run(e, 0x13000, 1, 3, GW_PROT_READ, e->mem);	/* read-only */
	run(e, 0x14000, 1, 9, RW, e->mem);		/* elsewhere in the file */
	run(e, 0x16000, 1, 10, RW, e->mem);		/* a gap before it */
	run(e, 0x17000, 1, 11, RW, e->other);		/* another file */
	run(e, 0x18000, 1, 0, RW, -1);
	assert_int_equal(map(e, 0x10000, 3, &h), 0);
	assert_int_equal(map(e, 0x11000, 2, NULL), 0);
	assert_int_equal(map(e, 0x12000, 2, NULL), -EACCES);
	assert_int_equal(map(e, 0x13000, 1, NULL), -EACCES);
	assert_int_equal(map(e, 0x13000, 2, NULL), -EACCES);
	assert_int_equal(map(e, 0x14000, 2, NULL), -EFAULT);
	assert_int_equal(map(e, 0x16000, 2, NULL), -EXDEV);
	assert_int_equal(map(e, 0x17000, 2, NULL), -EFAULT);
	assert_int_equal(map(e, 0x18000, 1, NULL), -EFAULT);
	assert_int_equal(map(e, 0xf000, 1, NULL), -EFAULT);
	assert_int_equal(e->live, 2);
	/* the middle one goes, and with it what lay in it */
	unmap_run(e, 0x12000, 0x12fff);
	assert_int_equal(e->live, 0);
	assert_int_equal(gw_dma_guest_unmap(e->dma, h), -ENOENT);
	assert_int_equal(map(e, 0x10000, 2, NULL), 0);
}

static void only_what_lies_in_a_run_goes_with_it(void **state)
{
	struct env *e = *state;
	uint64_t a = 0, b = 0, c = 0;

	run(e, 0, 8, 0, RW, e->mem);
	run(e, 8 * PAGE, 8, 8, RW, e->mem);
	map(e, 0, 1, &a);
	map(e, 7 * PAGE, 2, &b);
	map(e, 9 * PAGE, 1, &c);
	unmap_run(e, 8 * PAGE, 16 * PAGE - 1);
	assert_true(gw_dma_guest_live(e->dma, a));
	assert_false(gw_dma_guest_live(e->dma, b));
	assert_false(gw_dma_guest_live(e->dma, c));
	assert_int_equal(e->live, 1);
}

static void memory_to_the_very_top_can_be_mapped(void **state)
{
	struct env *e = *state;

	run(e, 0 - 4 * PAGE, 4, 0, RW, e->mem);
	assert_int_equal(map(e, 0 - 4 * PAGE, 4, NULL), 0);
	assert_int_equal(map(e, 0 - PAGE, 1, NULL), 0);
	assert_int_equal(map(e, 0 - PAGE, 2, NULL), -EOVERFLOW);
}

static void a_mapping_over_very_many_pieces_is_refused(void **state)
{
	struct env *e = *state;

	for (uint64_t i = 0; i < 100; i++)
		run(e, i * PAGE, 1, i, RW, e->mem);
	assert_int_equal(map(e, 0, 64, NULL), 0);
	assert_int_equal(map(e, 0, 65, NULL), -EXDEV);
	assert_int_equal(e->live, 1);
}

static uint64_t lost(struct env *e)
{
	struct gw_dma_lost l;

	return gw_dma_guest_lost(e->dma, &l) ? 0 : l.handle;
}

static void what_the_vmm_ends_is_remembered_up_to_a_number(void **state)
{
	const unsigned int max = 4096;
	struct env *e = *state;
	struct gw_dma_usage u;
	uint64_t h[5000];

	e->fn.limits.max_maps = 5000;
	run(e, 0, 256, 0, RW, e->mem);
	for (unsigned int i = 0; i < 5000; i++)
		assert_int_equal(map(e, i % 256 * PAGE, 1, &h[i]), 0);
	assert_int_equal(lost(e), 0);
	unmap_run(e, 0, 256 * PAGE - 1);
	gw_dma_usage(e->dma, &u);
	assert_int_equal(u.dropped, 5000);
	/* the last of them, so the guest sees that some are missing */
	for (unsigned int i = 0; i < max; i++)
		assert_true(lost(e) != 0);
	assert_int_equal(lost(e), 0);
	/* and none of a generation that has ended, although they count */
	run(e, 0, 256, 0, RW, e->mem);
	assert_int_equal(map(e, 0, 1, &h[0]), 0);
	unmap_run(e, 0, 256 * PAGE - 1);
	assert_int_equal(gw_dma_guest_release(e->dma, UINT64_MAX), 0);
	assert_int_equal(lost(e), 0);
	gw_dma_usage(e->dma, &u);
	assert_int_equal(u.dropped, 5001);
}

static void a_host_without_room_is_told_from_a_budget_that_is_used_up(void **state)
{
	struct env *e = *state;
	uint64_t h = 0;

	run(e, 0, 256, 0, RW, e->mem);
	e->fail_map = -ENOSPC;
	assert_int_equal(map(e, 0, 1, NULL), -ENOBUFS);
	e->fail_map = -ENOMEM;
	assert_int_equal(map(e, 0, 1, NULL), -ENOBUFS);
	e->fail_map = 0;
	e->fn.limits.max_bytes = 4 * PAGE;
	assert_true(gw_dma_guest_left(e->dma) == 4 * PAGE);
	assert_int_equal(map(e, 0, 3, &h), 0);
	assert_true(gw_dma_guest_left(e->dma) == PAGE);
	assert_int_equal(map(e, 0, 2, NULL), -ENOSPC);
	assert_int_equal(gw_dma_guest_unmap(e->dma, h), 0);
	e->fn.limits.max_maps = 0;
	assert_int_equal(map(e, 0, 1, NULL), -ENOSPC);
	assert_true(gw_dma_guest_left(e->dma) == 0);
}

static void other_plans_map_nothing_for_a_guest(void **state)
{
	const struct gw_dma_want want = { .size = PAGE };
	struct env *e = *state;
	struct gw_mapping m;
	struct gw_dma *dma;

	assert_int_equal(gw_dma_new(&e->fn, GW_PLAN_WINDOW, NULL, &dma), 0);
	assert_int_equal(gw_dma_guest_map(dma, &want, &m), -EPROTO);
	gw_dma_free(dma);
}

static void a_handle_is_not_used_again_soon(void **state)
{
	struct env *e = *state;
	uint64_t h = 0, was = 0;

	run(e, 0, 8, 0, RW, e->mem);
	for (unsigned int i = 0; i < 4000; i++) {
		assert_int_equal(map(e, 0, 1, &h), 0);
		assert_true(h && h != was);
		if (was)
			assert_int_equal(gw_dma_guest_unmap(e->dma, was), -ENOENT);
		assert_int_equal(gw_dma_guest_unmap(e->dma, h), 0);
		was = h;
	}
	assert_int_equal(gw_dma_guest_unmap(e->dma, h ^ 1ull << 32), -ESTALE);
}

static void a_release_in_steps_ends_in_a_new_generation(void **state)
{
	struct env *e = *state;
	struct gw_dma_usage u, then;
	unsigned int steps = 1;

	run(e, 0, 8, 0, RW, e->mem);
	for (unsigned int i = 0; i < 600; i++)
		assert_int_equal(map(e, 0, 1, NULL), 0);
	gw_dma_usage(e->dma, &u);
	assert_int_equal(gw_dma_guest_release(e->dma, 0), -EAGAIN);
	assert_int_equal(map(e, 0, 1, NULL), -EBUSY);
	while (gw_dma_guest_release(e->dma, 0) == -EAGAIN) {
		gw_dma_usage(e->dma, &then);
		assert_int_equal(then.generation, u.generation);
		steps++;
	}
	assert_in_range(steps, 10, 600);
	gw_dma_usage(e->dma, &then);
	assert_int_equal(then.generation, u.generation + 1);
	assert_int_equal(then.mapped.maps, 0);
	assert_int_equal(then.mapped.peak_maps, 600);
	assert_int_equal(map(e, 0, 1, NULL), 0);
}

static void a_handle_the_host_has_lost_counts_as_unmapped(void **state)
{
	static const int lost[] = { -ENODEV, -ENOENT };
	struct env *e = *state;
	struct gw_dma_usage u;
	uint64_t h = 0;

	run(e, 0, 8, 0, RW, e->mem);
	for (size_t i = 0; i < ARRAY_SIZE(lost); i++) {
		map(e, 0, 1, &h);
		e->fail_unmap = lost[i];
		assert_int_equal(gw_dma_guest_unmap(e->dma, h), 0);
		e->fail_unmap = 0;
	}
	gw_dma_usage(e->dma, &u);
	assert_int_equal(u.mapped.maps, 0);
	e->live = 0;
}

static void memory_is_found_where_it_is(void **state)
{
	struct env *e = *state;
	void *at = NULL;

	run(e, 0x10000, 2, 0, RW, e->mem);
	run(e, 0x12000, 2, 2, GW_PROT_READ, e->mem);
	assert_int_equal(gw_dma_find(e->dma, (gw_gpa){ 0x10007 }, 3, RW, &at), 0);
	assert_int_equal(pwrite(e->mem, "abc", 3, 7), 3);
	assert_memory_equal(at, "abc", 3);
	assert_int_equal(gw_dma_find(e->dma, (gw_gpa){ 0x11fff }, 2, GW_PROT_READ, &at), 0);
	assert_int_equal(gw_dma_find(e->dma, (gw_gpa){ 0x11fff }, 2, RW, &at), -EACCES);
	assert_int_equal(gw_dma_find(e->dma, (gw_gpa){ 0x13fff }, 2, GW_PROT_READ, &at), -EFAULT);
	assert_int_equal(gw_dma_find(e->dma, (gw_gpa){ 0x10000 }, 0, RW, &at), -EINVAL);
	assert_int_equal(gw_dma_find(e->dma, (gw_gpa){ UINT64_MAX }, 2, RW, &at), -EOVERFLOW);
	assert_int_equal(gw_dma_find(e->dma, (gw_gpa){ 0x10000 }, UINT64_MAX, RW, &at), -EOVERFLOW);
}

static void memory_of_this_process_is_mapped_where_it_is(void **state)
{
	const struct gw_dma_want want = { .gpa = { PAGE }, .size = 2 * PAGE };
	static uint8_t mem[4 * PAGE] __attribute__((aligned(PAGE)));
	struct gw_slice s = { .at.v = 0, .size = 2 * PAGE, .prot = RW, .addr = mem };
	struct env *e = *state;
	struct gw_mapping map;
	uint64_t bytes;

	assert_int_equal(gw_dma_map(e->dma, &s, -1), 0);
	s.at.v = 2 * PAGE;
	s.addr = mem + 2 * PAGE;
	assert_int_equal(gw_dma_map(e->dma, &s, -1), 0);
	assert_int_equal(gw_dma_guest_map(e->dma, &want, &map), 0);
	assert_ptr_equal(e->last, mem + PAGE);
	/* the mapping goes with either run, and a host that fails takes nobody down */
	e->fail_unmap = -EIO;
	assert_int_equal(gw_dma_unmap(e->dma, s.at, (gw_vmm_addr){ 4 * PAGE - 1 }, &bytes), -EIO);
	e->fail_unmap = 0;
	assert_int_equal(e->live, 1);
	assert_false(gw_dma_guest_live(e->dma, map.handle));
}

/* Move the files of the runs at @gpa[0] and @gpa[1] side by side, as the system may put them. */
static void put_side_by_side(struct env *e, const uint64_t gpa[2], size_t size)
{
	uint8_t *room = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(room, MAP_FAILED);
	for (unsigned int i = 0; i < 2; i++) {
		struct gw_run *r = gw_run_of(gw_imap_find(&e->dma->memory.runs, gpa[i]));
		uint8_t *to = room + i * size;

		assert_ptr_equal(r->addr, r->file->addr);
		assert_ptr_equal(mremap(r->addr, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to),
				 to);
		r->addr = r->file->addr = to;
	}
}

/* Whichever of the runs goes. */
static void files_of_one_mapping_are_kept_until_the_host_can_unmap_it(void **state)
{
	const uint64_t gpa[2] = { 0, 16 * PAGE };
	const size_t size = 16 * PAGE;
	const int low = file_of(size), high = file_of(size);
	struct env *e = *state;
	uint64_t bytes;
	uint8_t *at;

	run(e, gpa[0], 16, 0, RW, low);
	run(e, gpa[1], 16, 0, RW, high);
	put_side_by_side(e, gpa, size);
	assert_int_equal(map(e, 0, 32, NULL), 0);
	at = (uint8_t *)e->last;
	e->fail_unmap = -EIO;
	assert_int_equal(gw_dma_unmap(e->dma, (gw_vmm_addr){ 0 }, (gw_vmm_addr){ size - 1 },
				      &bytes), -EIO);
	gw_dma_unmap_all(e->dma);
	*(volatile uint8_t *)at = 1;
	*(volatile uint8_t *)(at + size) = 1;
	e->fail_unmap = 0;
	gw_dma_unmap_all(e->dma);
	assert_int_equal(e->live, 0);
	assert_int_equal(msync(at, PAGE, MS_ASYNC), -1);
	assert_int_equal(msync(at + size, PAGE, MS_ASYNC), -1);
	close(low);
	close(high);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_mapping_goes_over_runs_that_follow_each_other_in_the_file),
		T(only_what_lies_in_a_run_goes_with_it),
		T(memory_to_the_very_top_can_be_mapped),
		T(a_mapping_over_very_many_pieces_is_refused),
		T(what_the_vmm_ends_is_remembered_up_to_a_number),
		T(a_host_without_room_is_told_from_a_budget_that_is_used_up),
		T(other_plans_map_nothing_for_a_guest),
		T(a_handle_is_not_used_again_soon),
		T(a_release_in_steps_ends_in_a_new_generation),
		T(a_handle_the_host_has_lost_counts_as_unmapped),
		T(memory_is_found_where_it_is),
		T(memory_of_this_process_is_mapped_where_it_is),
		T(files_of_one_mapping_are_kept_until_the_host_can_unmap_it),
	};

	return cmocka_run_group_tests_name("dma_guest", tests, NULL, NULL);
}
