/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/owner.h"

#include <assert.h>
#include <stdint.h>
#include <stddef.h>

/* No process has such a number. */
static const struct gw_vmm self = { .id = { UINT64_MAX, UINT64_MAX }, .name = "this program" };

bool gw_owner_take(struct gw_owner *o, const struct gw_vmm *vmm)
{
	if (!vmm)
		vmm = &self;
	if (o->claims && !gw_vmm_same(&o->vmm, vmm))
		return false;
	o->vmm = *vmm;
	o->claims++;
	return true;
}

bool gw_owner_is_self(const struct gw_owner *o)
{
	return gw_vmm_same(&o->vmm, &self);
}

void gw_owner_leave(struct gw_owner *o)
{
	assert(o->claims);
	o->claims--;
}
