/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/passable.h"

#include <stdio.h>
#include <string.h>

#define CLASS_BRIDGE	0x06u	/* of any kind: to the processor, to ISA, to PCI */

struct gw_pci_node *passable_next(struct gw_topology *t, const struct gw_pci_node *n,
				  struct gw_pci_node *at)
{
	while ((at = gw_topology_next(t, at))) {
		if (at == n)
			return at;
		if (n->group >= 0 && !gw_pci_node_config(t, at) && at->group == n->group &&
		    !at->bridge)
			return at;
	}
	return NULL;
}

bool passable_never(const struct gw_pci_node *n)
{
	return n->bridge || n->class_code >> 16 == CLASS_BRIDGE;
}

bool passable(struct gw_topology *t, struct gw_pci_node *n, char text[PASSABLE_TEXT_SIZE])
{
	char addr[GW_PCI_ADDR_SIZE];

	gw_pci_addr_format(&n->addr, addr);
	if (passable_never(n)) {
		snprintf(text, PASSABLE_TEXT_SIZE, "no: it belongs to the machine itself");
		return false;
	}
	if (n->group < 0) {
		snprintf(text, PASSABLE_TEXT_SIZE, "no: it has no IOMMU group; see gangway doctor");
		return false;
	}
	if (strcmp(n->driver, VFIO_DRIVER)) {
		snprintf(text, PASSABLE_TEXT_SIZE, "not yet: gangway bind %s", addr);
		return false;
	}
	for (struct gw_pci_node *o = NULL; (o = passable_next(t, n, o));) {
		if (!*o->driver || !strcmp(o->driver, VFIO_DRIVER) ||
		    !strcmp(o->driver, "pci-stub"))
			continue;
		snprintf(text, PASSABLE_TEXT_SIZE, "no: %s of the same group has driver %.60s",
			 gw_pci_addr_format(&o->addr, addr), o->driver);
		return false;
	}
	snprintf(text, PASSABLE_TEXT_SIZE, "yes");
	return true;
}
