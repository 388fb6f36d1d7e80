/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/sim/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/os.h"

/* Reserve more than is needed, put the file at the aligned place, give the rest back. */
static int map_aligned(int fd, uint64_t size, uint64_t align, void **addr)
{
	uint64_t room = size + align;
	uint8_t *base, *at;

	base = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return -errno;
	at = base + (-(uintptr_t)base & (align - 1));
	*addr = mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	if (*addr == MAP_FAILED) {
		int ret = -errno;

		munmap(base, room);
		return ret;
	}
	if (at > base)
		munmap(base, (size_t)(at - base));
	munmap(at + size, room - size - (size_t)(at - base));
	return 0;
}

/* @fd becomes the memory's, or is closed. */
static int take_file(struct gw_sim_memory *m, int fd, uint64_t size, uint64_t align)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	int ret;

	*m = (struct gw_sim_memory){ .size = size, .fd = fd };
	ret = map_aligned(fd, size, align < page ? page : align, &m->addr);
	if (ret) {
		close(fd);
		m->addr = NULL;
	}
	return ret;
}

int gw_sim_memory_alloc(struct gw_sim_memory *m, const char *name, uint64_t size, uint64_t align)
{
	int fd = gw_os_memory_file(name, size, true);

	return fd < 0 ? fd : take_file(m, fd, size, align);
}

int gw_sim_memory_adopt(struct gw_sim_memory *m, int fd, uint64_t size, uint64_t align)
{
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -errno : take_file(m, fd, size, align);
}

void gw_sim_memory_free(struct gw_sim_memory *m)
{
	if (!m->addr)
		return;
	munmap(m->addr, m->size);
	close(m->fd);
	m->addr = NULL;
}

int gw_sim_memory_view(const struct gw_sim_memory *m, void **addr)
{
	*addr = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
	return *addr == MAP_FAILED ? -errno : 0;
}
