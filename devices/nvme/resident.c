/* SPDX-License-Identifier: BSD-3-Clause */
#include "nvme.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/guard.h"

/*
 * Large reads of what the page cache holds are copies from a mapping of the backing file. read(2)
 * looks up and copies page by page, which takes two to three times as long.
 *
 * How it works: the file is mapped by parts, a fixed number of which there can be at a time, as
 * page tables would else grow with all that a guest ever reads. mincore(2) tells whether all of a
 * range is there: if not, the ring reads it, so that a part of the file that has to come from the
 * disk does not stop the worker, and a hole stays a hole. A page that goes between the question
 * and the copy costs time only.
 */
#define PART_BITS	25u		/* 32 MiB */
#define PART_BYTES	(UINT64_C(1) << PART_BITS)
#define LEAST_BYTES	(32u << 10)	/* below, the page tables cost more than the system call */
#define MAX_PAGES	(NVME_MAX_TRANSFER / 4096u + 1)

static void part_drop(struct nvme_backing_part *p)
{
	if (p->addr)
		munmap(p->addr, p->len);
	p->addr = NULL;
}

/* The part of the file that @off is in, or NULL. */
static struct nvme_backing_part *part_get(struct nvme_backing *b, uint64_t off)
{
	uint64_t first = off & ~(PART_BYTES - 1);
	struct nvme_backing_part *p = &b->part[(off >> PART_BITS) % NVME_BACKING_PARTS];
	void *addr;

	if (p->addr && p->off == first)
		return p;
	part_drop(p);
	p->off = first;
	p->len = b->size - first < PART_BYTES ? (size_t)(b->size - first) : PART_BYTES;
	addr = mmap(NULL, p->len, PROT_READ, MAP_SHARED, b->fd, (off_t)first);
	if (addr == MAP_FAILED)
		return NULL;
	p->addr = addr;
	return p;
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

/**
 * gw_nvme_resident_read() - read what the page cache holds
 * @b:   the backing file
 * @off: where in it, with @len inside its size
 * @iov: where to; @len bytes in all
 * @len: at most NVME_MAX_TRANSFER
 *
 * Return: was all of it read? If not, some of @iov may have been written; read it in another way.
 */
bool gw_nvme_resident_read(struct nvme_backing *b, uint64_t off, const struct iovec *iov,
			   uint32_t len)
{
	struct nvme_backing_part *p;
	const uint8_t *from;
	size_t n;

	if (len < LEAST_BYTES || (off & (PART_BYTES - 1)) + len > PART_BYTES)
		return false;
	p = part_get(b, off);
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

/** gw_nvme_resident_drop() - unmap the file */
void gw_nvme_resident_drop(struct nvme_backing *b)
{
	for (unsigned int i = 0; i < NVME_BACKING_PARTS; i++)
		part_drop(&b->part[i]);
}
