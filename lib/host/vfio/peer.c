/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/vfio/peer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <gangway/p2p.h>

/*
 * How it works: a mapping makes the client put an IOVA on the bus. No bridge below the IOMMU knows
 * that address, so its requests go up to the host bridge, are translated, and come down again to
 * the provider: also where a switch could have turned them round, had they carried a bus address.
 * So the host bridge must be known to pass such requests on, and every port above both must forward
 * upstream. The kernel does not ask that when it maps a BAR; where the answer is no, the requests
 * get lost or worse.
 */

static int node_find(struct gw_topology *t, const char *name, struct gw_pci_node **node)
{
	struct gw_pci_addr addr;
	int ret = gw_pci_addr_parse(name, &addr);

	return ret ? ret : gw_topology_find(t, &addr, node);
}

static int hosts_open(const struct gw_vfio_host *host, struct gw_p2p_hosts **h)
{
	char path[GW_VFIO_PATH + 64];
	int ret = gw_p2p_hosts_new(h);

	if (ret)
		return ret;
	snprintf(path, sizeof(path), "%s/etc/gangway/host-bridges.conf", host->tree);
	/* a line that makes no sense has been logged; those before it count */
	if (!access(path, F_OK))
		gw_p2p_hosts_load(*h, path, host->base.log);
	return 0;
}

static int refuse(const struct gw_vfio_host *host, const char *provider, const char *client,
		  const struct gw_p2p_verdict *v)
{
	char text[GW_P2P_TEXT_SIZE], addr[GW_PCI_ADDR_SIZE];

	if (!gw_log_may(host->base.log))
		return -EXDEV;
	gw_err(host->base.log, "%s cannot be given %s's memory by IOVA: %s; %s", client, provider,
	       gw_p2p_map_name(v->map), gw_p2p_permit_text(v, text));
	for (unsigned int i = 0; i < v->nr_hops; i++)
		if (v->hop[i].redirects)
			gw_info(host->base.log, "  %s", gw_p2p_hop_text(&v->hop[i], text));
	if (v->dead_end)
		gw_info(host->base.log, "  %s %s does not forward upstream (ACS UF), or cannot be read",
			gw_pci_type_name(v->dead_end), gw_pci_addr_format(&v->dead_end->addr, addr));
	gw_hint(host->base.log, "a host bridge that is known to pass such requests on can be added to "
		"/etc/gangway/host-bridges.conf; gangway p2p %s %s explains", provider, client);
	return -EXDEV;
}

int gw_vfio_peer_check(const struct gw_vfio_host *host, const char *provider, const char *client)
{
	struct gw_pci_node *p = NULL, *c = NULL;
	struct gw_p2p_hosts *hosts = NULL;
	struct gw_p2p_verdict v;
	struct gw_topology *t;
	int ret = gw_topology_open(host->tree, host->base.log, &t);

	if (ret)
		return ret;
	ret = hosts_open(host, &hosts);
	if (!ret)
		ret = node_find(t, provider, &p);
	if (!ret)
		ret = node_find(t, client, &c);
	if (!ret)
		ret = gw_p2p_verdict(t, hosts, p, c, &v);
	if (!ret && (v.dead_end || (v.permit != GW_P2P_LISTED && v.permit != GW_P2P_BY_CPU)))
		ret = refuse(host, provider, client, &v);
	gw_p2p_hosts_free(hosts);
	gw_topology_close(t);
	return ret;
}
