/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_SIM_MEMORY_H
#define GW_SIM_MEMORY_H

#include <stdint.h>

/* Shared memory of a fixed size, which whoever receives its descriptor cannot shrink. */
struct gw_sim_memory {
	void *addr;			/* NULL: none */
	uint64_t size;
	int fd;
};

/**
 * gw_sim_memory_alloc() - zeroed memory
 * @size:  bytes, of whole pages
 * @align: of the address; a power of two
 *
 * Return: 0; -ENOMEM, or -errno of memfd_create(2), ftruncate(2) or mmap(2).
 */
int gw_sim_memory_alloc(struct gw_sim_memory *m, const char *name, uint64_t size, uint64_t align);

/**
 * gw_sim_memory_adopt() - the first @size bytes of a file that is there already
 * @fd: duplicated; the file must not shrink
 *
 * Return: 0; -ENOMEM, or -errno of fcntl(2) or mmap(2).
 */
int gw_sim_memory_adopt(struct gw_sim_memory *m, int fd, uint64_t size, uint64_t align);

/** gw_sim_memory_free() - nothing is done if there is none */
void gw_sim_memory_free(struct gw_sim_memory *m);

/** gw_sim_memory_view() - map it once more, at any address; to be unmapped by munmap(2) */
int gw_sim_memory_view(const struct gw_sim_memory *m, void **addr);

#endif
