/* SPDX-License-Identifier: BSD-3-Clause */
#include "resident.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/guard.h"
#include "limits.h"

/*
 * Reads of what the page cache holds are copies from a mapping of the backing file. read(2) looks
 * up and copies page by page, which takes three times as long, and the ring a system call.
 *
 * How it works: the file is mapped by parts, a fixed number of which there can be at a time, as
 * page tables would else grow with all that a guest ever reads. Each part has one place. Where
 * another is mapped there, the ring reads until enough was wanted of the new one to be worth it: so
 * a stream takes the place over, and reads all over a large file do not. mincore(2) tells
 * whether all of a range is there: if not, the ring reads it, so that what has to come from the
 * disk does not stop the worker, and a hole stays a hole. A page that goes between the question and
 * the copy costs time only.
 */
#define PART_BITS	25u		/* 32 MiB */
#define PART_BYTES	(UINT64_C(1) << PART_BITS)
#define WORTH_BYTES	(1u << 20)	/* what a part is mapped for in place of another */
#define MAX_PAGES	(NVME_MAX_TRANSFER / 4096u + 1)

/* The last part is shorter, if the file's size says so. */
static size_t part_len(const struct nvme_backing *b, uint64_t off)
{
	return b->size - off < PART_BYTES ? (size_t)(b->size - off) : PART_BYTES;
}

static void part_drop(const struct nvme_backing *b, struct nvme_backing_part *p)
{
	if (p->addr)
		munmap(p->addr, part_len(b, p->off));
	p->addr = NULL;
}

static struct nvme_backing_part *part_map(const struct nvme_backing *b, struct nvme_backing_part *p,
					  uint64_t off)
{
	void *addr;

	part_drop(b, p);
	p->off = off;
	p->wanted = 0;
	addr = mmap(NULL, part_len(b, off), PROT_READ, MAP_SHARED, b->fd, (off_t)off);
	if (addr == MAP_FAILED)
		return NULL;
	p->addr = addr;
	return p;
}

/* The part of the file that @off is in, to read @len bytes there; NULL if it is not mapped. */
static struct nvme_backing_part *part_get(struct nvme_backing *b, uint64_t off, uint32_t len)
{
	struct nvme_backing_part *p = &b->part[(off >> PART_BITS) % NVME_BACKING_PARTS];

	off &= ~(PART_BYTES - 1);
	if (!p->addr)
		return part_map(b, p, off);
	if (p->off == off)
		return p;
	if (p->next != off)
		p->wanted = 0;
	p->next = off;
	p->wanted += len;
	return p->wanted < WORTH_BYTES ? NULL : part_map(b, p, off);
}

static bool all_there(const uint8_t *addr, size_t len)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), skip = (uintptr_t)addr % page;
	unsigned char there[MAX_PAGES];
	size_t i, pages = (skip + len + page - 1) / page;

	if (mincore((void *)(addr - skip), skip + len, there))
		return false;
	for (i = 0; i < pages; i++)
		if (!(there[i] & 1))
			return false;
	return true;
}

bool gw_nvme_resident_read(struct nvme_backing *b, uint64_t off, const struct iovec *iov,
			   uint32_t len)
{
	struct nvme_backing_part *p;
	const uint8_t *from;
	size_t n;

	if ((off & (PART_BYTES - 1)) + len > PART_BYTES)
		return false;
	p = part_get(b, off, len);
	if (!p)
		return false;
	from = p->addr + (off - p->off);
	if (!all_there(from, len))
		return false;
	for (; len; len -= (uint32_t)n, from += n, iov++) {
		n = iov->iov_len < len ? iov->iov_len : len;
		if (gw_guard_copy(iov->iov_base, from, n))
			return false;
	}
	return true;
}

void gw_nvme_resident_drop(struct nvme_backing *b)
{
	for (unsigned int i = 0; i < NVME_BACKING_PARTS; i++)
		part_drop(b, &b->part[i]);
}
