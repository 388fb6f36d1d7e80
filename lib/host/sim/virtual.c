/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "host/sim/host.h"

/* Virtual functions are on the bus while their physical function says so. */

/* The @vf-th of @pf, if it is there. */
static struct gw_sim_function *find(struct gw_sim_function *pf, unsigned int vf)
{
	struct gw_sim *sim = pf->sim;
	struct gw_sim_function *f = NULL;

	pthread_mutex_lock(&sim->lock);
	for (size_t i = 0; i < sim->nr && !f; i++)
		if (sim->fn[i]->pf == pf && sim->fn[i]->vf == vf &&
		    !atomic_load(&sim->fn[i]->bus.gone))
			f = sim->fn[i];
	pthread_mutex_unlock(&sim->lock);
	return f;
}

static int appear(struct gw_sim_function *pf, unsigned int vf)
{
	const struct gw_endpoint_sriov *s = &pf->bus.ep->desc.sriov;
	uint32_t rid = (uint32_t)pf->bus.bus << 8 | pf->bus.dev << 3 | pf->bus.fn;
	struct gw_endpoint *ep;
	int ret;

	rid += s->offset + vf * s->stride;
	if (rid > UINT16_MAX)
		return -ERANGE;
	ret = pf->bus.ep->ops->vf_new(pf->bus.ep, vf, &ep);
	if (ret)
		return ret;
	ret = gw_sim_add_function(pf->sim, ep, pf->bus.root, (uint16_t)rid, pf, vf);
	if (ret)
		ep->ops->free(ep);
	return ret;
}

void gw_sim_vfs(struct gw_endpoint_bus *b, unsigned int nr)
{
	struct gw_sim_function *pf = container_of(b, struct gw_sim_function, bus), *f;

	pthread_mutex_lock(&pf->sim->vfs_lock);
	for (unsigned int vf = 0; vf < b->ep->desc.sriov.total; vf++) {
		int ret = 0;

		f = find(pf, vf);
		if (f && vf >= nr)
			gw_sim_function_vanish(f);
		if (!f && vf < nr)
			ret = appear(pf, vf);
		if (ret)
			gw_err(b->log, "%s: virtual function %u does not appear: %s", b->name, vf,
			       strerror(-ret));
	}
	pthread_mutex_unlock(&pf->sim->vfs_lock);
}
