/* SPDX-License-Identifier: BSD-3-Clause */
#include <gangway/passable.h>

#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "topology/topology.h"

#define CLASS_HOST	0x0600u
#define CLASS_ISA	0x0601u
#define CLASS_PCI	0x0604u
#define CLASS_CARDBUS	0x0607u

bool gw_passable_never(const struct gw_pci_node *n)
{
	unsigned int class = n->class_code >> 8;

	/* the last two for those whose header cannot be read */
	return n->bridge || class == CLASS_HOST || class == CLASS_ISA || class == CLASS_PCI ||
	       class == CLASS_CARDBUS;
}

bool gw_passable_in_the_way(const struct gw_pci_node *n)
{
	/* these drive nothing, and bridges only forward */
	static const char *const harmless[] = { "pci-stub", "pci-pf-stub", "pcieport" };

	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
		if (!strcmp(n->driver, harmless[i]))
			return false;
	return *n->driver && !n->vfio && !n->bridge;
}

/* The next function of the same group, @n among them. */
static struct gw_pci_node *group_next(struct gw_topology *t, const struct gw_pci_node *n,
				      struct gw_pci_node *at)
{
	while ((at = gw_topology_next(t, at)))
		if (at == n || (n->group >= 0 && !gw_pci_node_config(t, at) && at->group == n->group))
			return at;
	return NULL;
}

struct gw_pci_node *gw_passable_next(struct gw_topology *t, const struct gw_pci_node *n,
				     struct gw_pci_node *at)
{
	while ((at = group_next(t, n, at)) && at != n && gw_passable_never(at))
		;
	return at;
}

/*
 * Another function of the group that is in the way, one that never is passed through or one that
 * may.
 */
static struct gw_pci_node *find_in_the_way(struct gw_topology *t, const struct gw_pci_node *n,
					   bool never)
{
	struct gw_pci_node *o = NULL;

	while ((o = group_next(t, n, o)))
		if (o != n && gw_passable_never(o) == never && gw_passable_in_the_way(o))
			return o;
	return NULL;
}

static bool no_iommu(struct gw_topology *t, const struct gw_pci_node *n)
{
	char name[32];

	return !gw_topology_read(t, &n->addr, "iommu_group/name", name, sizeof(name)) &&
	       !strcmp(name, "vfio-noiommu");
}

enum gw_passable gw_passable(struct gw_topology *t, struct gw_pci_node *n, struct gw_pci_node **who)
{
	struct gw_pci_node *o;

	if (gw_passable_never(n))
		return GW_PASSABLE_NEVER;
	/* the function's own node does not tell: it may be there without an IOMMU */
	if (n->group < 0)
		return GW_PASSABLE_NO_GROUP;
	if (no_iommu(t, n))
		return GW_PASSABLE_NO_IOMMU;
	o = find_in_the_way(t, n, true);
	if (who && o)
		*who = o;
	if (o)
		return GW_PASSABLE_BLOCKED;
	if (!n->vfio)
		return GW_PASSABLE_UNBOUND;
	o = find_in_the_way(t, n, false);
	if (who && o)
		*who = o;
	return o ? GW_PASSABLE_MEMBER : GW_PASSABLE_YES;
}
