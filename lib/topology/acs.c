/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include <gangway/topology.h>

/*
 * A control that the capability lacks counts as built in, except egress control: a function
 * without it cannot be kept from its peers that way.
 */
static uint16_t flags_missing(const struct gw_acs *acs, uint16_t flags)
{
	if (acs->state != GW_ACS_PRESENT)
		return flags;
	return (uint16_t)(flags & (acs->cap | GW_ACS_EC) & ~acs->ctrl);
}

/*
 * Functions that have no ports below them are asked only if they have siblings to reach: without
 * an ACS capability a lone function is taken to have no way to itself or to its virtual functions
 * (those that have one must have ACS: PCIe 5.0, 6.12.1.2).
 */
bool gw_acs_enabled(const struct gw_pci_node *node, uint16_t flags, uint16_t *missing)
{
	uint16_t lacks = flags;

	switch (node->type) {
	case GW_PCI_CONVENTIONAL:
	case GW_PCI_TO_PCI_BRIDGE:
	case GW_PCI_TO_PCIE_BRIDGE:
	case GW_PCI_RC_EVENT_COLLECTOR:
	case GW_PCI_TYPE_UNKNOWN:
		break;
	case GW_PCI_ROOT_PORT:
	case GW_PCI_DOWNSTREAM_PORT:
		lacks = flags_missing(&node->acs, flags);
		break;
	case GW_PCI_ENDPOINT:
	case GW_PCI_LEGACY_ENDPOINT:
	case GW_PCI_UPSTREAM_PORT:
	case GW_PCI_RC_ENDPOINT:
		lacks = node->multifunction ? flags_missing(&node->acs, flags) : 0;
		break;
	default:
		lacks = 0;
	}
	if (missing)
		*missing = lacks;
	return !lacks;
}

const char *gw_acs_names(uint16_t flags, char text[GW_ACS_TEXT_SIZE])
{
	static const char name[][3] = { "SV", "TB", "RR", "CR", "UF", "EC", "DT" };
	size_t len = 0;

	strcpy(text, "none");
	for (unsigned int i = 0; i < sizeof(name) / sizeof(name[0]); i++) {
		if (flags >> i & 1)
			len += (size_t)snprintf(text + len, 32 - len, "%s%s", len ? " " : "",
						name[i]);
	}
	return text;
}

const char *gw_pci_type_name(const struct gw_pci_node *node)
{
	switch (node->type) {
	case GW_PCI_ENDPOINT:
	case GW_PCI_LEGACY_ENDPOINT: return node->physfn ? "virtual function" : "endpoint";
	case GW_PCI_ROOT_PORT: return "root port";
	case GW_PCI_UPSTREAM_PORT: return "upstream port";
	case GW_PCI_DOWNSTREAM_PORT: return "downstream port";
	case GW_PCI_TO_PCI_BRIDGE: return "PCIe-to-PCI bridge";
	case GW_PCI_TO_PCIE_BRIDGE: return "PCI-to-PCIe bridge";
	case GW_PCI_RC_ENDPOINT: return "root complex endpoint";
	case GW_PCI_RC_EVENT_COLLECTOR: return "event collector";
	case GW_PCI_CONVENTIONAL: return node->bridge ? "PCI bridge" : "PCI function";
	case GW_PCI_TYPE_UNKNOWN: return node->bridge ? "bridge" : "function";
	}
	return "function of an unknown type";
}
