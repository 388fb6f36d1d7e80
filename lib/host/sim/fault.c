/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/sim/fault.h"

static bool equal(const struct gw_sim_fault *a, const struct gw_sim_fault *b)
{
	return a->iova.v == b->iova.v && a->size == b->size && a->dir == b->dir &&
	       a->bus == b->bus && a->dev == b->dev && a->fn == b->fn;
}

void gw_fault_add(struct gw_fault_record *r, const struct gw_sim_fault *f)
{
	size_t i = 0;

	pthread_mutex_lock(&r->lock);
	r->accesses++;
	while (i < r->nr && !equal(&r->fault[i], f))
		i++;
	if (i == r->nr && r->nr < GW_SIM_FAULTS) {
		r->fault[i] = *f;
		r->fault[i].count = 0;
		r->nr++;
	}
	if (i < r->nr)
		r->fault[i].count++;
	pthread_mutex_unlock(&r->lock);
}
