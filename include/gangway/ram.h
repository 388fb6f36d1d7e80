/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_RAM_H
#define GANGWAY_RAM_H

#include <stdbool.h>
#include <stdint.h>

#include <gangway/addr.h>
#include <gangway/log.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct gw_ram - a guest's memory, made before its VMM starts
 * @gpa:    where the guest sees it
 * @size:   bytes; 0: not open
 * @fd:     the file it is in, from @fd_off on; ours until gw_ram_close(). -1: the caller made it
 * @addr:   @size bytes from the start of the file, here
 * @near:   bytes at its start that devices reach without a copy, where the rest is better used
 *          later: a VMM may have that in a second backend, of a NUMA node farther away. 0: no such
 *          border
 */
struct gw_ram {
	gw_gpa gpa;
	uint64_t size;
	int fd;
	uint64_t fd_off;
	uint8_t *addr;
	uint64_t near;

	/* private */
	char *path;
};

/**
 * gw_ram_open() - make a guest's memory
 * @path: the file to make, for a VMM that somebody else starts; it must not exist, and
 *        gw_ram_close() removes it. NULL: a file without a name
 *
 * Return: 0; -EEXIST @path is there, -ENOMEM, or -errno of open(2), ftruncate(2) or mmap(2);
 * logged, and then there is nothing to close.
 */
int gw_ram_open(struct gw_ram *ram, gw_gpa gpa, uint64_t size, const char *path,
		struct gw_log *log);

/** gw_ram_adopt() - describe memory that the caller has made, and keeps at @addr */
void gw_ram_adopt(struct gw_ram *ram, gw_gpa gpa, uint64_t size, void *addr);

/**
 * gw_ram_settle() - say where in its file the memory begins; the file never changes its size again
 *
 * A file without a name is sealed, so that nobody takes pages away from under a device.
 *
 * Return: 0; -errno of ftruncate(2) or fcntl(2), logged.
 */
int gw_ram_settle(struct gw_ram *ram, uint64_t fd_off, struct gw_log *log);

/**
 * gw_ram_close() - remove what gw_ram_open() made; zeroed is fine, adopted stays the caller's
 * @reachable: a device may still reach it: then it stays mapped here for good
 */
void gw_ram_close(struct gw_ram *ram, bool reachable);

#ifdef __cplusplus
}
#endif

#endif
