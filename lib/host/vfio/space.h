/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_HOST_VFIO_SPACE_H
#define GW_HOST_VFIO_SPACE_H

#include <pthread.h>

#include <bsd/sys/queue.h>

#include <gangway/host.h>

#include "base/imap.h"
#include "base/lock.h"
#include "base/owner.h"
#include "host/vfio/group.h"
#include "host/vfio/locked.h"

/*
 * The address space of one IOMMU group: what its functions reach, and where. The kernel's part is
 * behind struct gw_vfio_space_ops, by type1 or by iommufd.
 */

struct gw_vfio_space;
struct gw_vfio_function;
struct gw_vfio_want;

/**
 * struct gw_vfio_space_ops - a way to ask the kernel; all return 0 or -errno
 * @open:   a function's descriptor, the caller's; limits and ranges of @s are known afterwards.
 *          After an error there is none
 * @map:    nothing of iova..iova + size - 1 is mapped
 * @unmap:  exactly what was mapped before
 * @close:  every descriptor of a function is closed
 * @bar_as_buf: BARs are mapped by a dma-buf, not by their address in this process
 */
struct gw_vfio_space_ops {
	int (*open)(struct gw_vfio_space *s, const char *bdf, int *fd);
	int (*map)(struct gw_vfio_space *s, const struct gw_vfio_want *want, uint64_t iova);
	int (*unmap)(struct gw_vfio_space *s, uint64_t iova, uint64_t size);
	void (*close)(struct gw_vfio_space *s);
	bool bar_as_buf;
};

extern const struct gw_vfio_space_ops gw_vfio_type1, gw_vfio_iommufd;

struct gw_vfio_range {
	uint64_t first, last;
};

#define GW_VFIO_MAX_RANGES	32u
#define GW_VFIO_MAX_USERS	64u		/* functions of one group */

/**
 * struct gw_vfio_space - one group's
 * @at, @locked:  the folders, and what all spaces have locked; the host's
 * @group:        number of the group
 * @users:        which slots functions have taken; under the host's lock
 * @owner:        the VMM that has claimed functions; under the host's lock
 * @range:        addresses that the IOMMU takes, ascending; the rest is the platform's
 * @max_maps:     the kernel's limit on mappings
 * @lock:         taken under the host's and the functions' locks
 * @next, @next_low: where to look first for a place, while the caller does not choose; for a
 *                device that reaches all there is, and for others
 */
struct gw_vfio_space {
	LIST_ENTRY(gw_vfio_space) link;
	const struct gw_vfio_space_ops *ops;
	struct gw_log *log, own_log;
	const struct gw_vfio_folders *at;
	struct gw_vfio_locked *locked;
	unsigned int group;
	uint64_t users;
	struct gw_owner owner;
	int container, group_fd;	/* type1 */
	int iommufd;
	uint32_t ioas;
	uint64_t granule, max_maps;
	unsigned int nr_ranges;
	struct gw_vfio_range range[GW_VFIO_MAX_RANGES];

	pthread_mutex_t lock;
	struct gw_imap maps GW_GUARDED_BY(lock);
	uint64_t next GW_GUARDED_BY(lock), next_low GW_GUARDED_BY(lock);
	uint16_t serial GW_GUARDED_BY(lock);
};

struct gw_vfio_space *gw_vfio_space_new(const struct gw_vfio_space_ops *ops,
					const struct gw_vfio_folders *at,
					struct gw_vfio_locked *locked, unsigned int group,
					struct gw_log *log);

/** gw_vfio_space_free() - no user is left; NULL is fine */
void gw_vfio_space_free(struct gw_vfio_space *s);

/**
 * struct gw_vfio_want - a mapping to be made
 * @name: of the function, for messages
 * @file: which memory it is: what two functions map at one address is the same if this is
 * @iova: NULL: choose, and nothing above @last if that is not 0
 * @peer: owns the memory if it is a BAR, else NULL; then @bar and @range say which
 * @buf:  with @peer, where the space has @bar_as_buf, a dma-buf of just this memory
 */
struct gw_vfio_want {
	const char *name;
	unsigned int slot;
	void *addr;
	struct gw_file_at file;
	uint64_t size;
	bool read_only;
	const gw_iova *iova;
	uint64_t last;
	const struct gw_vfio_function *peer;
	unsigned int bar;
	struct gw_bar_range range;
	int buf;
};

/** gw_vfio_space_map() - struct gw_function_ops dma_map() */
int gw_vfio_space_map(struct gw_vfio_space *s, const struct gw_vfio_want *want,
		      struct gw_mapping *map);

/** gw_vfio_space_unmap() - Return: 0; -ENOENT; -errno of the kernel, then it may still be mapped */
int gw_vfio_space_unmap(struct gw_vfio_space *s, unsigned int slot, uint64_t handle);

/** gw_vfio_space_drop() - all mappings of a function */
void gw_vfio_space_drop(struct gw_vfio_space *s, unsigned int slot);

/**
 * gw_vfio_space_retry() - unmap what nobody uses any more and an earlier unmap has left
 *
 * Return: 0: every mapping there is has a user; -errno of the kernel (logged)
 */
int gw_vfio_space_retry(struct gw_vfio_space *s);

/** gw_vfio_space_drop_peer() - what is mapped of @peer's BARs; the handles stay until unmapped */
void gw_vfio_space_drop_peer(struct gw_vfio_space *s, const struct gw_vfio_function *peer);

/**
 * gw_vfio_space_again() - map once more what is mapped of @peer's BARs
 * @buf_of: a dma-buf of a range of a BAR, or -errno
 *
 * The kernel takes back what it has made of a BAR when memory stops to decode, and does not map it
 * again by itself. What cannot be mapped now is tried the next time (logged).
 */
void gw_vfio_space_again(struct gw_vfio_space *s, const struct gw_vfio_function *peer,
			 int (*buf_of)(const struct gw_vfio_function *peer, unsigned int bar,
				       const struct gw_bar_range *range));

/** gw_vfio_space_idle() - has the function in @slot no mapping? */
bool gw_vfio_space_idle(struct gw_vfio_space *s, unsigned int slot);

#endif
