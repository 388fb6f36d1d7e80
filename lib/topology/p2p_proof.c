/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <gangway/p2p.h>

/* Declared here only: elsewhere a proof can neither be made nor changed. */
struct gw_p2p_proof {
	struct gw_pci_addr provider, client;
	enum gw_p2p_address address;
};

static void say_why_not(const struct gw_p2p_verdict *v, char reason[GW_P2P_TEXT_SIZE])
{
	const struct gw_p2p_answer *a = v->classic.map <= v->strict.map ? &v->classic : &v->strict;
	char text[GW_P2P_TEXT_SIZE];

	for (unsigned int i = 0; a->why == GW_P2P_REDIRECTED && i < v->nr_hops; i++) {
		if (!v->hop[i].redirects)
			continue;
		snprintf(reason, GW_P2P_TEXT_SIZE, "%.95s; while it does, reads may bring all ones",
			 gw_p2p_hop_text(&v->hop[i], text));
		return;
	}
	snprintf(reason, GW_P2P_TEXT_SIZE, "%s", gw_p2p_why_text(a->why));
}

int gw_p2p_prove(struct gw_topology *t, const struct gw_p2p_hosts *h,
		 struct gw_pci_node *provider, struct gw_pci_node *client,
		 const struct gw_p2p_proof **proof, char reason[GW_P2P_TEXT_SIZE])
{
	struct gw_p2p_verdict v;
	struct gw_p2p_proof *p;
	int ret = gw_p2p_verdict(t, h, provider, client, &v);

	reason[0] = '\0';
	if (ret) {
		snprintf(reason, GW_P2P_TEXT_SIZE, "the path between them cannot be read");
		return ret;
	}
	if (v.map < GW_P2P_THRU_HOST_BRIDGE) {
		say_why_not(&v, reason);
		return -EXDEV;
	}
	p = malloc(sizeof(*p));
	if (!p)
		return -ENOMEM;
	*p = (struct gw_p2p_proof){ provider->addr, client->addr, v.address };
	*proof = p;
	return 0;
}

void gw_p2p_proof_free(const struct gw_p2p_proof *proof)
{
	free((void *)proof);
}

static bool same(const struct gw_pci_addr *a, const struct gw_pci_addr *b)
{
	return a->domain == b->domain && a->bus == b->bus && a->dev == b->dev && a->fn == b->fn;
}

bool gw_p2p_proof_holds(const struct gw_p2p_proof *proof, const struct gw_pci_addr *provider,
			const struct gw_pci_addr *client)
{
	return proof && same(&proof->provider, provider) && same(&proof->client, client);
}

enum gw_p2p_address gw_p2p_proof_address(const struct gw_p2p_proof *proof)
{
	return proof->address;
}
