/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_PASSABLE_H
#define GANGWAY_PASSABLE_H

#include <stdbool.h>

#include <gangway/topology.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Can a function of this machine be passed through, and if not, what is in the way? Whoever asks,
 * to list, to bind or to serve it, is answered here.
 */

enum gw_passable {
	GW_PASSABLE_YES,
	GW_PASSABLE_NEVER,	/* a bridge, or a part of the machine itself */
	GW_PASSABLE_NO_GROUP,	/* no IOMMU covers it */
	GW_PASSABLE_NO_IOMMU,	/* it has a group, but VFIO runs without an IOMMU */
	GW_PASSABLE_BLOCKED,	/* a part of the machine is in its group and has a driver */
	GW_PASSABLE_UNBOUND,	/* VFIO does not have it */
	GW_PASSABLE_MEMBER,	/* VFIO does not have another function of its group, but a driver
				 * does */
};

/**
 * gw_passable() - the first of these that holds; gw_topology_scan() comes first
 * @who: with GW_PASSABLE_BLOCKED and _MEMBER the other function; may be NULL
 */
enum gw_passable gw_passable(struct gw_topology *t, struct gw_pci_node *n,
			     struct gw_pci_node **who);

/**
 * gw_passable_never() - is it a function that no guest can have? After gw_pci_node_config()
 *
 * Those are bridges by their header, and host and ISA bridges, which have an ordinary one. Other
 * "bridges" by class are endpoints: fabric switches, non-transparent bridges, coprocessors.
 */
bool gw_passable_never(const struct gw_pci_node *n);

/** gw_passable_in_the_way() - does it keep VFIO from its whole group? After gw_pci_node_config() */
bool gw_passable_in_the_way(const struct gw_pci_node *n);

/**
 * gw_passable_next() - the functions that go together with @n, itself among them
 * @at: the one before, or NULL to begin
 */
struct gw_pci_node *gw_passable_next(struct gw_topology *t, const struct gw_pci_node *n,
				     struct gw_pci_node *at);

#ifdef __cplusplus
}
#endif

#endif
