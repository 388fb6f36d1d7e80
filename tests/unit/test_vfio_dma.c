/* SPDX-License-Identifier: BSD-3-Clause */
/* What a function may reach, where, and how much of it. */
#include "vfio_rig.h"

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/vfio/host.h"

static int setup_hiding(void **state)
{
	return setup(state, true);
}

static void limits_are_the_kernels(void **state)
{
	struct rig *r = *state;

	assert_int_equal(r->f->limits.granule, PAGE);
	assert_int_equal(r->f->limits.max_maps, FAKE_MAPS);
	assert_true(r->f->limits.caller_iova);
	assert_true(r->f->limits.iova_last.v == (1ull << 39) - 1);
}

static void maps_are_checked_before_the_kernel_sees_them(void **state)
{
	struct rig *r = *state;
	struct gw_mapping m, other;

	assert_int_equal(map(r, 0, 0xfee00000, 1, &m), -EADDRNOTAVAIL);
	assert_true(fake_logged("the platform keeps 0xfee00000"));
	assert_int_equal(map(r, 0, 0xfedff000, 2, &m), -EADDRNOTAVAIL);
	assert_int_equal(map(r, 0, 1ull << 39, 1, &m), -EADDRNOTAVAIL);
	assert_int_equal(map(r, 0, -(uint64_t)PAGE, 2, &m), -EINVAL);
	assert_int_equal(map(r, 0, 0x1800, 1, &m), -EINVAL);
	assert_int_equal(map(r, 0, 0x1000, 0, &m), -EINVAL);
	assert_int_equal(fake.maps_ever, 0);

	assert_int_equal(map(r, 0, 0x10000, 4, &m), 0);
	assert_true(m.nr_segments == 1 && m.seg[0].iova.v == 0x10000 && m.seg[0].size == 4 * PAGE);
	assert_true(fake.map[0].vaddr == (uintptr_t)r->mem && fake.map[0].write);
	assert_int_equal(map(r, 0, 0x10000, 4, &other), -EEXIST);
	assert_int_equal(map(r, 8, 0x13000, 4, &other), -EEXIST);
	assert_int_equal(r->f->ops->dma_unmap(r->f, m.handle + 1), -ENOENT);
	assert_int_equal(unmap(r, &m), 0);
	assert_int_equal(unmap(r, &m), -ENOENT);

	/* an old handle does not end a mapping that came to the same address */
	assert_int_equal(map(r, 0, 0x10000, 4, &other), 0);
	assert_int_equal(unmap(r, &m), -ENOENT);
	assert_int_equal(fake.nr_maps, 1);
}

static void the_kernels_refusals_are_handed_on(void **state)
{
	struct rig *r = *state;
	struct gw_mapping m;

	fake.fail_map = -ENOMEM;
	assert_int_equal(map(r, 0, 0x10000, 1, &m), -ENOMEM);
	fake.fail_map = -EFAULT;
	assert_int_equal(map(r, 0, 0x10000, 1, &m), -EFAULT);
	fake.fail_map = 0;
	assert_int_equal(map(r, 0, 0x10000, 1, &m), 0);
	fake.fail_unmap = -EIO;
	assert_int_equal(unmap(r, &m), -EIO);
	fake.fail_unmap = 0;
	/* still known: the address is not given out again */
	assert_int_equal(map(r, 1, 0x10000, 1, &m), -EEXIST);
	fake.nr_maps = 0;
}

static void a_host_that_hides_chooses_far_from_guest_memory(void **state)
{
	struct rig *r = *state;
	struct gw_memory mem;
	struct gw_mapping m[8];

	assert_false(r->f->limits.caller_iova);
	assert_int_equal(map(r, 0, 0x10000, 1, &m[0]), -EOPNOTSUPP);
	for (unsigned int i = 0; i < 8; i++) {
		mem = (struct gw_memory){ .addr = r->mem + i * PAGE };
		assert_int_equal(r->f->ops->dma_map(r->f, &mem, PAGE, NULL, &m[i]), 0);
		assert_true(m[i].seg[0].iova.v >= 1ull << 38);
		assert_true(!i || m[i].seg[0].iova.v >= m[i - 1].seg[0].iova.v + 2 * PAGE);
	}
	for (unsigned int i = 0; i < 8; i++)
		assert_int_equal(unmap(r, &m[i]), 0);
}

static int map_below(struct rig *r, unsigned int page, unsigned int pages, uint64_t last,
		     struct gw_mapping *m)
{
	struct gw_memory mem = { .addr = r->mem + page * PAGE, .last = { last } };

	return r->f->ops->dma_map(r->f, &mem, pages * PAGE, NULL, m);
}

/* Devices put out 32, 36 or 44 bits; what the host would choose itself is above the first two. */
static void a_host_that_hides_keeps_to_what_a_device_puts_out(void **state)
{
	static const uint64_t mask[] = { UINT32_MAX, (1ull << 36) - 1, (1ull << 44) - 1, 0xffff };
	struct rig *r = *state;
	struct gw_mapping m[12];
	uint64_t at;

	assert_true(r->f->limits.places);
	for (unsigned int i = 0; i < 12; i++) {
		assert_int_equal(map_below(r, i, 1, mask[i % 4], &m[i]), 0);
		at = m[i].seg[0].iova.v;
		assert_true(at && at + PAGE - 1 <= mask[i % 4]);
		for (unsigned int j = 0; j < i; j++)
			assert_true(at != m[j].seg[0].iova.v);
	}
	/* and says so where it cannot */
	at = r->f->limits.iova_first.v + 2 * PAGE - 1;
	assert_int_equal(map_below(r, 12, 4, at, &m[0]), -ERANGE);
	for (unsigned int i = 1; i < 12; i++)
		assert_int_equal(unmap(r, &m[i]), 0);
}

static void functions_share_what_the_process_may_lock(void **state)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct was[2], caps[2];
	struct rlimit limit, small;
	struct rig *r = *state;
	struct gw_mapping m;

	assert_int_equal(syscall(SYS_capget, &head, was), 0);
	getrlimit(RLIMIT_MEMLOCK, &limit);
	memcpy(caps, was, sizeof(caps));
	caps[0].effective &= ~(1u << CAP_IPC_LOCK);
	small = (struct rlimit){ .rlim_cur = 8 * PAGE, .rlim_max = limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &small), 0);
	assert_int_equal(syscall(SYS_capset, &head, caps), 0);
	assert_true(r->f->ops->room(r->f) == 8 * PAGE);
	assert_int_equal(map_below(r, 0, 3, 0, &m), 0);
	assert_true(r->f->ops->room(r->f) == 5 * PAGE);
	assert_int_equal(unmap(r, &m), 0);
	assert_true(r->f->ops->room(r->f) == 8 * PAGE);
	assert_int_equal(syscall(SYS_capset, &head, was), 0);
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
}

static struct gw_function *function_with(uint64_t max_bytes, uint64_t max_maps, struct gw_host **host)
{
	const struct gw_vfio_options opt = { .tree = fake.tree, .max_bytes = max_bytes,
					     .max_maps = max_maps };
	struct gw_function *f;

	assert_int_equal(gw_vfio_host_new(&opt, &fake.sink, host), 0);
	assert_int_equal((*host)->ops->open(*host, "01:00.0", &f), 0);
	return f;
}

static int map_pages(struct gw_function *f, char *mem, uint64_t iova, unsigned int pages,
		     struct gw_mapping *m)
{
	const struct gw_memory memory = { .addr = mem };
	const gw_iova want = { iova };

	return gw_function_map(f, &memory, pages * PAGE, &want, m);
}

static void a_function_keeps_to_its_budget(void **state)
{
	char *mem = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct gw_mapping m[3];
	struct gw_host *host;
	struct gw_function *f = function_with(4 * PAGE, 2, &host);

	assert_int_equal(map_pages(f, mem, 0, 5, &m[0]), -E2BIG);
	assert_int_equal(map_pages(f, mem, 0, 3, &m[0]), 0);
	assert_int_equal(map_pages(f, mem, 0x10000, 2, &m[1]), -ENOSPC);
	assert_int_equal(map_pages(f, mem, 0x10000, 1, &m[1]), 0);
	assert_int_equal(gw_function_unmap(f, m[0].handle, 3 * PAGE), 0);
	assert_int_equal(map_pages(f, mem, 0, 1, &m[0]), 0);
	assert_int_equal(map_pages(f, mem, 0x20000, 1, &m[2]), -ENOSPC);
	f->ops->close(f);
	host->ops->free(host);
	/* nobody has said how much, and the process may lock all there is: less than that */
	f = function_with(0, 0, &host);
	assert_int_equal(f->limits.max_maps, FAKE_MAPS);
	assert_true(f->limits.max_bytes <= (uint64_t)sysconf(_SC_PHYS_PAGES) * PAGE);
	f->ops->close(f);
	host->ops->free(host);
	munmap(mem, 8 * PAGE);
}

static void what_all_functions_have_locked_is_counted_before_the_kernel_does(void **state)
{
	char *mem = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct gw_mapping m[2], more;
	struct gw_vfio_host *vfio;
	struct gw_function *f[2];
	struct gw_host *host;

	f[0] = function_with(0, 0, &host);
	vfio = container_of(host, struct gw_vfio_host, base);
	vfio->spaces.locked.limit = 6 * PAGE;
	assert_int_equal(host->ops->open(host, "02:00.0", &f[1]), 0);
	assert_int_equal(map_pages(f[0], mem, 0, 4, &m[0]), 0);
	/* the kernel would have to be asked too */
	assert_int_equal(map_pages(f[1], mem, 0x100000, 4, &m[1]), -ENOSPC);
	assert_true(fake_logged("all functions here have"));
	assert_int_equal(map_pages(f[1], mem, 0x100000, 2, &m[1]), 0);
	fake.fail_map = -EFAULT;
	assert_int_equal(gw_function_unmap(f[0], m[0].handle, 4 * PAGE), 0);
	assert_int_equal(map_pages(f[0], mem, 0, 4, &m[0]), -EFAULT);
	fake.fail_map = 0;
	assert_int_equal(map_pages(f[0], mem, 0, 4, &m[0]), 0);
	f[0]->ops->close(f[0]);
	assert_int_equal(map_pages(f[1], mem, 0x200000, 4, &more), 0);
	f[1]->ops->close(f[1]);
	assert_true(atomic_load(&vfio->spaces.locked.bytes) == 0);
	host->ops->free(host);
	munmap(mem, 8 * PAGE);
}

#define HIDING(f) cmocka_unit_test_setup_teardown(f, setup_hiding, teardown_open)

int main(void)
{
	const struct CMUnitTest tests[] = {
		OPEN(limits_are_the_kernels),
		OPEN(maps_are_checked_before_the_kernel_sees_them),
		OPEN(the_kernels_refusals_are_handed_on),
		HIDING(a_host_that_hides_chooses_far_from_guest_memory),
		HIDING(a_host_that_hides_keeps_to_what_a_device_puts_out),
		HIDING(functions_share_what_the_process_may_lock),
		TEST(a_function_keeps_to_its_budget),
		TEST(what_all_functions_have_locked_is_counted_before_the_kernel_does),
	};

	return cmocka_run_group_tests_name("vfio_dma", tests, NULL, NULL);
}
