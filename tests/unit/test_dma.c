/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <gangway/dma.h>

#include "base/util.h"

/* A host that takes the caller's addresses and remembers what is mapped. */

#define MAX_MAPS	64
#define MiB		(1ull << 20)

struct fake {
	struct gw_function fn;
	struct { uint64_t iova, size, handle; const uint8_t *addr; bool ro, remote; } map[MAX_MAPS];
	unsigned int nr;
	uint64_t next;
	int fail_map, fail_unmap;
	unsigned int unmaps;		/* asked for */
	unsigned int split;		/* segments of a mapping whose address the host chooses */
};

static int fake_map(struct gw_function *fn, const struct gw_memory *mem, uint64_t size,
		    const gw_iova *want, struct gw_mapping *map)
{
	struct fake *f = container_of(fn, struct fake, fn);
	uint64_t iova = want ? want->v : 0x8000000000ull, part;

	if (f->fail_map)
		return f->fail_map;
	assert_true(f->nr < MAX_MAPS);
	map->handle = ++f->next;
	map->nr_segments = want ? 1 : f->split;
	/* uneven: the last range is the largest */
	part = size / (map->nr_segments + 1);
	for (unsigned int i = 0; i < map->nr_segments; i++) {
		map->seg[i].iova.v = iova;
		map->seg[i].size = i + 1 < map->nr_segments ? part :
				   size - part * (map->nr_segments - 1);
		iova += map->seg[i].size + 0x10000;
	}
	f->map[f->nr].iova = map->seg[0].iova.v;
	f->map[f->nr].size = size;
	f->map[f->nr].addr = mem->addr;
	f->map[f->nr].ro = mem->read_only;
	f->map[f->nr].remote = mem->remote != NULL;
	f->map[f->nr++].handle = map->handle;
	return 0;
}

static int fake_unmap(struct gw_function *fn, uint64_t handle)
{
	struct fake *f = container_of(fn, struct fake, fn);

	f->unmaps++;
	if (f->fail_unmap)
		return f->fail_unmap;
	for (unsigned int i = 0; i < f->nr; i++) {
		if (f->map[i].handle != handle)
			continue;
		f->map[i] = f->map[--f->nr];
		return 0;
	}
	return -ENOENT;
}

static const struct gw_function_ops fake_ops = { .dma_map = fake_map, .dma_unmap = fake_unmap };

struct env {
	struct fake fake;
	struct gw_dma *dma;
	int mem;
};

static int env_new(void **state, enum gw_plan plan)
{
	struct env *e = calloc(1, sizeof(*e));

	e->fake.fn.ops = &fake_ops;
	e->fake.split = 1;
	strcpy(e->fake.fn.info.name, "fake");
	e->fake.fn.limits = (struct gw_host_limits){ .granule = 4096, .max_bytes = 1024 * MiB,
		.max_maps = 16, .max_map_bytes = 1024 * MiB, .max_segments = 7, .caller_iova = true,
		.iova_last.v = UINT64_MAX };
	e->mem = memfd_create("mem", MFD_CLOEXEC);
	assert_int_equal(ftruncate(e->mem, 64 * MiB), 0);
	assert_int_equal(gw_dma_new(&e->fake.fn, plan, NULL, &e->dma), 0);
	*state = e;
	return 0;
}

static int setup_direct(void **state)
{
	return env_new(state, GW_PLAN_DIRECT);
}

static int setup_window(void **state)
{
	return env_new(state, GW_PLAN_WINDOW);
}

static int teardown(void **state)
{
	struct env *e = *state;

	e->fake.fail_unmap = 0;
	gw_dma_free(e->dma);
	assert_int_equal(e->fake.nr, 0);
	close(e->mem);
	free(e);
	return 0;
}

#define RW (GW_PROT_READ | GW_PROT_WRITE)

static int unmap(struct env *e, uint64_t first, uint64_t last, uint64_t *bytes)
{
	return gw_dma_unmap(e->dma, (gw_vmm_addr){ first }, (gw_vmm_addr){ last }, bytes);
}

static void map_may_end_at_the_top_but_not_wrap(void **state)
{
	struct env *e = *state;
	struct gw_slice s = { .at.v = 0 - 4096ull, .size = 8192, .prot = RW };

	assert_int_equal(gw_dma_map(e->dma, &s, e->mem), -EOVERFLOW);
	s.size = 4096;
	assert_int_equal(gw_dma_map(e->dma, &s, e->mem), 0);
	assert_int_equal(e->fake.nr, 1);
	assert_true(e->fake.map[0].iova == s.at.v);
}

static void bad_slices_are_refused_and_change_nothing(void **state)
{
	struct env *e = *state;
	static const struct { struct gw_slice s; int ret; } bad[] = {
		{ { .at.v = 0, .size = 0, .prot = RW }, -EINVAL },
		{ { .at.v = 1, .size = 4096, .prot = RW }, -EINVAL },
		{ { .at.v = 0, .size = 4097, .prot = RW }, -EINVAL },
		{ { .at.v = 0, .size = 4096, .off = 5, .prot = RW }, -EINVAL },
		{ { .at.v = 0, .size = 65 * MiB, .prot = RW }, -EINVAL },
		{ { .at.v = 0, .size = 4096, .off = 64 * MiB, .prot = RW }, -EINVAL },
		{ { .at.v = 0, .size = 8192, .off = 0 - 4096ull, .prot = RW }, -EOVERFLOW },
	};
	struct gw_dma_usage u;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(gw_dma_map(e->dma, &bad[i].s, e->mem), bad[i].ret);
	gw_dma_usage(e->dma, &u);
	assert_int_equal(u.runs, 0);
	assert_int_equal(u.mapped.total_maps, 0);
}

static void only_regular_files_hold_guest_memory(void **state)
{
	struct env *e = *state;
	struct gw_slice s = { .size = 4096, .prot = RW };
	int fds[2], ro;
	char path[64];

	gw_dma_any_memory(e->dma);	/* else neither is looked at */
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(gw_dma_map(e->dma, &s, fds[0]), -EINVAL);
	close(fds[0]);
	close(fds[1]);
	fds[0] = open("/dev/null", O_RDWR);
	assert_int_equal(gw_dma_map(e->dma, &s, fds[0]), -EINVAL);
	close(fds[0]);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", e->mem);
	ro = open(path, O_RDONLY);
	assert_true(ro >= 0);
	assert_int_equal(gw_dma_map(e->dma, &s, ro), -EACCES);
	s.prot = GW_PROT_READ;
	assert_int_equal(gw_dma_map(e->dma, &s, ro), 0);
	assert_true(e->fake.map[0].ro);
	close(ro);
}

static void memory_of_this_process_needs_no_file(void **state)
{
	static uint8_t mem[3 * 4096] __attribute__((aligned(4096)));
	struct gw_slice s = { .at.v = 16 * MiB, .size = 8192, .prot = RW, .addr = mem };
	struct env *e = *state;
	uint64_t bytes;
	void *addr;

	assert_int_equal(gw_dma_map(e->dma, &s, e->mem), -EINVAL);	/* where, then? */
	s.addr = mem + 8;
	assert_int_equal(gw_dma_map(e->dma, &s, -1), -EINVAL);
	s.addr = mem + 4096;
	assert_int_equal(gw_dma_map(e->dma, &s, -1), 0);
	assert_ptr_equal(e->fake.map[0].addr, mem + 4096);
	assert_int_equal(gw_dma_find(e->dma, (gw_gpa){ 16 * MiB + 8 }, 4, RW, &addr), 0);
	assert_ptr_equal(addr, mem + 4096 + 8);
	assert_int_equal(gw_dma_unmap(e->dma, s.at, (gw_vmm_addr){ UINT64_MAX }, &bytes), 0);
	assert_int_equal(bytes, 8192);
	assert_int_equal(e->fake.nr, 0);
}

static void overlap_is_refused(void **state)
{
	struct env *e = *state;
	struct gw_slice s = { .at.v = 16 * MiB, .size = MiB, .prot = RW };

	assert_int_equal(gw_dma_map(e->dma, &s, e->mem), 0);
	assert_int_equal(gw_dma_map(e->dma, &s, e->mem), -EEXIST);
	s.at.v += MiB - 4096;
	assert_int_equal(gw_dma_map(e->dma, &s, e->mem), -EEXIST);
	assert_int_equal(e->fake.nr, 1);
}

static void an_unmap_drops_what_is_inside_and_cuts_nothing(void **state)
{
	struct env *e = *state;
	struct gw_slice s = { .size = MiB, .prot = RW };
	uint64_t bytes;

	for (s.at.v = 0; s.at.v < 4 * MiB; s.at.v += MiB)
		assert_int_equal(gw_dma_map(e->dma, &s, e->mem), 0);
	/* cuts the first, or the last */
	assert_int_equal(unmap(e, 4096, 4 * MiB - 1, &bytes),
			 -EINVAL);
	assert_int_equal(unmap(e, 0, 4096, &bytes), -EINVAL);
	assert_int_equal(e->fake.nr, 4);
	/* a range larger than what it holds, as QEMU sends with a vIOMMU */
	assert_int_equal(unmap(e, MiB, 3 * MiB - 1, &bytes), 0);
	assert_int_equal(bytes, 2 * MiB);
	assert_int_equal(unmap(e, MiB, 3 * MiB - 1, &bytes), 0);
	assert_int_equal(bytes, 0);
	assert_int_equal(unmap(e, 0, UINT64_MAX, &bytes), 0);
	assert_int_equal(bytes, 2 * MiB);
	assert_int_equal(e->fake.nr, 0);
	assert_int_equal(unmap(e, 2, 1, &bytes), -EINVAL);
}

/* Firmware does this some twenty times; the file must not be mapped anew each time. */
static void remaps_of_one_file_reuse_its_mapping(void **state)
{
	struct env *e = *state;
	struct gw_slice s = { .size = 32 * MiB, .off = 4096, .prot = RW };
	const uint8_t *first = NULL;
	uint64_t bytes;

	for (int i = 0; i < 25; i++) {
		int again = fcntl(e->mem, F_DUPFD_CLOEXEC, 0);

		assert_int_equal(gw_dma_map(e->dma, &s, again), 0);
		close(again);
		if (!first)
			first = e->fake.map[0].addr;
		assert_ptr_equal(e->fake.map[0].addr, first);
		assert_int_equal(unmap(e, 0, UINT64_MAX, &bytes), 0);
	}
}

/* Each is a mapping of this process, and the kernel limits those. */
static void files_without_end_are_refused_at_a_bound(void **state)
{
	struct env *e = *state;
	struct gw_slice s = { .size = 4096, .prot = RW };
	unsigned int nr = 0;
	uint64_t bytes;
	int ret = 0, fd;

	for (; !ret && nr < 5000; nr += !ret, s.at.v += s.size) {
		fd = memfd_create("one of many", MFD_CLOEXEC);
		assert_int_equal(ftruncate(fd, 4096), 0);
		ret = gw_dma_map(e->dma, &s, fd);
		close(fd);
	}
	assert_int_equal(ret, -ENOSPC);
	assert_int_equal(nr, 1024);
	/* there is room again for whoever lets go of some */
	assert_int_equal(unmap(e, 0, 16 * 4096 - 1, &bytes), 0);
	assert_int_equal(gw_dma_map(e->dma, &s, e->mem), 0);
}

/* A sparse file costs its client nothing, and us as many addresses as it says it has bytes. */
static void files_beyond_all_measure_are_refused(void **state)
{
	struct env *e = *state;
	struct gw_slice s = { .size = 4096, .prot = RW };
	int fd[3];
	uint64_t bytes;

#ifdef __SANITIZE_THREAD__
	skip();		/* ThreadSanitizer leaves a process no room for files of terabytes */
#endif
	for (int i = 0; i < 3; i++) {
		fd[i] = memfd_create("sparse", MFD_CLOEXEC);
		assert_int_equal(ftruncate(fd[i], i ? 3ll << 40 : (4ll << 40) + 4096), 0);
	}
	assert_int_equal(gw_dma_map(e->dma, &s, fd[0]), -ENOSPC);
	assert_int_equal(gw_dma_map(e->dma, &s, fd[1]), 0);
	s.at.v = MiB;
	assert_int_equal(gw_dma_map(e->dma, &s, fd[2]), -ENOSPC);
	assert_int_equal(gw_dma_map(e->dma, &s, e->mem), 0);
	/* what is let go of counts no more, though its mapping was kept for the next user */
	assert_int_equal(unmap(e, 0, 4095, &bytes), 0);
	s.at.v = 0;
	assert_int_equal(gw_dma_map(e->dma, &s, fd[2]), 0);
	for (int i = 0; i < 3; i++)
		close(fd[i]);
}

static void memory_whose_owner_may_not_answer_is_taken_only_on_demand(void **state)
{
	struct env *e = *state;
	struct gw_slice s = { .size = 4096, .prot = GW_PROT_READ };
	int disk = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), ends[2];

	assert_true(disk >= 0);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(gw_dma_map(e->dma, &s, disk), -EACCES);
	assert_int_equal(gw_dma_map(e->dma, &s, ends[0]), -EACCES);
	gw_dma_any_memory(e->dma);
	assert_int_equal(gw_dma_map(e->dma, &s, disk), 0);
	s.at.v = MiB;
	assert_int_equal(gw_dma_map(e->dma, &s, ends[0]), -EINVAL);
	close(disk);
	close(ends[0]);
	close(ends[1]);
}

/* The device reaches the window's file, whatever the VMM uses. */
static void under_a_window_ram_is_the_file_made_for_it(void **state)
{
	struct env *e = *state;
	struct gw_ram ram;
	struct gw_slice s = { .at.v = 1024 * MiB, .size = 4 * MiB, .prot = RW };

	assert_int_equal(gw_ram_open(&ram, (gw_gpa){ 1024 * MiB }, 16 * MiB, NULL, NULL), 0);
	assert_int_equal(gw_ram_settle(&ram, 2 * MiB, NULL), 0);
	gw_dma_expect(e->dma, &ram);
	assert_int_equal(gw_dma_map(e->dma, &s, e->mem), -EACCES);
	assert_int_equal(gw_dma_map(e->dma, &s, -1), -EACCES);
	s.off = MiB;
	assert_int_equal(gw_dma_map(e->dma, &s, ram.fd), -EACCES);
	s.off = 2 * MiB;
	assert_int_equal(gw_dma_map(e->dma, &s, ram.fd), 0);
	s = (struct gw_slice){ .at.v = 1028 * MiB, .size = 4 * MiB, .off = 4 * MiB, .prot = RW };
	assert_int_equal(gw_dma_map(e->dma, &s, ram.fd), 0);	/* counted from where RAM begins */
	/* half in RAM */
	s = (struct gw_slice){ .at.v = 1038 * MiB, .size = 4 * MiB, .off = 16 * MiB, .prot = RW };
	assert_int_equal(gw_dma_map(e->dma, &s, ram.fd), -EACCES);
	assert_int_equal(gw_dma_map(e->dma, &s, -1), -EACCES);
	s = (struct gw_slice){ .at.v = 1020 * MiB, .size = 8 * MiB, .prot = RW };
	assert_int_equal(gw_dma_map(e->dma, &s, ram.fd), -EACCES);
	/* what is not RAM is anybody's */
	s = (struct gw_slice){ .at.v = 1040 * MiB, .size = 4 * MiB, .prot = RW };
	assert_int_equal(gw_dma_map(e->dma, &s, e->mem), 0);
	s = (struct gw_slice){ .at.v = 0, .size = 64 * MiB, .prot = RW };
	assert_int_equal(gw_dma_map(e->dma, &s, -1), 0);
	gw_dma_unmap_all(e->dma);
	gw_ram_close(&ram, false);
}

/* Of two backends QEMU counts from the start of each. What is found is the file's own place. */
static void ram_in_two_nodes_is_found_where_it_is(void **state)
{
	struct env *e = *state;
	struct gw_ram ram;
	struct gw_slice s = { .at.v = 1032 * MiB, .size = 8 * MiB, .off = 2 * MiB, .prot = RW };
	uint8_t *at;
	void *addr;

	assert_int_equal(gw_ram_open(&ram, (gw_gpa){ 1024 * MiB }, 16 * MiB, NULL, NULL), 0);
	assert_int_equal(gw_ram_settle(&ram, 2 * MiB, NULL), 0);
	ram.near = 8 * MiB;
	gw_dma_expect(e->dma, &ram);
	assert_int_equal(gw_dma_map(e->dma, &s, ram.fd), -EACCES);
	s.off = 0;
	assert_int_equal(gw_dma_map(e->dma, &s, ram.fd), 0);
	assert_int_equal(gw_dma_find(e->dma, (gw_gpa){ 1032 * MiB }, 1, GW_PROT_READ, &addr), 0);
	at = addr;
	*at = 42;
	assert_int_equal(ram.addr[(2 + 8) * MiB], 42);
	gw_dma_unmap_all(e->dma);
	gw_ram_close(&ram, false);
}

static void runs_without_end_are_refused_at_a_bound(void **state)
{
	struct env *e = *state;
	struct gw_slice s = { .size = 4096, .prot = RW };
	unsigned int nr = 0;
	int ret = 0;

	for (; !ret && nr < 70000; nr += !ret, s.at.v += s.size)
		ret = gw_dma_map(e->dma, &s, -1);
	assert_int_equal(ret, -ENOSPC);
	assert_int_equal(nr, 65536);
	gw_dma_unmap_all(e->dma);
	assert_int_equal(gw_dma_map(e->dma, &s, -1), 0);
}

static void the_budget_is_checked_before_the_host_is_asked(void **state)
{
	struct env *e = *state;
	struct gw_slice s = { .size = MiB, .prot = RW };
	uint64_t bytes;

	for (int i = 0; i < 16; i++, s.at.v += MiB)
		assert_int_equal(gw_dma_map(e->dma, &s, e->mem), 0);
	assert_int_equal(gw_dma_map(e->dma, &s, e->mem), -ENOSPC);
	assert_int_equal(e->fake.nr, 16);
	assert_int_equal(unmap(e, 0, MiB - 1, &bytes), 0);
	e->fake.fn.limits.max_bytes = 15 * MiB + 4096;
	assert_int_equal(gw_dma_map(e->dma, &s, e->mem), -ENOSPC);
	s.size = 4096;
	assert_int_equal(gw_dma_map(e->dma, &s, e->mem), 0);
}

static void memory_not_in_granules_is_refused(void **state)
{
	struct env *e = *state;
	struct gw_slice s = { .at.v = 4096, .size = 16384, .prot = RW };

	e->fake.fn.limits.granule = 16384;
	assert_int_equal(gw_dma_map(e->dma, &s, e->mem), -EINVAL);
	s.at.v = 0;
	assert_int_equal(gw_dma_map(e->dma, &s, e->mem), 0);
}

static void a_host_that_fails_leaves_nothing_behind(void **state)
{
	struct env *e = *state;
	struct gw_slice s = { .size = MiB, .prot = RW };
	struct gw_dma_usage u;

	e->fake.fail_map = -EIO;
	assert_int_equal(gw_dma_map(e->dma, &s, e->mem), -EIO);
	gw_dma_usage(e->dma, &u);
	assert_int_equal(u.runs, 0);
	assert_int_equal(u.mapped.maps, 0);
	e->fake.fail_map = 0;
	assert_int_equal(gw_dma_map(e->dma, &s, e->mem), 0);
}

/* The device may still reach it, so the addresses must not be given to anything else. */
static void memory_stays_mapped_here_until_the_host_can_unmap_it(void **state)
{
	struct env *e = *state;
	struct gw_slice s = { .size = MiB, .prot = RW };
	uint8_t *at;
	uint64_t bytes;

	assert_int_equal(gw_dma_map(e->dma, &s, e->mem), 0);
	at = (uint8_t *)e->fake.map[0].addr;
	e->fake.fail_unmap = -EIO;
	assert_int_equal(unmap(e, 0, MiB - 1, &bytes), -EIO);
	gw_dma_unmap_all(e->dma);
	*(volatile uint8_t *)at = 1;
	assert_int_equal(e->fake.nr, 1);
	e->fake.fail_unmap = 0;
	gw_dma_unmap_all(e->dma);
	assert_int_equal(e->fake.nr, 0);
	assert_int_equal(msync(at, MiB, MS_ASYNC), -1);
}

/* As QEMU does when a machine is reset: what could not be unmapped is there again. */
static void what_could_not_be_unmapped_can_be_mapped_where_it_was(void **state)
{
	struct env *e = *state;
	struct gw_slice s = { .size = MiB, .prot = RW };
	uint64_t bytes;

	assert_int_equal(gw_dma_map(e->dma, &s, e->mem), 0);
	e->fake.fail_unmap = -EIO;
	assert_int_equal(unmap(e, 0, MiB - 1, &bytes), -EIO);
	assert_int_equal(gw_dma_map(e->dma, &s, e->mem), 0);
	assert_int_equal(e->fake.nr, 1);
	e->fake.fail_unmap = 0;
	assert_int_equal(unmap(e, 0, MiB - 1, &bytes), 0);
	assert_int_equal(e->fake.nr, 0);
}

/* Each time it is asked may take as long as a device is waited for. */
static void a_device_that_does_not_answer_is_asked_once_by_a_map_whatever_it_holds(void **state)
{
	struct env *e = *state;
	struct gw_slice s = { .size = MiB, .prot = RW };
	uint64_t bytes;

	for (unsigned int i = 0; i < 3; i++, s.at.v += MiB, s.off += MiB)
		assert_int_equal(gw_dma_map(e->dma, &s, e->mem), 0);
	e->fake.fail_unmap = -ETIMEDOUT;
	assert_int_equal(unmap(e, 0, 3 * MiB - 1, &bytes), -ETIMEDOUT);
	e->fake.unmaps = 0;
	assert_int_equal(gw_dma_map(e->dma, &s, e->mem), 0);
	assert_int_equal(e->fake.unmaps, 1);
	e->fake.fail_unmap = 0;
	gw_dma_unmap_all(e->dma);
	assert_int_equal(e->fake.nr, 0);
}

static void memory_without_a_file_is_reached_through_the_remote(void **state)
{
	struct env *e = *state;
	struct gw_slice s = { .at.v = 16 * MiB, .size = 4096, .prot = GW_PROT_READ };
	struct gw_remote remote = { 0 };

	/* nothing to reach it with: known, and out of the device's reach */
	assert_int_equal(gw_dma_map(e->dma, &s, -1), 0);
	assert_int_equal(e->fake.nr, 0);
	gw_dma_unmap_all(e->dma);
	e->fake.fn.limits.remote = true;
	gw_dma_set_remote(e->dma, &remote);
	assert_int_equal(gw_dma_map(e->dma, &s, -1), 0);
	assert_int_equal(e->fake.nr, 1);
	assert_true(e->fake.map[0].remote && e->fake.map[0].ro);
}

static void under_window_runs_are_known_but_not_mapped(void **state)
{
	struct env *e = *state;
	struct gw_slice s = { .at.v = 1024 * MiB, .size = 64 * MiB, .prot = RW };
	struct gw_dma_usage u;

	assert_int_equal(gw_dma_map(e->dma, &s, e->mem), 0);
	gw_dma_usage(e->dma, &u);
	assert_int_equal(u.runs, 1);
	assert_int_equal(u.mapped.maps, 0);
	assert_int_equal(e->fake.nr, 0);
}

int main(void)
{
#define direct(name) cmocka_unit_test_setup_teardown(name, setup_direct, teardown)
	const struct CMUnitTest tests[] = {
		direct(map_may_end_at_the_top_but_not_wrap),
		direct(bad_slices_are_refused_and_change_nothing),
		direct(only_regular_files_hold_guest_memory),
		direct(memory_of_this_process_needs_no_file),
		direct(overlap_is_refused),
		direct(an_unmap_drops_what_is_inside_and_cuts_nothing),
		direct(remaps_of_one_file_reuse_its_mapping),
		direct(the_budget_is_checked_before_the_host_is_asked),
		direct(memory_not_in_granules_is_refused),
		direct(a_host_that_fails_leaves_nothing_behind),
		direct(memory_stays_mapped_here_until_the_host_can_unmap_it),
		direct(what_could_not_be_unmapped_can_be_mapped_where_it_was),
		direct(a_device_that_does_not_answer_is_asked_once_by_a_map_whatever_it_holds),
		direct(memory_without_a_file_is_reached_through_the_remote),
		cmocka_unit_test_setup_teardown(under_window_runs_are_known_but_not_mapped,
						setup_window, teardown),
		cmocka_unit_test_setup_teardown(files_without_end_are_refused_at_a_bound,
						setup_window, teardown),
		cmocka_unit_test_setup_teardown(files_beyond_all_measure_are_refused,
						setup_window, teardown),
		cmocka_unit_test_setup_teardown(memory_whose_owner_may_not_answer_is_taken_only_on_demand,
						setup_window, teardown),
		cmocka_unit_test_setup_teardown(under_a_window_ram_is_the_file_made_for_it,
						setup_window, teardown),
		cmocka_unit_test_setup_teardown(ram_in_two_nodes_is_found_where_it_is,
						setup_window, teardown),
		cmocka_unit_test_setup_teardown(runs_without_end_are_refused_at_a_bound,
						setup_window, teardown),
	};

	return cmocka_run_group_tests_name("dma", tests, NULL, NULL);
}
