/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_SIM_DART_H
#define GW_SIM_DART_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include <gangway/endpoint.h>
#include <gangway/host.h>
#include <gangway/log.h>
#include <gangway/remote.h>

#include "base/imap.h"
#include "base/lock.h"
#include "base/use.h"

/* Where the modelled DART puts what it chooses itself: far above any guest's RAM. */
#define GW_DART_FIRST		0x8000000000ull
#define GW_DART_LAST		0xffffffffffull
/* The last address that a caller may choose, where it may choose. */
#define GW_DART_CALLER_LAST	0xffffffffffffull

/* A VMM that unmaps wants its answer within a second. */
#define GW_DART_PATIENCE_NS	600000000ull

/* Fixed once a mapping has been made. */
struct gw_dart_limits {
	uint64_t granule;
	uint64_t max_bytes, max_maps, max_map_bytes;
	uint64_t seed;
	uint32_t segments;
	bool caller_iova;
	uint64_t base;			/* 0: random places from GW_DART_FIRST on; else from here
					 * upwards */
};

/* Totals over several DARTs. */
struct gw_dart_totals {
	_Atomic uint64_t maps, unmaps;
	_Atomic uint64_t live_maps, live_bytes, peak_maps, peak_bytes;
};

/**
 * struct gw_dart_mapping - a run of IOVA space; the caller's storage while it is registered
 *
 * 65,536 of these may live at one time, so it is kept small.
 */
struct gw_dart_mapping {
	struct gw_imap_node node;	/* IOVAs; dart->lock */
	union {				/* fixed while in the tree */
		uint8_t *addr;
		uint64_t remote_addr;
	};
	struct gw_remote *remote;
	struct gw_dart_mapping *next;	/* next segment of the same registration */
	struct gw_use use;		/* accesses under way and pins */
	bool read_only;
};

/* What is asked to be mapped; @want NULL: the DART chooses. */
struct gw_dart_request {
	struct gw_memory mem;
	uint64_t size;
	const gw_iova *want;
};

/** struct gw_dart - one function's address space */
struct gw_dart {
	const struct gw_dart_limits *limits;
	struct gw_dart_totals *totals;
	struct gw_log *log;
	const char *name;		/* of the function, for messages */
	uint64_t salt;			/* tells functions of one seed apart */

	_Atomic bool hasty;		/* an access does not end: wait for no others */

	pthread_rwlock_t lock;		/* held for look-ups only, never during a copy */
	struct gw_imap map GW_GUARDED_BY(lock);
	uint64_t maps GW_GUARDED_BY(lock), bytes GW_GUARDED_BY(lock);
	bool seeded GW_GUARDED_BY(lock);
	uint64_t rng GW_GUARDED_BY(lock), cursor GW_GUARDED_BY(lock);
	uint64_t probes GW_GUARDED_BY(lock);	/* places looked at by the allocator, ever */
};

/** gw_dart_first(), gw_dart_last() - where a DART with these limits puts what it chooses itself */
uint64_t gw_dart_first(const struct gw_dart_limits *l);
uint64_t gw_dart_last(const struct gw_dart_limits *l);

/** gw_dart_init() - @limits, @totals, @name stay the caller's and outlive @d. Return: 0; -errno */
int gw_dart_init(struct gw_dart *d, const struct gw_dart_limits *limits,
		 struct gw_dart_totals *totals, struct gw_log *log, const char *name,
		 uint64_t salt);

/** gw_dart_fini() - everything must be unregistered */
void gw_dart_fini(struct gw_dart *d);

/**
 * gw_dart_register() - make memory reachable
 * @m:   caller's storage; stays in use until gw_dart_unregister()
 * @seg: takes up to @room ranges, *@nr of them. Those for which there is no room are mapped all the
 *       same: as on macOS, the caller has to add up
 *
 * Return: 0; -EINVAL empty or unaligned, -EOVERFLOW wraps, -E2BIG more than one mapping may have,
 * -ENOSPC over the budget of bytes or mappings, -EEXIST the place wanted is taken, -EOPNOTSUPP a
 * place is wanted and this DART chooses, -EFAULT no such memory, -ENOMEM. Nothing has changed then.
 */
int gw_dart_register(struct gw_dart *d, struct gw_dart_mapping *m,
		     const struct gw_dart_request *req, struct gw_segment *seg, unsigned int room,
		     unsigned int *nr);

/**
 * gw_dart_unregister() - no access is under way and none can begin when this returns
 *
 * Return: 0; -ETIMEDOUT an access does not end within GW_DART_PATIENCE_NS; at once if another has
 * not, see gw_dart.hasty. @m stays in use then, but no access can begin.
 */
int gw_dart_unregister(struct gw_dart *d, struct gw_dart_mapping *m);

/** gw_dart_reopen() - let accesses begin again to what could not be unregistered */
void gw_dart_reopen(struct gw_dart_mapping *m);

/** gw_dart_peek() - read 8 bytes of a mapping that stays. Return: 0; -ERANGE, -EOPNOTSUPP, -EIO */
int gw_dart_peek(struct gw_dart_mapping *m, uint64_t off, uint64_t *val);

/**
 * gw_dart_copy() - an access by the device
 *
 * Return: 0; -EFAULT not mapped, or a write to what is read only; -EIO the memory went away;
 * -ECANCELED the remote is stopped.
 */
int gw_dart_copy(struct gw_dart *d, gw_iova iova, void *buf, size_t len, enum gw_dma_dir dir);

/** gw_dart_pin() - as gw_endpoint_pin(), without -EPERM */
int gw_dart_pin(struct gw_dart *d, gw_iova iova, size_t len, enum gw_dma_dir dir,
		struct gw_endpoint_pin *pin);
void gw_dart_unpin(struct gw_dart *d, struct gw_endpoint_pin *pin);

#endif
