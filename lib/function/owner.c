/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "base/os.h"
#include "base/util.h"
#include "base/vmm.h"
#include "function/function.h"

#define WAIT_NS		1000000000ull	/* a VMM gives up after 5 s */

int gw_guest_owner_init(struct gw_guest_owner *o)
{
	int ret = gw_os_cond_init(&o->left);

	if (!ret)
		pthread_mutex_init(&o->lock, NULL);
	return ret;
}

void gw_guest_owner_fini(struct gw_guest_owner *o)
{
	pthread_cond_destroy(&o->left);
	pthread_mutex_destroy(&o->lock);
}

static void refuse(const struct gw_guest_function *gf, const struct gw_vmm *vmm, const char *what)
	GW_HOLDS(gf->owner.lock)
{
	const struct gw_guest_owner *o = &gf->owner;

	gw_log_guest(gf->log, "%s: %s cannot have %s: %s has %s, and both belong to one VMM%s",
		     gf->fn->info.name, vmm->name, what, o->vmm.vmm.name, o->has,
		     !vmm->id[0] ? "; serve them where the VMM can be seen, in its PID namespace" :
		     "");
}

/*
 * A window or a pool is in memory that was made for one VMM. That VMM may keep it for as long as it
 * likes, so no other gets the memory, and the VMM that had it last was also the first.
 */
static bool had_by_its_only_one(const struct gw_guest_function *gf) GW_HOLDS(gf->owner.lock)
{
	enum gw_plan plan = gw_dma_plan(gf->dma);

	return (plan == GW_PLAN_WINDOW || plan == GW_PLAN_POOL) && *gf->owner.vmm.vmm.name;
}

static bool is_too_late(struct gw_guest_function *gf, const struct gw_vmm *vmm)
	GW_HOLDS(gf->owner.lock)
{
	const struct gw_vmm *last = &gf->owner.vmm.vmm;

	if (!had_by_its_only_one(gf) || gw_vmm_same(last, vmm))
		return false;
	gw_log_guest(gf->log, "%s: %s cannot have it: the guest's memory is that of %s, which may have kept "
		     "it; start 'gangway serve' again for another", gf->fn->info.name, vmm->name,
		     last->name);
	return true;
}

bool gw_guest_function_spent(struct gw_guest_function *gf)
{
	bool spent;

	pthread_mutex_lock(&gf->owner.lock);
	spent = had_by_its_only_one(gf) && !gf->owner.vmm.claims &&
		(!gf->owner.vmm.vmm.id[1] || gw_vmm_is_gone(&gf->owner.vmm.vmm));
	pthread_mutex_unlock(&gf->owner.lock);
	return spent;
}

/* A VMM that ends loses the two one after the other, and its successor may be quicker than that. */
int gw_guest_function_own(struct gw_guest_function *gf, const struct gw_vmm *vmm, const char *what)
{
	uint64_t deadline = gw_now_ns() + WAIT_NS;
	bool has = false;
	int ret = 0;

	pthread_mutex_lock(&gf->owner.lock);
	if (is_too_late(gf, vmm))
		goto unlock;
	while (!(has = gw_owner_take(&gf->owner.vmm, vmm)) && !ret)
		ret = gw_os_cond_wait_until(&gf->owner.left, &gf->owner.lock, deadline);
	if (has)
		gf->owner.has = what;
	else
		refuse(gf, vmm, what);
unlock:
	pthread_mutex_unlock(&gf->owner.lock);
	return has ? 0 : -EBUSY;
}

void gw_guest_function_disown(struct gw_guest_function *gf)
{
	struct gw_guest_owner *o = &gf->owner;

	pthread_mutex_lock(&o->lock);
	gw_owner_leave(&o->vmm);
	pthread_cond_broadcast(&o->left);
	pthread_mutex_unlock(&o->lock);
}
