/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/passable.h"

#include <stdio.h>

#include "base/quote.h"

bool passable_text(struct gw_topology *t, struct gw_pci_node *n, char text[PASSABLE_TEXT_SIZE])
{
	char addr[GW_PCI_ADDR_SIZE], driver[128];
	struct gw_pci_node *who = n;
	enum gw_passable answer = gw_passable(t, n, &who);

	gw_pci_addr_format(&who->addr, addr);
	gw_quote(who->driver, driver, sizeof(driver));
	switch (answer) {
	case GW_PASSABLE_YES:
		snprintf(text, PASSABLE_TEXT_SIZE, "yes");
		break;
	case GW_PASSABLE_NEVER:
		snprintf(text, PASSABLE_TEXT_SIZE, "no: it belongs to the machine itself");
		break;
	case GW_PASSABLE_NO_GROUP:
		snprintf(text, PASSABLE_TEXT_SIZE, "no: it has no IOMMU group; see gangway doctor");
		break;
	case GW_PASSABLE_NO_IOMMU:
		snprintf(text, PASSABLE_TEXT_SIZE, "no: VFIO goes without an IOMMU here; see gangway doctor");
		break;
	case GW_PASSABLE_BLOCKED:
		snprintf(text, PASSABLE_TEXT_SIZE, "no: %s of the same group belongs to the machine itself "
			 "and has driver %s", addr, driver);
		break;
	case GW_PASSABLE_UNBOUND:
		snprintf(text, PASSABLE_TEXT_SIZE, "not yet: gangway bind %s", addr);
		break;
	case GW_PASSABLE_MEMBER:
		snprintf(text, PASSABLE_TEXT_SIZE, "no: %s of the same group has driver %s; gangway bind %s",
			 addr, driver, addr);
		break;
	}
	return answer == GW_PASSABLE_YES;
}
