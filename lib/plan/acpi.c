/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <gangway/acpi.h>

#include "base/regular.h"

/*
 * How it works: a guest that boots by ACPI learns of the window from a _DMA object of the host
 * bridge (ACPI 6.5, 6.2.4), in a table of its own. Linux takes such tables from an archive before
 * its initramfs (Documentation/admin-guide/acpi/initrd_table_override.rst). Where RAM is larger
 * than the window, its bounce buffers must lie inside, too; from ACPI it has that bound by the IORT
 * only, as a number of address bits (Arm DEN 0049, 3.1.1.3), so then there is a newer IORT than the
 * VMM's as well; and a newer SRAT (ACPI 6.5, 5.2.16), for the kernel to use the window first.
 */

#define HEADER_SIZE	36u
#define CPIO_PATH	"kernel/firmware/acpi/"

struct out {
	uint8_t *at;
	size_t n;
};

static void put(struct out *o, uint64_t v, unsigned int bytes)
{
	assert(bytes <= GW_ACPI_TABLE - o->n);
	for (; bytes; bytes--, v >>= 8)
		o->at[o->n++] = (uint8_t)v;
}

static void put_text(struct out *o, const char *text)
{
	size_t n = strlen(text);

	assert(n <= GW_ACPI_TABLE - o->n);
	memcpy(o->at + o->n, text, n);
	o->n += n;
}

/* QEMU's names: a kernel replaces a table by one of the same names, and a larger number. */
static void header(struct out *o, const char *signature, uint8_t revision)
{
	put_text(o, signature);
	put(o, 0, 4);			/* length and checksum are set by finish() */
	put(o, revision, 1);
	put(o, 0, 1);
	put_text(o, "BOCHS ");
	put_text(o, "BXPC    ");
	put(o, 2, 4);
	put_text(o, "GWAY");
	put(o, 1, 4);
	assert(o->n == HEADER_SIZE);
}

static size_t finish(struct out *o)
{
	struct out length = { .at = o->at + 4 };
	uint8_t sum = 0;

	put(&length, o->n, 4);
	for (size_t i = 0; i < o->n; i++)
		sum = (uint8_t)(sum + o->at[i]);
	o->at[9] = (uint8_t)-sum;
	return o->n;
}

/* A QWord address space descriptor (ACPI 6.5, 6.4.3.5.1) and the end tag. */
static void put_range(struct out *o, const struct gw_window *w)
{
	put(o, 0x8a, 1);
	put(o, 0x2b, 2);
	put(o, 0x00, 1);		/* memory */
	put(o, 0x0c, 1);		/* produced, positively decoded, both ends fixed */
	put(o, 0x03, 1);		/* cacheable, read-write */
	put(o, 0, 8);			/* granularity */
	put(o, w->iova.v, 8);
	put(o, w->iova.v + (w->size - 1), 8);
	put(o, w->gpa.v - w->iova.v, 8);
	put(o, w->size, 8);
	put(o, 0x79, 1);
	put(o, 0, 1);
}

#define RANGE_SIZE	48u
/* BufferOp, PkgLength, BytePrefix and size, the range */
#define BUFFER_SIZE	(4u + RANGE_SIZE)
#define NAME_SIZE	(5u + BUFFER_SIZE)
/* ScopeOp, PkgLength of two bytes, the path, the name */
#define SCOPE_SIZE	(1u + 2u + 10u + NAME_SIZE)

size_t gw_acpi_ssdt(const struct gw_window *w, uint8_t table[GW_ACPI_TABLE])
{
	const unsigned int scope = SCOPE_SIZE - 1;	/* PkgLength does not count the opcode */
	struct out o = { .at = table };

	_Static_assert(HEADER_SIZE + SCOPE_SIZE <= GW_ACPI_TABLE, "the SSDT has no room");
	header(&o, "SSDT", 2);
	put(&o, 0x10, 1);
	put(&o, 0x40 | (scope & 0xf), 1);
	put(&o, scope >> 4, 1);
	put_text(&o, "\\.");
	put_text(&o, "_SB_PCI0");
	put(&o, 0x08, 1);
	put_text(&o, "_DMA");
	put(&o, 0x11, 1);
	put(&o, BUFFER_SIZE - 1, 1);
	put(&o, 0x0a, 1);
	put(&o, RANGE_SIZE, 1);
	put_range(&o, w);
	return finish(&o);
}

/* The number of address bits that reach RAM in the window only; 0: there is no such number. */
static unsigned int zone_bits(const struct gw_window *w)
{
	unsigned int bits = 63;

	while (bits && (1ull << bits) > w->gpa.v && (1ull << bits) - w->gpa.v > w->size)
		bits--;
	return (1ull << bits) > w->gpa.v ? bits : 0;
}

#define ITS_GROUP	48u		/* behind the header */
#define ITS_GROUP_SIZE	24u
#define ROOT		(ITS_GROUP + ITS_GROUP_SIZE)
#define ROOT_SIZE	36u
#define MAPPING_SIZE	20u

static void node(struct out *o, uint8_t type, uint16_t size, uint32_t mappings, uint32_t at)
{
	put(o, type, 1);
	put(o, size, 2);
	put(o, 1, 1);			/* revision */
	put(o, 0, 4);
	put(o, mappings, 4);
	put(o, at, 4);
}

/*
 * The root complex of QEMU's machine virt, coherent, and its interrupts at the ITS. Where the
 * machine has no ITS, a kernel takes what it would take without this table.
 */
size_t gw_acpi_iort(const struct gw_window *w, uint8_t table[GW_ACPI_TABLE])
{
	struct out o = { .at = table };
	unsigned int bits = zone_bits(w);

	_Static_assert(ROOT + ROOT_SIZE + MAPPING_SIZE <= GW_ACPI_TABLE, "the IORT has no room");
	if (!bits)
		return 0;
	header(&o, "IORT", 0);
	put(&o, 2, 4);
	put(&o, ITS_GROUP, 4);
	put(&o, 0, 4);
	node(&o, 0, ITS_GROUP_SIZE, 0, 0);
	put(&o, 1, 4);
	put(&o, 0, 4);
	node(&o, 2, ROOT_SIZE + MAPPING_SIZE, 1, ROOT_SIZE);
	put(&o, 1, 4);			/* cache coherent */
	put(&o, 0, 3);
	put(&o, 3, 1);			/* coherent paths */
	put(&o, 0, 4);			/* no ATS */
	put(&o, 0, 4);			/* segment */
	put(&o, bits, 1);
	put(&o, 0, 3);
	put(&o, 0, 4);			/* requester IDs from 0 */
	put(&o, 0xffff, 4);
	put(&o, 0, 4);
	put(&o, ITS_GROUP, 4);
	put(&o, 0, 4);
	return finish(&o);
}

/* Memory affinity (5.2.16.2) */
static void put_node(struct out *o, uint32_t domain, uint64_t start, uint64_t size)
{
	put(o, 1, 1);
	put(o, 40, 1);
	put(o, domain, 4);
	put(o, 0, 2);
	put(o, start, 8);
	put(o, size, 8);
	put(o, 0, 4);
	put(o, 1, 4);			/* enabled */
	put(o, 0, 8);
}

/* Processors that have no entry are taken for those of node 0. */
size_t gw_acpi_srat(const struct gw_window *w, uint8_t table[GW_ACPI_TABLE])
{
	uint64_t border = w->gpa.v + w->size;
	struct out o = { .at = table };

	header(&o, "SRAT", 3);
	put(&o, 1, 4);
	put(&o, 0, 8);
	put_node(&o, 0, 0, border);
	put_node(&o, 1, border, w->ram.size - w->size);
	return finish(&o);
}

/* An entry of an archive in the "new ASCII format", with all that is not told 0 (cpio(5)). */
static int cpio_add(FILE *f, const char *name, const uint8_t *data, size_t size)
{
	static const char zeros[4];
	size_t head = 110 + strlen(name) + 1;

	fprintf(f, "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x%s%c", 0,
		size ? 0100444 : 0, 0, 0, 1, 0, size, 0, 0, 0, 0, strlen(name) + 1, 0, name, 0);
	fwrite(zeros, 1, -head & 3, f);
	if (size)
		fwrite(data, 1, size, f);
	fwrite(zeros, 1, -size & 3, f);
	return ferror(f) ? -EIO : 0;
}

static int write_archive(const struct gw_window *w, bool nodes, FILE *f)
{
	uint8_t table[GW_ACPI_TABLE];
	size_t size = gw_acpi_ssdt(w, table);
	int ret = cpio_add(f, CPIO_PATH "ssdt.aml", table, size);

	if (!ret && w->size < w->ram.size) {
		size = gw_acpi_iort(w, table);
		ret = cpio_add(f, CPIO_PATH "iort.aml", table, size);
	}
	if (!ret && nodes) {
		size = gw_acpi_srat(w, table);
		ret = cpio_add(f, CPIO_PATH "srat.aml", table, size);
	}
	return ret ? ret : cpio_add(f, "TRAILER!!!", NULL, 0);
}

/* What follows an archive begins at a multiple of 4, which the archive ends at. */
static int append_file(FILE *f, const char *path)
{
	uint8_t buf[65536];
	int fd = gw_regular_open(AT_FDCWD, path), ret = 0;
	FILE *from = fd < 0 ? NULL : fdopen(fd, "r");
	size_t n;

	if (fd < 0)
		return fd;
	if (!from) {
		close(fd);
		return -ENOMEM;
	}
	while (!ret && (n = fread(buf, 1, sizeof(buf), from)))
		if (fwrite(buf, 1, n, f) != n)
			ret = -errno;
	if (!ret && ferror(from))
		ret = -EIO;
	fclose(from);
	return ret;
}

static int check(const struct gw_window *w, bool archive, struct gw_log *log)
{
	uint8_t table[GW_ACPI_TABLE];

	if (w->size >= w->ram.size)
		return 0;
	if (!gw_acpi_iort(w, table)) {
		gw_err(log, "a kernel that boots by ACPI cannot be told to keep its bounce buffers in a window "
		       "of %" PRIu64 " MiB at %#" PRIx64 ": it takes a number of address bits", w->size >> 20,
		       w->gpa.v);
		gw_hint(log, "give it a --window of 1G or more, or no more --memory than window; or boot it "
			"from a device tree");
		return -EOPNOTSUPP;
	}
	if (archive)
		return 0;
	gw_err(log, "where memory is larger than the window several ACPI tables are needed, which one file "
	       "does not take");
	gw_hint(log, "name a file that ends in .cpio, and put that archive before the guest's initramfs");
	return -EINVAL;
}

int gw_acpi_write(const struct gw_window *w, bool nodes, const char *out, const char *initrd,
		  struct gw_log *log)
{
	size_t len = strlen(out);
	bool archive = initrd || (len > 5 && !strcmp(out + len - 5, ".cpio"));
	uint8_t table[GW_ACPI_TABLE];
	int ret = check(w, archive, log), fd;
	FILE *f;

	if (ret)
		return ret;
	fd = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW |
		  O_NONBLOCK, 0600);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f) {
		ret = -errno;
		gw_err(log, "cannot write ACPI tables to %s: %s", out, strerror(-ret));
		return ret;
	}
	if (archive)
		ret = write_archive(w, nodes, f);
	else if (!fwrite(table, gw_acpi_ssdt(w, table), 1, f))
		ret = -errno;
	if (!ret && initrd && *initrd)
		ret = append_file(f, initrd);
	if (fclose(f) && !ret)
		ret = -errno;
	if (ret)
		gw_err(log, "cannot write ACPI tables%s%s to %s: %s", initrd && *initrd ? " and " : "",
		       initrd ? initrd : "", out,
		       ret == -EBADMSG ? "the initramfs is no file" : strerror(-ret));
	return ret;
}
