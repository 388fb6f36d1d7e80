/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include <gangway/p2p.h>

#include "topology/topology.h"

/*
 * How it works: the hops from the provider up, and from the client up, end at the first bridge
 * that is above both, or at the root bus. Both rules then read the same hops.
 *
 * Classic: any hop that redirects anything sends all of it up to the root complex. Without a bridge
 * above both, no hop is asked. Strict: only the two hops right below the common bridge have a
 * choice; requests come in at the client's and are subject to its RR and EC, completions come in at
 * the provider's and are subject to its CR (PCIe 5.0, 6.12.1). But nothing says that functions of
 * one device have a way to each other at all; the only way that is known is by the port above them,
 * if it forwards upstream what it gets from below and is for below (UF), and then by the root
 * complex. Whatever goes by way of the root complex passes each port above both functions twice,
 * and so every such port must forward upstream. Upstream ports and bridges have no such control,
 * and always do.
 */

#define REDIRECT	(GW_ACS_RR | GW_ACS_CR | GW_ACS_EC)

static void hop_add(struct gw_p2p_verdict *v, const struct gw_pci_node *n, enum gw_p2p_side side)
{
	v->hop[v->nr_hops++] = (struct gw_p2p_hop){
		.node = n, .side = side,
		.redirects = n->acs.state == GW_ACS_PRESENT ? n->acs.ctrl & REDIRECT : 0,
	};
}

static bool acs_unreadable(const struct gw_pci_node *n)
{
	return n->acs.state == GW_ACS_UNREADABLE || n->acs.state == GW_ACS_UNREACHABLE;
}

static bool forwards(const struct gw_pci_node *port)
{
	return port->acs.state == GW_ACS_PRESENT && port->acs.ctrl & GW_ACS_UF;
}

/* The first port from @n upwards that does not forward upstream, or of which that is not known. */
static const struct gw_pci_node *dead_end(const struct gw_pci_node *n)
{
	for (; n; n = n->up) {
		bool port = n->type == GW_PCI_ROOT_PORT || n->type == GW_PCI_DOWNSTREAM_PORT;

		if (port ? !forwards(n) : n->type == GW_PCI_TYPE_UNKNOWN)
			return n;
	}
	return NULL;
}

static bool is_above(const struct gw_pci_node *a, const struct gw_pci_node *n)
{
	while (n && n != a)
		n = n->up;
	return n;
}

static void find_hops(struct gw_p2p_verdict *v)
{
	const struct gw_pci_node *down[GW_PCI_MAX_DEPTH];
	struct gw_pci_node *n;
	unsigned int nr = 0;

	for (n = v->provider; n && !is_above(n, v->client); n = n->up)
		hop_add(v, n, GW_P2P_PROVIDER_SIDE);
	v->common = n;
	v->distance = v->nr_hops;
	if (n) {
		if (v->nr_hops)
			v->hop[v->nr_hops - 1].parts = true;
		hop_add(v, n, GW_P2P_COMMON);
	}
	for (n = v->client; n != v->common; n = n->up)
		down[nr++] = n;
	v->distance += nr;
	for (unsigned int i = nr; i--;)
		hop_add(v, down[i], GW_P2P_CLIENT_SIDE);
	if (v->common && nr)
		v->hop[v->nr_hops - nr].parts = true;
}

static int read_hops(struct gw_topology *t, struct gw_p2p_verdict *v)
{
	struct gw_pci_node *end[] = { v->provider, v->client }, *host[2];
	int ret;

	for (unsigned int i = 0; i < 2; i++) {
		for (struct gw_pci_node *n = end[i]; n; n = n->up) {
			ret = gw_pci_node_config(t, n);
			if (ret)
				return ret;
		}
		host[i] = NULL;
		ret = gw_pci_root_first(t, end[i]->root, &host[i]);
		if (!ret)
			ret = gw_pci_node_config(t, host[i]);
		if (ret && ret != -ENOENT)
			return ret;
	}
	v->provider_host = host[0];
	v->client_host = host[1];
	return 0;
}

static enum gw_p2p_map by_host(const struct gw_p2p_verdict *v)
{
	return v->permit == GW_P2P_LISTED || v->permit == GW_P2P_BY_CPU ?
		GW_P2P_THRU_HOST_BRIDGE : GW_P2P_NOT_SUPPORTED;
}

static struct gw_p2p_answer classic_rule(const struct gw_p2p_verdict *v)
{
	bool unreadable = false;

	if (!v->common)
		return (struct gw_p2p_answer){ by_host(v), GW_P2P_NO_COMMON };
	for (unsigned int i = 0; i < v->nr_hops; i++) {
		if (v->hop[i].redirects)
			return (struct gw_p2p_answer){ by_host(v), GW_P2P_REDIRECTED };
		unreadable |= v->hop[i].node->acs.state == GW_ACS_UNREADABLE;
	}
	if (unreadable)
		return (struct gw_p2p_answer){ GW_P2P_UNKNOWN, GW_P2P_ACS_UNREADABLE };
	return (struct gw_p2p_answer){ GW_P2P_BUS_ADDR, GW_P2P_DIRECT };
}

/* The device a function belongs to: its own slot's, or that of its physical function. */
static bool one_device(const struct gw_pci_node *a, const struct gw_pci_node *b)
{
	a = a->physfn ? a->physfn : a;
	b = b->physfn ? b->physfn : b;
	/* ports of a switch may share a slot, and have a way to each other all the same */
	if (a->type == GW_PCI_DOWNSTREAM_PORT && b->type == GW_PCI_DOWNSTREAM_PORT)
		return false;
	return a->addr.domain == b->addr.domain && a->addr.bus == b->addr.bus &&
	       a->addr.dev == b->addr.dev;
}

/* By the root complex and down again. */
static struct gw_p2p_answer strict_by_host(const struct gw_p2p_verdict *v, enum gw_p2p_why why)
{
	if (!v->dead_end || by_host(v) == GW_P2P_NOT_SUPPORTED)
		return (struct gw_p2p_answer){ by_host(v), why };
	if (acs_unreadable(v->dead_end))
		return (struct gw_p2p_answer){ GW_P2P_NOT_SUPPORTED, GW_P2P_ACS_UNREADABLE };
	return (struct gw_p2p_answer){ GW_P2P_NOT_SUPPORTED, why == GW_P2P_ONE_DEVICE ?
				       GW_P2P_NO_FORWARDING : GW_P2P_DEAD_END };
}

static struct gw_p2p_answer one_device_rule(const struct gw_p2p_verdict *v)
{
	const struct gw_pci_node *port = v->provider == v->client ? v->provider->up : v->common;

	if (!port)
		return (struct gw_p2p_answer){ by_host(v), GW_P2P_ONE_DEVICE };
	if (acs_unreadable(port))
		return (struct gw_p2p_answer){ GW_P2P_NOT_SUPPORTED, GW_P2P_ACS_UNREADABLE };
	if (!forwards(port))
		return (struct gw_p2p_answer){ GW_P2P_NOT_SUPPORTED, GW_P2P_NO_FORWARDING };
	return strict_by_host(v, GW_P2P_ONE_DEVICE);
}

static struct gw_p2p_answer strict_rule(const struct gw_p2p_verdict *v)
{
	const struct gw_p2p_hop *p = NULL, *c = NULL;
	uint16_t redirects = 0;

	for (unsigned int i = 0; i < v->nr_hops; i++) {
		if (v->hop[i].parts && v->hop[i].side == GW_P2P_PROVIDER_SIDE)
			p = &v->hop[i];
		else if (v->hop[i].parts)
			c = &v->hop[i];
	}
	if (v->provider == v->client || (p && c && one_device(p->node, c->node)))
		return one_device_rule(v);
	if (!v->common)
		return (struct gw_p2p_answer){ by_host(v), one_device(v->provider, v->client) ?
					       GW_P2P_ONE_DEVICE : GW_P2P_NO_COMMON };
	if ((p && acs_unreadable(p->node)) || (c && acs_unreadable(c->node)))
		return (struct gw_p2p_answer){ GW_P2P_NOT_SUPPORTED, GW_P2P_ACS_UNREADABLE };
	/* one that is above the other is on its way: no port has to turn anything round */
	if (p && c)
		redirects = (p->redirects & GW_ACS_CR) | (c->redirects & (GW_ACS_RR | GW_ACS_EC));
	if (redirects)
		return strict_by_host(v, GW_P2P_REDIRECTED);
	return (struct gw_p2p_answer){ GW_P2P_BUS_ADDR, GW_P2P_DIRECT };
}

/* Where there is no way: would there be a direct one if nothing were redirected? */
static void find_clear(struct gw_p2p_verdict *v)
{
	struct gw_p2p_verdict direct = *v;

	if (v->map != GW_P2P_NOT_SUPPORTED)
		return;
	for (unsigned int i = 0; i < v->nr_hops; i++)
		direct.hop[i].redirects = 0;
	if (classic_rule(&direct).map != GW_P2P_BUS_ADDR || strict_rule(&direct).map != GW_P2P_BUS_ADDR)
		return;
	for (unsigned int i = 0; i < v->nr_hops; i++)
		v->hop[i].clear = v->hop[i].redirects;
}

/* Does the IOMMU translate what the function sends? */
static bool translated(struct gw_topology *t, const struct gw_pci_node *n)
{
	char type[32];

	if (n->group < 0)
		return false;
	return gw_topology_read(t, &n->addr, "iommu_group/type", type, sizeof(type)) ||
	       strcmp(type, "identity");
}

static enum gw_p2p_address address_for(struct gw_topology *t, const struct gw_p2p_verdict *v)
{
	switch (v->map) {
	case GW_P2P_BUS_ADDR: return GW_P2P_BUS_ADDRESS;
	case GW_P2P_THRU_HOST_BRIDGE:
		return translated(t, v->client) ? GW_P2P_IOVA : GW_P2P_PHYS;
	default: return GW_P2P_NO_ADDRESS;
	}
}

int gw_p2p_verdict(struct gw_topology *t, const struct gw_p2p_hosts *h,
		   struct gw_pci_node *provider, struct gw_pci_node *client,
		   struct gw_p2p_verdict *v)
{
	int ret;

	memset(v, 0, sizeof(*v));
	v->provider = provider;
	v->client = client;
	ret = read_hops(t, v);
	if (ret)
		return ret;
	find_hops(v);
	v->dead_end = dead_end(v->common);
	v->permit = gw_p2p_hosts_permit(h, t, v);
	v->classic = classic_rule(v);
	v->strict = strict_rule(v);
	v->map = v->classic.map < v->strict.map ? v->classic.map : v->strict.map;
	v->address = address_for(t, v);
	find_clear(v);
	return 0;
}

int gw_p2p_bar_address(struct gw_topology *t, const struct gw_p2p_verdict *v,
		       const struct gw_pci_bar *bar, gw_bus *bus)
{
	switch (v->address) {
	case GW_P2P_BUS_ADDRESS:
		*bus = bar->bus;
		return bar->has_bus ? 0 : -ENODATA;
	case GW_P2P_PHYS:
		return gw_pci_dma_addr(t, v->client, bar->first, bar->last - bar->first + 1, 64,
				       bus);
	case GW_P2P_IOVA: return -EOPNOTSUPP;
	case GW_P2P_NO_ADDRESS: break;
	}
	return -EXDEV;
}
