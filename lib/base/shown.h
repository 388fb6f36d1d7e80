/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_BASE_SHOWN_H
#define GW_BASE_SHOWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Where a process has a file mapped, as its /proc/PID/maps says. */

struct gw_shown {
	uint64_t first, end, off;	/* addresses; where in the file */
	bool readable, writable, shared;
};

/**
 * gw_shown_each() - call for each mapping of a file
 * @pid:       whose; 0: of this process
 * @max_lines: look at so many mappings, of whatever
 * @each:      anything but 0 ends it. It may map what is shown anew, at its place
 *
 * Return: what @each did; 0; -errno of opening or reading the list.
 */
int gw_shown_each(pid_t pid, uint64_t dev, uint64_t ino, unsigned int max_lines,
		  int (*each)(void *opaque, const struct gw_shown *s), void *opaque);

#endif
