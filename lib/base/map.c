/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/map.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

int gw_map_file(int fd, size_t size, int prot, void **addr)
{
	uint8_t *room, *at;
	size_t head;

	if (size > SIZE_MAX - GW_MAP_ALIGN)
		return -ENOMEM;
	room = mmap(NULL, size + GW_MAP_ALIGN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		    -1, 0);
	if (room == MAP_FAILED)
		return -errno;
	at = (uint8_t *)(((uintptr_t)room + GW_MAP_ALIGN - 1) & ~(uintptr_t)(GW_MAP_ALIGN - 1));
	head = (size_t)(at - room);
	if (mmap(at, size, prot, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
		int ret = -errno;

		munmap(room, size + GW_MAP_ALIGN);
		return ret;
	}
	if (head)
		munmap(room, head);
	/* what is left behind the file, whose last page may be partly used */
	size = (size + 4095) & ~(size_t)4095;
	if (head < GW_MAP_ALIGN)
		munmap(at + size, GW_MAP_ALIGN - head);
	madvise(at, size, MADV_DONTDUMP);
	*addr = at;
	return 0;
}
