/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_BASE_MAP_H
#define GW_BASE_MAP_H

#include <stddef.h>

/*
 * Guest memory is mapped at multiples of this, so that the largest granule of any host and the
 * processor's large pages suit it; files of huge pages that are larger, at multiples of those.
 */
#define GW_MAP_ALIGN	(2u << 20)

/**
 * gw_map_file() - map @size bytes of a file, shared, from its start; kept out of core dumps
 * @prot: as for mmap(2)
 *
 * Return: 0, *@addr is a multiple of GW_MAP_ALIGN and munmap(2) undoes it; -errno of mmap(2).
 */
int gw_map_file(int fd, size_t size, int prot, void **addr);

#endif
