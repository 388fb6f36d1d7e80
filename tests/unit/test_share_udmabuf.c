/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <gangway/share.h>

/* A dma-buf of some pages of a memory file, where the kernel makes such. */

#define PAGE	4096u

static int memory(void)
{
	int fd = memfd_create("memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 4 * PAGE), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	return fd;
}

static void ranges_that_are_refused(void **state)
{
	struct gw_file_ranges r;
	int mem = memory(), fd;

	gw_file_ranges_init(&r, GW_RANGES_EXTENTS, 4);
	assert_int_equal(gw_share_udmabuf(mem, &r, &fd), -EINVAL);
	assert_int_equal(gw_file_ranges_add(&r, (gw_file_off){ 0 }, PAGE + 1), 0);
	assert_int_equal(gw_share_udmabuf(mem, &r, &fd), -EINVAL);
	gw_file_ranges_fini(&r);
	close(mem);
}

/* Just those pages, in that order: whoever has it has nothing else of the file. */
static void it_has_just_those_pages(void **state)
{
	struct gw_file_ranges r;
	int mem = memory(), fd, ret;
	char *at;

	gw_file_ranges_init(&r, GW_RANGES_EXTENTS, 4);
	assert_int_equal(gw_file_ranges_add(&r, (gw_file_off){ 3 * PAGE }, PAGE), 0);
	assert_int_equal(gw_file_ranges_add(&r, (gw_file_off){ PAGE }, PAGE), 0);
	assert_int_equal(pwrite(mem, "one", 4, PAGE), 4);
	assert_int_equal(pwrite(mem, "three", 6, 3 * PAGE), 6);
	ret = gw_share_udmabuf(mem, &r, &fd);
	gw_file_ranges_fini(&r);
	close(mem);
	if (ret == -EOPNOTSUPP) {
		print_message("skipped: no /dev/udmabuf here\n");
		skip();
	}
	assert_int_equal(ret, 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), 2 * PAGE);
	at = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(at != MAP_FAILED);
	assert_string_equal(at, "three");
	assert_string_equal(at + PAGE, "one");
	munmap(at, 2 * PAGE);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_that_are_refused),
		cmocka_unit_test(it_has_just_those_pages),
	};

	return cmocka_run_group_tests_name("share udmabuf", tests, NULL, NULL);
}
