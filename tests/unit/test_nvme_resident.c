/* SPDX-License-Identifier: BSD-3-Clause */
#include "nvme_rig.h"
#include "devices/nvme/resident.h"

#define MIB		(UINT64_C(1) << 20)
#define PART		(32 * MIB)

static const size_t lens[] = { 512, 4096, 33 << 10, NVME_MAX_TRANSFER - 512, NVME_MAX_TRANSFER };

/* A file in memory: what was never written is a hole, which no page cache has. */
static struct nvme_backing file_make(uint64_t size)
{
	struct nvme_backing b = { .fd = memfd_create("backing", MFD_CLOEXEC), .size = size };

	assert_true(b.fd >= 0);
	assert_int_equal(ftruncate(b.fd, (off_t)size), 0);
	return b;
}

static uint8_t *bytes_at(uint64_t off, size_t len)
{
	uint8_t *bytes = malloc(len);

	assert_non_null(bytes);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)((off + i) * 2654435761u >> 13);
	return bytes;
}

static void file_fill(struct nvme_backing *b, uint64_t off, size_t len)
{
	uint8_t *bytes = bytes_at(off, len);

	assert_int_equal(pwrite(b->fd, bytes, len, (off_t)off), len);
	free(bytes);
}

static bool file_read(struct nvme_backing *b, uint64_t off, uint8_t *buf, size_t len)
{
	/* in pieces, no two of a size */
	size_t first = len / 8, second = len / 3;
	struct iovec iov[] = {
		{ buf, first }, { buf + first, second },
		{ buf + first + second, len - first - second },
	};

	return gw_nvme_resident_read(b, off, iov, (uint32_t)len);
}

static void expect_bytes(struct nvme_backing *b, uint64_t off, size_t len)
{
	uint8_t *bytes = bytes_at(off, len), *buf = malloc(len + 1);

	assert_non_null(buf);
	buf[len] = 0xa5;
	assert_true(file_read(b, off, buf, len));
	assert_memory_equal(buf, bytes, len);
	assert_int_equal(buf[len], 0xa5);
	free(buf);
	free(bytes);
}

static void expect_refused(struct nvme_backing *b, uint64_t off, size_t len)
{
	uint8_t *buf = malloc(len);

	assert_non_null(buf);
	assert_false(file_read(b, off, buf, len));
	free(buf);
}

static void file_drop(struct nvme_backing *b)
{
	gw_nvme_backing_close(b);
	assert_int_equal(b->fd, -1);
}

static void what_is_there_is_read(void **state)
{
	struct nvme_backing b = file_make(3 * PART + 12 * 512);
	static const uint64_t offs[] = { 0, 512, 4096, 3 * MIB + 512 };

	for (unsigned int part = 0; part < 2; part++)
		file_fill(&b, part * PART, 5 * MIB);
	for (unsigned int i = 0; i < ARRAY_SIZE(lens); i++)
		for (unsigned int j = 0; j < ARRAY_SIZE(offs); j++)
			for (unsigned int part = 0; part < 2; part++)
				expect_bytes(&b, part * PART + offs[j], lens[i]);
	/* the last part is short, and its last page, too */
	file_fill(&b, 3 * PART - MIB, MIB + 12 * 512);
	expect_bytes(&b, 3 * PART - 64 * 512, 64 * 512);
	expect_refused(&b, 3 * PART - 64 * 512, 76 * 512);
	file_drop(&b);
}

static void what_was_written_since_is_seen(void **state)
{
	struct nvme_backing b = file_make(MIB);
	uint8_t buf[64 << 10], zeros[64 << 10] = { 0 };

	file_fill(&b, 0, MIB);
	expect_bytes(&b, 0, sizeof(buf));
	assert_int_equal(pwrite(b.fd, zeros, sizeof(zeros), 0), sizeof(zeros));
	assert_true(file_read(&b, 0, buf, sizeof(buf)));
	assert_memory_equal(buf, zeros, sizeof(buf));
	file_drop(&b);
}

static void what_is_not_there_is_left_alone(void **state)
{
	struct nvme_backing b = file_make(2 * MIB);
	struct stat before, after;

	file_fill(&b, 0, 512 << 10);
	file_fill(&b, (512 << 10) + 4096, 4096);
	assert_int_equal(fstat(b.fd, &before), 0);
	expect_refused(&b, MIB, 64 << 10);
	/* one page is not */
	expect_refused(&b, (512 << 10) - (28 << 10), 32 << 10);
	expect_refused(&b, (512 << 10) - (28 << 10), (28 << 10) + 8192);
	expect_bytes(&b, (512 << 10) - (32 << 10), 32 << 10);
	assert_int_equal(fstat(b.fd, &after), 0);
	assert_int_equal(after.st_blocks, before.st_blocks);
	file_drop(&b);
}

static void what_is_in_two_parts_is_left_to_others(void **state)
{
	struct nvme_backing b = file_make(2 * PART);

	file_fill(&b, PART - MIB, 2 * MIB);
	expect_refused(&b, PART - (32 << 10), (32 << 10) + 512);
	expect_bytes(&b, PART - (32 << 10), 32 << 10);
	file_drop(&b);
}

static void what_cannot_be_mapped_is_left_to_others(void **state)
{
	struct nvme_backing b = { .fd = eventfd(0, EFD_CLOEXEC), .size = MIB };

	assert_true(b.fd >= 0);
	expect_refused(&b, 0, 64 << 10);
	expect_refused(&b, 0, 64 << 10);
	file_drop(&b);
}

static void a_file_that_shrank_is_survived(void **state)
{
	struct nvme_backing b = file_make(MIB);

	file_fill(&b, 0, MIB);
	expect_bytes(&b, 0, MIB / 2);
	assert_int_equal(ftruncate(b.fd, 64 << 10), 0);
	expect_refused(&b, 0, MIB / 2);
	expect_bytes(&b, 0, 64 << 10);
	assert_int_equal(ftruncate(b.fd, MIB), 0);
	expect_refused(&b, 0, MIB / 2);
	file_drop(&b);
}

static void memory_that_shrank_is_survived(void **state)
{
	struct nvme_backing b = file_make(MIB), guest = file_make(128 << 10);
	uint8_t *buf = mmap(NULL, 128 << 10, PROT_READ | PROT_WRITE, MAP_SHARED, guest.fd, 0);

	assert_ptr_not_equal(buf, MAP_FAILED);
	gw_guard_install();	/* cmocka takes SIGBUS for itself */
	file_fill(&b, 0, MIB);
	assert_true(file_read(&b, 0, buf, 128 << 10));
	assert_int_equal(ftruncate(guest.fd, 64 << 10), 0);
	assert_false(file_read(&b, 0, buf, 128 << 10));
	assert_true(file_read(&b, 0, buf, 64 << 10));
	munmap(buf, 128 << 10);
	file_drop(&guest);
	file_drop(&b);
}

/* How much of our address space is a mapping of the file? */
static uint64_t bytes_mapped(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long long start, end;
	uint64_t sum = 0;
	char line[512];

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		if (strstr(line, "/memfd:backing") && sscanf(line, "%llx-%llx", &start, &end) == 2)
			sum += end - start;
	fclose(maps);
	return sum;
}

static void a_large_file_is_mapped_by_parts(void **state)
{
	const unsigned int parts = 2 * NVME_BACKING_PARTS + 1;
	struct nvme_backing b = file_make(parts * PART);

	for (unsigned int i = 0; i < parts; i++) {
		file_fill(&b, i * PART, NVME_MAX_TRANSFER);
		/* there is room, or it is worth it: a stream */
		expect_bytes(&b, i * PART, NVME_MAX_TRANSFER);
		expect_bytes(&b, i * PART + MIB / 2, 4096);
		assert_true(bytes_mapped() <= NVME_BACKING_PARTS * PART);
	}
	assert_int_equal(bytes_mapped(), NVME_BACKING_PARTS * PART);
	file_drop(&b);
	assert_int_equal(bytes_mapped(), 0);
}

static void reads_all_over_a_large_file_leave_what_is_mapped(void **state)
{
	const uint64_t other = NVME_BACKING_PARTS * PART, third = 2 * other;
	struct nvme_backing b = file_make(third + PART);

	file_fill(&b, 0, 4096);
	file_fill(&b, other, 4096);
	file_fill(&b, third, 4096);
	for (unsigned int i = 0; i < 2 * MIB / 4096; i++) {
		expect_bytes(&b, 0, 4096);
		expect_refused(&b, other, 4096);
		expect_refused(&b, third, 4096);
	}
	/* one that is wanted again and again takes the place over */
	for (unsigned int i = 0; i < MIB / 4096 - 1; i++)
		expect_refused(&b, other, 4096);
	expect_bytes(&b, other, 4096);
	expect_refused(&b, 0, 4096);
	file_drop(&b);
}

/* A read of @blocks to RIG_DATA, whose list of pages lies before it. */
static struct nvme_sqe large_read(struct rig *r, uint64_t slba, uint32_t blocks)
{
	struct nvme_sqe e = rig_rw(NVME_IO_READ, slba, blocks, RIG_DATA);
	uint64_t list[512];

	for (unsigned int i = 0; i < ARRAY_SIZE(list); i++)
		list[i] = rig_iova(RIG_DATA + 4096 * (i + 1)).v;
	memcpy(r->bus.mem + RIG_DATA - 4096, list, sizeof(list));
	e.prp2 = rig_iova(RIG_DATA - 4096).v;
	return e;
}

static void a_command_reads_what_is_there_and_what_is_not(void **state)
{
	struct rig *r = rig_ready("size=4M");
	uint8_t *bytes = bytes_at(0, MIB), *zeros = calloc(1, MIB);
	int fd = open(r->path, O_RDWR | O_CLOEXEC);

	assert_non_null(zeros);
	assert_true(fd >= 0);
	gw_guard_install();	/* cmocka takes SIGBUS for itself */
	assert_int_equal(pwrite(fd, bytes, MIB, 0), MIB);
	rig_expect(r, 1, large_read(r, 0, 2048), NVME_OK);
	assert_memory_equal(r->bus.mem + RIG_DATA, bytes, MIB);
	rig_expect(r, 1, large_read(r, 4096, 2048), NVME_OK);
	assert_memory_equal(r->bus.mem + RIG_DATA, zeros, MIB);
	assert_int_equal(truncate(r->path, MIB / 2), 0);
	rig_expect(r, 1, large_read(r, 0, 2048), NVME_READ_ERROR);
	rig_expect(r, 1, large_read(r, 0, 1024), NVME_OK);
	assert_memory_equal(r->bus.mem + RIG_DATA, bytes, MIB / 2);
	close(fd);
	free(zeros);
	free(bytes);
	rig_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_there_is_read),
		cmocka_unit_test(what_was_written_since_is_seen),
		cmocka_unit_test(what_is_not_there_is_left_alone),
		cmocka_unit_test(what_is_in_two_parts_is_left_to_others),
		cmocka_unit_test(what_cannot_be_mapped_is_left_to_others),
		cmocka_unit_test(a_file_that_shrank_is_survived),
		cmocka_unit_test(memory_that_shrank_is_survived),
		cmocka_unit_test(a_large_file_is_mapped_by_parts),
		cmocka_unit_test(reads_all_over_a_large_file_leave_what_is_mapped),
		cmocka_unit_test(a_command_reads_what_is_there_and_what_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
