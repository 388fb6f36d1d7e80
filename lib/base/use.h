/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_BASE_USE_H
#define GW_BASE_USE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * A use count that can be closed: users come and go without a lock, and whoever wants to take
 * the object away closes the count and waits for the last one. Zeroed, it is open.
 */
struct gw_use {
	_Atomic uint32_t v;		/* users, and the bit below */
};

#define GW_USE_CLOSED	0x80000000u

/** gw_use_get() - become a user. Return: false if it is closed */
static inline bool gw_use_get(struct gw_use *u)
{
	uint32_t v = atomic_load_explicit(&u->v, memory_order_relaxed);

	do {
		if (v & GW_USE_CLOSED)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&u->v, &v, v + 1, memory_order_acquire,
							memory_order_relaxed));
	return true;
}

void gw_use_wake(void);

/** gw_use_put() - no longer a user; the object may be gone as soon as this has counted down */
static inline void gw_use_put(struct gw_use *u)
{
	if (atomic_fetch_sub_explicit(&u->v, 1, memory_order_acq_rel) == (GW_USE_CLOSED | 1))
		gw_use_wake();
}

/** gw_use_close() - no new users from now on; does not wait */
static inline void gw_use_close(struct gw_use *u)
{
	atomic_fetch_or_explicit(&u->v, GW_USE_CLOSED, memory_order_acq_rel);
}

/** gw_use_drain() - wait until a closed count has no users */
void gw_use_drain(struct gw_use *u);

/** gw_use_drain_until() - likewise, until a moment as gw_now_ns() has it. Return: 0; -ETIMEDOUT */
int gw_use_drain_until(struct gw_use *u, uint64_t deadline);

/** gw_use_open() - a closed count takes users again, beside those that it may still have */
static inline void gw_use_open(struct gw_use *u)
{
	atomic_fetch_and_explicit(&u->v, ~GW_USE_CLOSED, memory_order_acq_rel);
}

#endif
