/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gangway/acpi.h>

#include "base/util.h"

#include "fds.h"

/* Tables are read here as the specification says they are read, not as they were written. */

#define MiB	(1ull << 20)

static const struct gw_window window = { .gpa.v = 0x40000000, .iova.v = 0x8ebdd64000,
					 .size = 1024 * MiB, .ram.size = 2048 * MiB };

static uint64_t get(const uint8_t *p, unsigned int bytes)
{
	uint64_t v = 0;

	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

static void assert_table(const uint8_t *t, size_t size, const char *signature)
{
	uint8_t sum = 0;

	assert_memory_equal(t, signature, 4);
	assert_int_equal(get(t + 4, 4), size);
	for (size_t i = 0; i < size; i++)
		sum = (uint8_t)(sum + t[i]);
	assert_int_equal(sum, 0);
}

/* A package (ACPI 6.5, 20.2.4): @p is moved behind its length. Return: where it ends */
static const uint8_t *package(const uint8_t **p)
{
	const uint8_t *start = *p;
	unsigned int more = *start >> 6;
	size_t length = more ? *start & 0xf : *start & 0x3f;

	for (unsigned int i = 1; i <= more; i++)
		length |= (size_t)start[i] << (8 * i - 4);
	*p = start + 1 + more;
	return start + length;
}

static void the_ssdt_says_where_the_window_is(void **state)
{
	uint8_t table[GW_ACPI_TABLE];
	size_t size = gw_acpi_ssdt(&window, table);
	const uint8_t *p = table + 36, *end = table + size, *inner;

	assert_table(table, size, "SSDT");
	assert_int_equal(*p++, 0x10);		/* Scope */
	inner = package(&p);
	assert_ptr_equal(inner, end);
	assert_memory_equal(p, "\\._SB_PCI0", 10);
	p += 10;
	assert_int_equal(*p++, 0x08);		/* Name */
	assert_memory_equal(p, "_DMA", 4);
	p += 4;
	assert_int_equal(*p++, 0x11);		/* Buffer */
	inner = package(&p);
	assert_ptr_equal(inner, end);
	assert_int_equal(*p++, 0x0a);
	assert_int_equal(*p, end - p - 1);
	p++;
	/* QWord address space descriptor (6.4.3.5.1) */
	assert_int_equal(p[0], 0x8a);
	assert_int_equal(get(p + 1, 2), 0x2b);
	assert_int_equal(p[3], 0);		/* memory */
	assert_int_equal(p[4] & 1, 0);		/* of a producer */
	assert_int_equal(p[5] & 1, 1);		/* read-write */
	assert_true(get(p + 14, 8) == window.iova.v);
	assert_true(get(p + 22, 8) == window.iova.v + window.size - 1);
	assert_true(get(p + 14, 8) + get(p + 30, 8) == window.gpa.v);
	assert_true(get(p + 38, 8) == window.size);
	assert_int_equal(p[46], 0x79);		/* end tag */
	assert_ptr_equal(p + 48, end);
}

static void the_iort_keeps_bounce_buffers_in_the_window(void **state)
{
	struct gw_window w = window;
	uint8_t table[GW_ACPI_TABLE];
	size_t size = gw_acpi_iort(&w, table);
	const uint8_t *p = table + get(table + 40, 4);
	unsigned int roots = 0;

	assert_table(table, size, "IORT");
	for (unsigned int i = 0; i < get(table + 36, 4); i++, p += get(p + 1, 2)) {
		assert_true(p + get(p + 1, 2) <= table + size);
		if (p[0] != 2)
			continue;
		roots++;
		assert_int_equal(get(p + 16, 4), 1);	/* coherent */
		assert_int_equal(p[32], 31);		/* below 0x80000000 */
		assert_int_equal(get(p + 8, 4), 1);
		/* its one mapping leads to a group of ITSs */
		p += get(p + 12, 4);
		assert_int_equal(table[get(p + 12, 4)], 0);
		break;
	}
	assert_int_equal(roots, 1);
	w.size = 1536 * MiB;
	gw_acpi_iort(&w, table);
	assert_int_equal(table[48 + 24 + 32], 31);
	w.size = 3072 * MiB;
	gw_acpi_iort(&w, table);
	assert_int_equal(table[48 + 24 + 32], 32);
	w.size = 1024 * MiB - 1;	/* 30 bits end where RAM begins */
	assert_int_equal(gw_acpi_iort(&w, table), 0);
}

static void the_srat_leaves_out_no_memory(void **state)
{
	static const uint64_t want[][2] = { { 0, 0x80000000 }, { 0x80000000, 0x40000000 } };
	uint8_t table[GW_ACPI_TABLE];
	size_t size = gw_acpi_srat(&window, table);
	const uint8_t *p = table + 48;

	assert_table(table, size, "SRAT");
	assert_int_equal(get(table + 36, 4), 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(want); i++, p += p[1]) {
		assert_int_equal(p[0], 1);		/* memory affinity (5.2.16.2) */
		assert_int_equal(p[1], 40);
		assert_int_equal(get(p + 2, 4), i);
		assert_true(get(p + 8, 8) == want[i][0]);
		assert_true(get(p + 16, 8) == want[i][1]);
		assert_int_equal(get(p + 28, 4), 1);	/* enabled */
	}
	assert_ptr_equal(p, table + size);
}

static size_t read_file(const char *path, uint8_t *buf, size_t room)
{
	FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	n = fread(buf, 1, room, f);
	fclose(f);
	return n;
}

/* The number of a header's field, which are of eight hex digits each (cpio(5)). */
static size_t field(const uint8_t *head, unsigned int nr)
{
	char digits[9] = "";

	memcpy(digits, head + 6 + 8 * nr, 8);
	return strtoul(digits, NULL, 16);
}

/* Return: where the data of the file of that name is, in an archive at @buf; *@end: behind the archive */
static const uint8_t *find(const uint8_t *buf, const char *name, size_t *size, const uint8_t **end)
{
	const uint8_t *found = NULL;

	for (;;) {
		const char *this = (const char *)buf + 110;

		assert_memory_equal(buf, "070701", 6);
		assert_int_equal(field(buf, 11), strlen(this) + 1);
		buf += (110 + field(buf, 11) + 3) & ~(size_t)3;
		if (!strcmp(this, "TRAILER!!!")) {
			*end = buf;
			return found;
		}
		if (!strcmp(this, name)) {
			found = buf;
			*size = field((const uint8_t *)this - 110, 6);
		}
		buf += (field((const uint8_t *)this - 110, 6) + 3) & ~(size_t)3;
	}
}

static void an_archive_goes_before_the_initramfs(void **state)
{
	char out[] = "/tmp/gangway-test-XXXXXX", initrd[] = "/tmp/gangway-test-XXXXXX";
	uint8_t buf[4096], table[GW_ACPI_TABLE];
	unsigned int before = count_fds();
	const uint8_t *data, *end;
	size_t size = 0, n;
	int fd = mkstemp(initrd);

	assert_int_equal(write(fd, "initramfs", 9), 9);
	close(fd);
	close(mkstemp(out));
	assert_int_equal(gw_acpi_write(&window, true, out, initrd, NULL), 0);
	n = read_file(out, buf, sizeof(buf));
	data = find(buf, "kernel/firmware/acpi/ssdt.aml", &size, &end);
	assert_non_null(data);
	assert_int_equal(size, gw_acpi_ssdt(&window, table));
	assert_memory_equal(data, table, size);
	data = find(buf, "kernel/firmware/acpi/iort.aml", &size, &end);
	assert_non_null(data);
	assert_int_equal(size, gw_acpi_iort(&window, table));
	assert_memory_equal(data, table, size);
	data = find(buf, "kernel/firmware/acpi/srat.aml", &size, &end);
	assert_non_null(data);
	assert_int_equal(size, gw_acpi_srat(&window, table));
	assert_memory_equal(data, table, size);
	assert_ptr_equal(end + 9, buf + n);
	assert_memory_equal(end, "initramfs", 9);
	unlink(out);
	unlink(initrd);
	assert_int_equal(gw_acpi_write(&window, true, out, initrd, NULL), -ENOENT);
	assert_int_equal(gw_acpi_write(&window, true, "/dev/full", "", NULL), -ENOSPC);
	assert_int_equal(gw_acpi_write(&window, true, "/tmp/no/such/folder", "", NULL), -ENOENT);
	unlink(out);
	assert_int_equal(count_fds(), before);
}

static void one_table_is_enough_where_all_of_ram_is_in_the_window(void **state)
{
	char out[] = "/tmp/gangway-test-XXXXXX";
	uint8_t buf[4096], table[GW_ACPI_TABLE];
	struct gw_window w = window;

	close(mkstemp(out));
	assert_int_equal(gw_acpi_write(&w, false, out, NULL, NULL), -EINVAL);
	w.ram.size = w.size;
	assert_int_equal(gw_acpi_write(&w, false, out, NULL, NULL), 0);
	assert_int_equal(read_file(out, buf, sizeof(buf)), gw_acpi_ssdt(&w, table));
	assert_memory_equal(buf, table, gw_acpi_ssdt(&w, table));
	/* a window too small for a number of bits is fine then, and refused otherwise */
	w.size = w.ram.size = 512 * MiB;
	assert_int_equal(gw_acpi_write(&w, false, out, "", NULL), 0);
	read_file(out, buf, sizeof(buf));
	assert_null(find(buf, "kernel/firmware/acpi/srat.aml", &(size_t){ 0 }, &(const uint8_t *){ NULL }));
	w.ram.size = 1024 * MiB;
	assert_int_equal(gw_acpi_write(&w, false, out, "", NULL), -EOPNOTSUPP);
	unlink(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ssdt_says_where_the_window_is),
		cmocka_unit_test(the_srat_leaves_out_no_memory),
		cmocka_unit_test(the_iort_keeps_bounce_buffers_in_the_window),
		cmocka_unit_test(an_archive_goes_before_the_initramfs),
		cmocka_unit_test(one_table_is_enough_where_all_of_ram_is_in_the_window),
	};

	return cmocka_run_group_tests_name("acpi", tests, NULL, NULL);
}
