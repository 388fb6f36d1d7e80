/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_HOST_VFIO_FUNCTION_H
#define GW_HOST_VFIO_FUNCTION_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include <bsd/sys/queue.h>

#include "base/lock.h"
#include "base/util.h"
#include "host/vfio/bars.h"
#include "host/vfio/device.h"
#include "host/vfio/host.h"
#include "host/vfio/irqs.h"

/**
 * struct gw_vfio_function - an open function
 * @slot:   its bit among the users of @space; it stays
 * @lock:   held for reading by all that use the descriptor, for writing to give it up. Taken under
 *          the host's lock, over the space's
 * @gone:   it was given up: @device and @space are no more. These change with both locks held, so
 *          the host's is enough to look
 * @claimed: a VMM has it, which is the owner of @space; changed under the host's lock
 */
struct gw_vfio_function {
	struct gw_function base;
	struct gw_vfio_host *host;
	LIST_ENTRY(gw_vfio_function) link;
	int gone_fd;
	struct gw_vfio_irqs irqs;
	struct gw_vfio_bars bars;

	unsigned int slot;
	pthread_rwlock_t lock;
	bool gone GW_GUARDED_BY(lock);
	_Atomic bool claimed;
	_Atomic bool reached;		/* a peer has had a BAR of it mapped */
	struct gw_vfio_device device GW_GUARDED_BY(lock);
	struct gw_vfio_space *space GW_GUARDED_BY(lock);
};

static inline struct gw_vfio_function *gw_vfio_fn(struct gw_function *f)
{
	return container_of(f, struct gw_vfio_function, base);
}

/** gw_vfio_is_gone() - for who has the host's lock; the next likewise */
static inline bool gw_vfio_is_gone(const struct gw_vfio_function *fn) GW_HOLDS(fn->host->lock)
{
	GW_READABLE(fn->lock);
	return fn->gone;
}

static inline struct gw_vfio_space *gw_vfio_space_of(const struct gw_vfio_function *fn)
	GW_HOLDS(fn->host->lock)
{
	GW_READABLE(fn->lock);
	return fn->space;
}

/** gw_vfio_enter() - use the descriptor until gw_vfio_leave(). Return: 0; -ENODEV it is gone */
static inline int gw_vfio_enter(struct gw_vfio_function *fn) GW_TRIES_SHARED(0, fn->lock)
{
	pthread_rwlock_rdlock(&fn->lock);
	if (!fn->gone)
		return 0;
	pthread_rwlock_unlock(&fn->lock);
	return -ENODEV;
}

static inline void gw_vfio_leave(struct gw_vfio_function *fn) GW_UNLOCKS(fn->lock)
{
	pthread_rwlock_unlock(&fn->lock);
}

/**
 * gw_vfio_function_new() - open what gw_vfio_group_check() has let pass
 *
 * Return: 0; -EACCES, -EBUSY, -EOPNOTSUPP, each logged with the way out; -ENOMEM; -errno of the
 * kernel.
 */
int gw_vfio_function_new(struct gw_vfio_host *host, const struct gw_function_ops *ops,
			 const char *bdf, unsigned int group, struct gw_function **f);

/** gw_vfio_function_free() - nobody uses it; what is mapped goes */
void gw_vfio_function_free(struct gw_vfio_function *fn);

/**
 * gw_vfio_function_give_up() - let the kernel have the function back: bus mastering is off, nothing
 * is mapped, and every operation answers -ENODEV from now on. Any thread; a second time does
 * nothing
 */
void gw_vfio_function_give_up(struct gw_vfio_function *fn);

/** gw_vfio_function_unclaim() - it is no VMM's any more, if it was */
void gw_vfio_function_unclaim(struct gw_vfio_function *fn) GW_HOLDS(fn->host->lock);

#endif
