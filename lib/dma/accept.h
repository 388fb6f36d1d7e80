/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_DMA_ACCEPT_H
#define GW_DMA_ACCEPT_H

#include "dma/memory.h"

/*
 * Which memory of a VMM's is taken. A descriptor can be of a file whose owner answers when it
 * likes: a page of it that is touched, and even fstat(2) of it, may take for ever. Memory of the
 * kernel's own (shmem, hugetlbfs) never waits for anybody.
 */

/**
 * gw_guest_memory_accept() - may @s be what it says it is? The VMM cannot hold up the answer
 * @s:    its offset becomes that in the file, where it is of the guest's RAM that we made
 * @last: of @s, included
 * @fd:   -1: the VMM keeps the memory
 *
 * Return: 0; -EACCES no (logged with the way out).
 */
int gw_guest_memory_accept(const struct gw_guest_memory *m, struct gw_slice *s, uint64_t last,
			   int fd);

#endif
