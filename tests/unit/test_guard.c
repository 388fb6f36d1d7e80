/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/guard.h"

static void a_copy_moves_the_bytes(void **state)
{
	char a[100], b[100] = { 0 };

	memset(a, 0x5a, sizeof(a));
	assert_int_equal(gw_guard_copy(b, a, sizeof(a)), 0);
	assert_memory_equal(a, b, sizeof(a));
}

/* The file shrinks while it is mapped: an error each time, in both directions, and no signal. */
static void memory_that_shrank_is_an_error(void **state)
{
	int fd = memfd_create("shrinks", MFD_CLOEXEC);
	char buf[64] = { 0 };
	uint64_t reg;
	uint32_t v;
	char *p;

	gw_guard_install();	/* the test runner takes SIGBUS over before each test */
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 8192), 0);
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(gw_guard_copy(buf, p + 4096, sizeof(buf)), 0);
	assert_int_equal(ftruncate(fd, 4096), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(gw_guard_copy(buf, p + 4096, sizeof(buf)), -EFAULT);
		assert_int_equal(gw_guard_copy(p + 4096, buf, sizeof(buf)), -EFAULT);
		assert_int_equal(gw_guard_load32((uint32_t *)(p + 4096), &v), -EFAULT);
		assert_int_equal(gw_guard_store32((uint32_t *)(p + 4096), 1), -EFAULT);
		for (unsigned int width = 1; width <= 8; width *= 2) {
			assert_int_equal(gw_guard_reg_read(p + 4096, width, &reg), -EFAULT);
			assert_int_equal(gw_guard_reg_write(p + 4096, width, 1), -EFAULT);
		}
		assert_int_equal(gw_guard_copy(buf, p, sizeof(buf)), 0);
	}
	assert_int_equal(gw_guard_store32((uint32_t *)p, 77), 0);
	assert_int_equal(gw_guard_load32((uint32_t *)p, &v), 0);
	assert_int_equal(v, 77);
	munmap(p, 8192);
	close(fd);
}

static void a_register_access_touches_its_width_only(void **state)
{
	_Alignas(8) uint8_t mem[16];
	uint64_t v;

	for (unsigned int width = 1; width <= 8; width *= 2) {
		memset(mem, 0xaa, sizeof(mem));
		assert_int_equal(gw_guard_reg_write(mem, width, 0x8877665544332211), 0);
		assert_int_equal(mem[width - 1], 0x11 * width);
		assert_int_equal(mem[width], 0xaa);
		assert_int_equal(gw_guard_reg_read(mem, width, &v), 0);
		assert_true(v == 0x8877665544332211 << (64 - 8 * width) >> (64 - 8 * width));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_copy_moves_the_bytes),
		cmocka_unit_test(memory_that_shrank_is_an_error),
		cmocka_unit_test(a_register_access_touches_its_width_only),
	};

	return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}
