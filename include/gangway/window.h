/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_WINDOW_H
#define GANGWAY_WINDOW_H

#include <gangway/host.h>
#include <gangway/ram.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Plan window: the part of guest memory that devices reach without a copy. */

#define GW_MAX_WINDOW_USERS	8

/**
 * struct gw_window - the part of guest memory that devices reach without a copy
 * @gpa, @iova, @size: what the guest's device tree is told
 * @ram:               the guest's whole memory; the window's until gw_window_close()
 */
struct gw_window {
	gw_gpa gpa;
	gw_iova iova;
	uint64_t size;
	struct gw_ram ram;

	/* private */
	bool reachable;			/* a host could not unmap it */
	uint64_t mapped;
	unsigned int nr_users;
	struct gw_window_user {
		struct gw_function *fn;
		uint64_t handle;
	} user[GW_MAX_WINDOW_USERS];
};

/**
 * gw_window_open() - make the guest's memory and have the host map the window
 * @gpa:      where the guest's RAM begins
 * @ram_size: bytes of guest RAM
 * @size:     bytes wanted from the start of RAM; 0: as much as the budget allows
 * @path:     where to make the file that holds guest memory, for a VMM that somebody else starts;
 *            it must not exist, and gw_window_close() removes it. NULL: a file without a name
 *
 * Where the host answers with several ranges, the largest is used, if it is of use to a guest.
 *
 * Return: 0; -ENOSPC the budget refuses, -EINVAL unaligned or too small, -ENOTUNIQ ranges too
 * small to be of use, -EEXIST @path is there, -ENOMEM, or -errno of the host or of the file; logged
 * with the numbers.
 */
int gw_window_open(struct gw_window *w, struct gw_function *fn, gw_gpa gpa, uint64_t ram_size,
		   uint64_t size, const char *path, struct gw_log *log);

/**
 * gw_window_open_in() - likewise, in guest memory that the caller has made
 * @addr: where it is; stays so until gw_window_close()
 *
 * Where the host answers with several ranges, the first is used, because the guest's RAM begins
 * there.
 */
int gw_window_open_in(struct gw_window *w, struct gw_function *fn, gw_gpa gpa, uint64_t ram_size,
		      void *addr, uint64_t size, struct gw_log *log);

/**
 * gw_window_share() - have another function's host map the same window
 *
 * Functions behind one host bridge are described by one property, so all must reach the window
 * at the same address.
 *
 * Return: 0; -EADDRNOTAVAIL the host chose another address, -ENOSPC too many functions or over the
 * budget, or -errno of the host; logged. Nothing has changed after an error.
 */
int gw_window_share(struct gw_window *w, struct gw_function *fn, struct gw_log *log);

/**
 * gw_window_leave() - have a function's host unmap the window; the function must be quiet
 *
 * The window stays also when the last function leaves: a guest has been told of it, and another
 * function may come and share it. Does nothing for a function that does not share it.
 */
void gw_window_leave(struct gw_window *w, struct gw_function *fn);

/**
 * gw_window_unmap() - no device, which must be quiet, reaches it any more; its members can still be
 * read
 */
void gw_window_unmap(struct gw_window *w);

/** gw_window_bits() - how many address bits a device must have, to reach all of it */
unsigned int gw_window_bits(const struct gw_window *w);

/**
 * gw_window_misfit() - what kind of function this is, if it is known to have fewer address bits
 *
 * Return: as in "a UHCI USB controller"; NULL: it is not known.
 */
const char *gw_window_misfit(const struct gw_window *w, const struct gw_function_info *info);

/** gw_window_close() - unmap it and give its memory up; a zeroed window is fine */
void gw_window_close(struct gw_window *w);

#ifdef __cplusplus
}
#endif

#endif
