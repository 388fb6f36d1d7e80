/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/vfio/claim.h"

#include <errno.h>

#include "host/vfio/function.h"

/*
 * How it works: functions of one IOMMU group reach the same memory, so they go to one VMM. The
 * first function that a VMM claims makes the address space that VMM's, until it has given back the
 * last. A VMM that ends loses its functions one after the other, and its successor may be quicker
 * than that: so a claim waits a moment before it is refused.
 *
 * What a VMM was handed to map BARs with stays mapped there for as long as it likes: the kernel
 * takes a dma-buf back when the function is closed, and a file of sysfs never. So a function of
 * which a VMM was handed anything is given up when that VMM goes, and no other gets it.
 */

#define CLAIM_WAIT_NS	2000000000ull	/* a VMM gives up after 5 s */

/* The lock is let go of while it waits. */
static int claim_wait(struct gw_vfio_function *fn, const struct gw_vmm *vmm) GW_HOLDS(fn->host->lock)
{
	uint64_t deadline = gw_now_ns() + CLAIM_WAIT_NS;
	const struct timespec until = {
		.tv_sec = (time_t)(deadline / 1000000000u), .tv_nsec = (long)(deadline % 1000000000u),
	};
	int ret = 0;

	while (!gw_vfio_is_gone(fn) && !gw_owner_take(&gw_vfio_space_of(fn)->owner, vmm)) {
		if (ret)
			return -EBUSY;
		ret = pthread_cond_clockwait(&fn->host->unclaimed, &fn->host->lock, CLOCK_MONOTONIC,
					     &until);
	}
	return gw_vfio_is_gone(fn) ? -ENODEV : 0;
}

static void refuse(const struct gw_vfio_function *fn, const struct gw_vmm *vmm)
	GW_HOLDS(fn->host->lock)
{
	const struct gw_vfio_space *s = gw_vfio_space_of(fn);

	gw_log_guest(fn->base.log, "%s: %s cannot have it: %s has other functions of IOMMU group %u, and "
		     "all of a group reach the same memory; give them all to one VMM",
		     fn->base.info.name, vmm ? vmm->name : "this program", s->owner.vmm.name, s->group);
}

int gw_vfio_claim(struct gw_function *f, const struct gw_vmm *vmm)
{
	struct gw_vfio_function *fn = gw_vfio_fn(f);
	struct gw_vfio_space *s;
	int ret;

	pthread_mutex_lock(&fn->host->lock);
	ret = claim_wait(fn, vmm);
	if (ret == -EBUSY)
		refuse(fn, vmm);
	if (ret)
		goto unlock;
	/* the first: nothing of the VMM before it may be within reach */
	s = gw_vfio_space_of(fn);
	if (s->owner.claims == 1 && gw_vfio_space_retry(s)) {
		gw_owner_leave(&s->owner);
		ret = -EIO;
		goto unlock;
	}
	atomic_store(&fn->claimed, true);
unlock:
	pthread_mutex_unlock(&fn->host->lock);
	return ret;
}

/* Does the VMM that has claimed it, another process, hold something of it? */
static bool handed_out(const struct gw_vfio_function *fn) GW_HOLDS(fn->host->lock)
{
	return fn->claimed && !gw_owner_is_self(&gw_vfio_space_of(fn)->owner) &&
	       gw_vfio_bars_handed(&fn->bars);
}

void gw_vfio_unclaim(struct gw_function *f)
{
	struct gw_vfio_function *fn = gw_vfio_fn(f);
	bool handed;

	pthread_mutex_lock(&fn->host->lock);
	handed = handed_out(fn);
	gw_vfio_function_unclaim(fn);
	pthread_mutex_unlock(&fn->host->lock);
	if (!handed)
		return;
	gw_warn(fn->base.log, "%s: a VMM that has gone was handed BARs of it and may keep them mapped; so "
		"no other VMM gets the function", fn->base.info.name);
	gw_vfio_function_give_up(fn);
}
