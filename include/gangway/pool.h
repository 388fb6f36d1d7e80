/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_POOL_H
#define GANGWAY_POOL_H

#include <gangway/host.h>
#include <gangway/ram.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Plan pool: each function has a piece of guest memory that it reaches, and it reaches nothing
 * else. The guest's kernel copies what the device is to see into its pool and back; each such
 * mapping has at most 256 KiB, the limit of Linux' bounce buffers.
 */

#define GW_MAX_POOLS	8

/**
 * struct gw_pool - a function's pool
 * @gpa, @iova, @size: what the guest's device tree is told
 * @devfn:             where the guest sees the function on the host bridge's bus
 */
struct gw_pool {
	gw_gpa gpa;
	gw_iova iova;
	uint64_t size;
	uint8_t devfn;

	/* private */
	struct gw_function *fn;		/* NULL: it has left, and the place is kept for the next */
	uint64_t handle;
	bool mapped;
};

/**
 * struct gw_pools - the pools of a guest, and its memory, which they are in
 * @nr: pools there are; the next lies below the last
 */
struct gw_pools {
	struct gw_ram ram;
	unsigned int nr;
	struct gw_pool pool[GW_MAX_POOLS];

	/* private */
	bool reachable;		/* a host could not unmap some of it */
};

/** gw_pool_default_size() - bytes, by the kind of device */
uint64_t gw_pool_default_size(const struct gw_function_info *info);

/**
 * gw_pools_open() - make the guest's memory, with no pool in it yet
 * @path: as for gw_ram_open(), like the errors
 */
int gw_pools_open(struct gw_pools *p, gw_gpa gpa, uint64_t ram_size, const char *path,
		  struct gw_log *log);

/** gw_pools_open_in() - likewise, in guest memory that the caller has made and keeps at @addr */
void gw_pools_open_in(struct gw_pools *p, gw_gpa gpa, uint64_t ram_size, void *addr);

/**
 * gw_pools_add() - give a function a pool and have its host map it
 * @devfn: where the guest will see the function; no two are equal
 * @size:  bytes; 0: gw_pool_default_size()
 *
 * Pools are put at the end of guest memory that lies below 4 GiB, one below the other. A host that
 * takes the caller's addresses maps it where the guest sees it. Where a function has left, the next
 * at the same place gets its pool, of which the guest has been told.
 *
 * Return: 0; -EINVAL unaligned or too small, -ENOSPC over the budget, no room in guest memory or
 * too many, -ENOTUNIQ the host splits it into several ranges, -EADDRNOTAVAIL the host puts it where
 * another function's pool is: a guest tells those behind one host bridge apart by address only; or
 * -errno of the host. Logged; nothing has changed after an error.
 */
int gw_pools_add(struct gw_pools *p, struct gw_function *fn, uint8_t devfn, uint64_t size,
		 struct gw_log *log);

/** gw_pools_leave() - have the host unmap a function's pool; the function must be quiet */
void gw_pools_leave(struct gw_pools *p, struct gw_function *fn);

/**
 * gw_pools_unmap() - no device, which must be quiet, reaches them any more; their members can still
 * be read
 */
void gw_pools_unmap(struct gw_pools *p);

/** gw_pools_close() - unmap them and give the guest's memory up; zeroed is fine */
void gw_pools_close(struct gw_pools *p);

#ifdef __cplusplus
}
#endif

#endif
