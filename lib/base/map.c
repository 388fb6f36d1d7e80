/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/map.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* Huge pages are mapped at multiples of their own size, which is the block size of their files. */
static size_t align_of(int fd)
{
	struct stat st;
	size_t block;

	if (fstat(fd, &st) || st.st_blksize < 0)
		return GW_MAP_ALIGN;
	block = (size_t)st.st_blksize;
	return block > GW_MAP_ALIGN && !(block & (block - 1)) ? block : GW_MAP_ALIGN;
}

int gw_map_file(int fd, size_t size, int prot, void **addr)
{
	size_t align = align_of(fd), head;
	uint8_t *room, *at;

	if (size > SIZE_MAX - align)
		return -ENOMEM;
	room = mmap(NULL, size + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		    0);
	if (room == MAP_FAILED)
		return -errno;
	at = (uint8_t *)(((uintptr_t)room + align - 1) & ~(uintptr_t)(align - 1));
	head = (size_t)(at - room);
	if (mmap(at, size, prot, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
		int ret = -errno;

		munmap(room, size + align);
		return ret;
	}
	if (head)
		munmap(room, head);
	/* what is left behind the file, whose last page may be partly used */
	size = (size + 4095) & ~(size_t)4095;
	if (head < align)
		munmap(at + size, align - head);
#ifdef MADV_DONTDUMP
	madvise(at, size, MADV_DONTDUMP);
#endif
	*addr = at;
	return 0;
}
