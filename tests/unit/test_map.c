/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <linux/memfd.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/map.h"

static void a_file_is_mapped_at_a_large_multiple_and_all_else_let_go(void **state)
{
	int fd = memfd_create("file", MFD_CLOEXEC);
	void *addr;

	assert_int_equal(ftruncate(fd, 4096 + 7), 0);
	assert_int_equal(gw_map_file(fd, 4096 + 7, PROT_READ | PROT_WRITE, &addr), 0);
	assert_int_equal((uintptr_t)addr % GW_MAP_ALIGN, 0);
	memset(addr, 1, 4096 + 7);
	assert_int_equal(msync((char *)addr + 2 * 4096, 4096, MS_ASYNC), -1);	/* nothing there */
	munmap(addr, 4096 + 7);
	close(fd);
}

static void what_cannot_be_mapped_is_an_error(void **state)
{
	int fd = memfd_create("file", MFD_CLOEXEC), pipes[2];
	void *addr;

	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(gw_map_file(pipes[0], 4096, PROT_READ, &addr), -ENODEV);
	assert_int_equal(gw_map_file(fd, SIZE_MAX, PROT_READ, &addr), -ENOMEM);
	assert_int_equal(gw_map_file(fd, SIZE_MAX / 2, PROT_READ, &addr), -ENOMEM);
	close(pipes[0]);
	close(pipes[1]);
	close(fd);
}

/* The kernel looks at the address first, and then whether there are such pages. */
static void huge_pages_of_any_size_are_mapped_if_there_are_any(void **state)
{
	static const struct { unsigned int flag; size_t size; } kind[] = {
		{ MFD_HUGE_2MB, 2u << 20 }, { MFD_HUGE_1GB, 1u << 30 },
	};

	for (unsigned int i = 0; i < 2; i++) {
		int fd = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB | kind[i].flag), ret;
		void *addr;

		if (fd < 0)
			continue;	/* not on this processor */
		assert_int_equal(ftruncate(fd, (off_t)kind[i].size), 0);
		ret = gw_map_file(fd, kind[i].size, PROT_READ | PROT_WRITE, &addr);
		assert_true(!ret || ret == -ENOMEM);
		if (!ret) {
			assert_int_equal((uintptr_t)addr % kind[i].size, 0);
			munmap(addr, kind[i].size);
		}
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_mapped_at_a_large_multiple_and_all_else_let_go),
		cmocka_unit_test(what_cannot_be_mapped_is_an_error),
		cmocka_unit_test(huge_pages_of_any_size_are_mapped_if_there_are_any),
	};

	return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
