/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_DMA_FILE_H
#define GW_DMA_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>


#include <gangway/log.h>

#include "base/queue.h"

/*
 * Files that hold guest memory, each mapped once as a whole. Firmware takes RAM away and gives it
 * back in pieces some twenty times while it boots, each time with a new descriptor of the same
 * file; a vIOMMU does so for every page. Mapping the file once turns all of that into a lookup.
 * The caller locks.
 */
struct gw_file {
	SLIST_ENTRY(gw_file) link;
	dev_t dev;
	ino_t ino;
	uint8_t *addr;
	uint64_t size;			/* bytes mapped */
	bool writable;
	uint64_t users;
};

SLIST_HEAD(gw_file_list, gw_file);

/**
 * gw_file_get() - the mapping of the file behind @fd, with @off..@off + @size inside it
 * @writable: the device will write
 *
 * Return: 0; -EINVAL not a regular file or too short, -EOVERFLOW, -EACCES @fd is read-only,
 * -ENOSPC too many files or too large ones, -ENOMEM, or -errno of fstat(2) or mmap(2).
 */
int gw_file_get(struct gw_file_list *files, int fd, uint64_t off, uint64_t size, bool writable,
		struct gw_log *log, struct gw_file **file);

/** gw_file_put() - one user less; the mapping stays for the next until gw_file_drop_idle() */
void gw_file_put(struct gw_file *file);

/** gw_file_drop_idle() - unmap the files that nobody uses */
void gw_file_drop_idle(struct gw_file_list *files);

/** gw_file_abandon() - free what is left of the list; what is in use stays mapped for good */
void gw_file_abandon(struct gw_file_list *files);

#endif
