/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_PLAN_H
#define GANGWAY_PLAN_H

#include <stdbool.h>

#include <gangway/host.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How the addresses that a guest gives its device become ones that the device can use. */

enum gw_plan { GW_PLAN_AUTO, GW_PLAN_DIRECT, GW_PLAN_WINDOW, GW_PLAN_POOL, GW_PLAN_PARAVIRT };

/** gw_plan_name() - "direct", ...; static */
const char *gw_plan_name(enum gw_plan plan);

/** gw_plan_parse() - Return: 0; -EINVAL not a plan's name */
int gw_plan_parse(const char *name, enum gw_plan *plan);

#define GW_PLAN_REASON	160	/* bytes of a line on why, NUL included */

/**
 * gw_plan_choose() - what "auto" means for a function, or whether @want is possible
 * @device_tree: the guest boots from a device tree that we write
 * @reason:      takes one line on why, or why not
 *
 * Return: 0; -EOPNOTSUPP @want cannot work here.
 */
int gw_plan_choose(const struct gw_host_limits *limits, bool device_tree, enum gw_plan want,
		   enum gw_plan *plan, char reason[GW_PLAN_REASON]);

#ifdef __cplusplus
}
#endif

#endif
