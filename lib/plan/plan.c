/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <gangway/plan.h>

#include "base/util.h"

static const char *const names[] = {
	[GW_PLAN_AUTO] = "auto",
	[GW_PLAN_DIRECT] = "direct",
	[GW_PLAN_WINDOW] = "window",
	[GW_PLAN_POOL] = "pool",
	[GW_PLAN_PARAVIRT] = "paravirt",
};

const char *gw_plan_name(enum gw_plan plan)
{
	return names[plan];
}

int gw_plan_parse(const char *name, enum gw_plan *plan)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(name, names[i])) {
			*plan = (enum gw_plan)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* Why @plan cannot work here, or NULL. */
static const char *plan_obstacle(const struct gw_host_limits *limits, bool device_tree,
				 enum gw_plan plan)
{
	switch (plan) {
	case GW_PLAN_DIRECT:
		return limits->caller_iova ? NULL : "the host chooses the DMA addresses itself";
	case GW_PLAN_WINDOW:
	case GW_PLAN_POOL:
		return device_tree ? NULL : "the guest does not boot from a device tree that we write";
	case GW_PLAN_PARAVIRT:
		return NULL;	/* the guest has the module, or does not see the function */
	case GW_PLAN_AUTO:
		break;
	}
	return "not a plan by itself";
}

int gw_plan_choose(const struct gw_host_limits *limits, bool device_tree, enum gw_plan want,
		   enum gw_plan *plan, char reason[GW_PLAN_REASON])
{
	const char *why;

	if (want != GW_PLAN_AUTO) {
		why = plan_obstacle(limits, device_tree, want);
		snprintf(reason, GW_PLAN_REASON, "%s", why ? why : "asked for");
		*plan = want;
		return why ? -EOPNOTSUPP : 0;
	}
	if (!plan_obstacle(limits, device_tree, GW_PLAN_DIRECT)) {
		*plan = GW_PLAN_DIRECT;
		snprintf(reason, GW_PLAN_REASON, "the host takes the guest's own addresses");
		return 0;
	}
	if (!plan_obstacle(limits, device_tree, GW_PLAN_WINDOW)) {
		*plan = GW_PLAN_WINDOW;
		snprintf(reason, GW_PLAN_REASON,
			 "the host chooses the DMA addresses and the guest boots from a "
			 "device tree");
		return 0;
	}
	*plan = GW_PLAN_PARAVIRT;
	snprintf(reason, GW_PLAN_REASON,
		 "the host chooses the DMA addresses and the guest has no device tree of "
		 "ours");
	return 0;
}
