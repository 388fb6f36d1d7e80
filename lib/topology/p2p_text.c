/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include <gangway/p2p.h>

const char *gw_p2p_map_name(enum gw_p2p_map map)
{
	switch (map) {
	case GW_P2P_NOT_SUPPORTED: return "not supported";
	case GW_P2P_THRU_HOST_BRIDGE: return "through host bridge";
	case GW_P2P_BUS_ADDR: return "bus address";
	case GW_P2P_UNKNOWN: break;
	}
	return "unknown";
}

const char *gw_p2p_address_name(enum gw_p2p_address address)
{
	switch (address) {
	case GW_P2P_BUS_ADDRESS: return "bus address";
	case GW_P2P_IOVA: return "IOVA";
	case GW_P2P_PHYS: return "physical address";
	case GW_P2P_NO_ADDRESS: break;
	}
	return "none";
}

const char *gw_p2p_why_text(enum gw_p2p_why why)
{
	switch (why) {
	case GW_P2P_DIRECT: return "nothing on the way redirects";
	case GW_P2P_REDIRECTED: return "ACS redirects to the root complex";
	case GW_P2P_NO_COMMON:
		return "no bridge is above both, so the root complex must pass it on";
	case GW_P2P_ONE_DEVICE: return "functions of one device, with no known way inside it";
	case GW_P2P_NO_FORWARDING:
		return "functions of one device, with no known way inside it, and the port above "
		       "does not forward upstream (ACS UF)";
	case GW_P2P_DEAD_END:
		return "what goes up to the root complex must come down through a port above both, "
		       "which does not forward upstream (ACS UF)";
	case GW_P2P_ACS_UNREADABLE: return "ACS that decides cannot be read";
	}
	return "";
}

static const char *hop_effect(const struct gw_p2p_hop *hop)
{
	switch (hop->node->acs.state) {
	case GW_ACS_ABSENT: return "has no ACS";
	case GW_ACS_UNREACHABLE:
		return "has registers that this system cannot reach, ACS among them";
	case GW_ACS_UNREADABLE: return "has an ACS that cannot be read";
	case GW_ACS_PRESENT: break;
	}
	switch (hop->redirects) {
	case 0: return "redirects nothing";
	case GW_ACS_RR: return "redirects requests";
	case GW_ACS_CR: return "redirects completions";
	case GW_ACS_RR | GW_ACS_CR: return "redirects requests and completions";
	}
	return "decides by its egress control";
}

const char *gw_p2p_hop_text(const struct gw_p2p_hop *hop, char text[GW_P2P_TEXT_SIZE])
{
	const struct gw_pci_node *n = hop->node;
	char addr[GW_PCI_ADDR_SIZE], flags[GW_ACS_TEXT_SIZE];
	int len = snprintf(text, GW_P2P_TEXT_SIZE, "%s %s %s", gw_pci_type_name(n),
			   gw_pci_addr_format(&n->addr, addr), hop_effect(hop));

	if (n->acs.state == GW_ACS_PRESENT && len < GW_P2P_TEXT_SIZE)
		snprintf(text + len, GW_P2P_TEXT_SIZE - (size_t)len, " (ACS %s)",
			 gw_acs_names(hop->redirects ? hop->redirects : n->acs.ctrl, flags));
	return text;
}

static void host_name(const struct gw_pci_root *root, const struct gw_pci_node *host, char text[48])
{
	if (host)
		snprintf(text, 48, "%s (%04x:%04x)", root->name, host->vendor, host->device);
	else
		snprintf(text, 48, "%s", root->name);
}

const char *gw_p2p_permit_text(const struct gw_p2p_verdict *v, char text[GW_P2P_TEXT_SIZE])
{
	static const char *const what[] = {
		[GW_P2P_NOT_LISTED] = "not known to pass peer-to-peer traffic on",
		[GW_P2P_LISTED] = "known to pass peer-to-peer traffic on",
		[GW_P2P_LISTED_FOR_SAME] = "known to pass it on, but not from one to the other",
		[GW_P2P_BY_CPU] = "of a processor known to pass peer-to-peer traffic on",
	};
	char a[48], b[48];

	host_name(v->provider->root, v->provider_host, a);
	host_name(v->client->root, v->client_host, b);
	if (v->provider->root == v->client->root)
		snprintf(text, GW_P2P_TEXT_SIZE, "host bridge %s is %s", a, what[v->permit]);
	else
		snprintf(text, GW_P2P_TEXT_SIZE, "host bridges %s and %s are %s", a, b,
			 what[v->permit]);
	return text;
}

const char *gw_group_why_text(const struct gw_group_member *m, char text[GW_P2P_TEXT_SIZE])
{
	char addr[GW_PCI_ADDR_SIZE] = "", flags[GW_ACS_TEXT_SIZE];

	if (m->hop)
		gw_pci_addr_format(&m->hop->addr, addr);
	switch (m->why) {
	case GW_GROUP_OWN:
		snprintf(text, GW_P2P_TEXT_SIZE, m->alone ? "kept apart from all others" :
			 "the first of those that are not kept apart");
		break;
	case GW_GROUP_ALIAS:
		snprintf(text, GW_P2P_TEXT_SIZE, "%s %s sends for all below it as one",
			 gw_pci_type_name(m->hop), addr);
		break;
	case GW_GROUP_PATH:
		snprintf(text, GW_P2P_TEXT_SIZE,
			 "%s %s lets what is below it reach peers (%s ACS %s)",
			 gw_pci_type_name(m->hop), addr, m->unreadable ? "unreadable" : "lacks",
			 gw_acs_names(m->missing, flags));
		break;
	case GW_GROUP_SIBLING:
		snprintf(text, GW_P2P_TEXT_SIZE, "one device with %s, not kept apart (%s ACS %s)",
			 addr, m->unreadable ? "unreadable" : "lacks",
			 gw_acs_names(m->missing, flags));
		break;
	}
	return text;
}
