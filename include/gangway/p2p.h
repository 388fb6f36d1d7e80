/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_P2P_H
#define GANGWAY_P2P_H

#include <stdbool.h>
#include <stddef.h>

#include <gangway/topology.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Can one function's DMA reach another's memory, and with which address? The one that has the
 * memory is the provider, the one that reads or writes it the client. The answer is given by two
 * rules: the classic one, which the kernel itself goes by, and a strict one that asks only where
 * the paths part, and believes nothing that it cannot read. What both allow is the verdict.
 */

#define GW_P2P_TEXT_SIZE	160

/** How the client's requests get there; the better, the larger. */
enum gw_p2p_map {
	GW_P2P_UNKNOWN,			/* it depends on what cannot be read */
	GW_P2P_NOT_SUPPORTED,
	GW_P2P_THRU_HOST_BRIDGE,	/* up to the root complex and down again */
	GW_P2P_BUS_ADDR,		/* turned round by a bridge or switch below it */
};

/** What the client's DMA engine has to be given. */
enum gw_p2p_address {
	GW_P2P_NO_ADDRESS,
	GW_P2P_BUS_ADDRESS,		/* what the provider's BAR register holds */
	GW_P2P_IOVA,			/* its IOMMU translates: an IOVA mapped to the BAR */
	GW_P2P_PHYS,			/* what the CPU uses, plus the host bridge's DMA offset */
};

/** Why a rule says what it says. */
enum gw_p2p_why {
	GW_P2P_DIRECT,			/* nothing redirects */
	GW_P2P_REDIRECTED,		/* ACS of a hop redirects */
	GW_P2P_NO_COMMON,		/* no bridge is above both */
	GW_P2P_ONE_DEVICE,		/* functions of one device: nothing says they have a way */
	GW_P2P_NO_FORWARDING,		/* likewise, and the port above would not send it back up */
	GW_P2P_DEAD_END,		/* up to the root complex, but a port above both stops it */
	GW_P2P_ACS_UNREADABLE,		/* what decides cannot be read */
};

/** What permits a way through host bridges. */
enum gw_p2p_permit {
	GW_P2P_NOT_LISTED,
	GW_P2P_LISTED,
	GW_P2P_LISTED_FOR_SAME,		/* but these are two host bridges */
	GW_P2P_BY_CPU,
};

enum gw_p2p_side { GW_P2P_PROVIDER_SIDE, GW_P2P_COMMON, GW_P2P_CLIENT_SIDE };

/**
 * struct gw_p2p_hop - a function on the way
 * @parts:     the two paths part below it or meet here
 * @redirects: of RR, CR and EC those in effect
 * @clear:     those of them that would have to be cleared in its ACS control, at every hop that has
 *             some, to make a direct way where there is none. Clearing them lets what is below
 *             reach its peers, so IOMMU groups grow
 */
struct gw_p2p_hop {
	const struct gw_pci_node *node;
	enum gw_p2p_side side;
	bool parts;
	uint16_t redirects, clear;
};

#define GW_P2P_MAX_HOPS	(2 * GW_PCI_MAX_DEPTH + 1)

/** The answer of one rule. */
struct gw_p2p_answer {
	enum gw_p2p_map map;
	enum gw_p2p_why why;
};

/**
 * struct gw_p2p_verdict - the answer and all it rests on; the nodes are the topology's
 * @distance: hops between the two, as the kernel counts: 0 the same function, 2 functions of one
 *            device or below one port, 4 below two ports of a switch
 * @hop:      from the provider up to what is above both, or to the root bus; then down to the
 *            client
 * @host:     the functions that identify the host bridges, or NULL
 * @dead_end: the lowest port above both that does not forward upstream (ACS UF), or whose ACS
 *            cannot be read: what goes by way of the root complex does not pass it a second time.
 *            NULL: none
 * @permit:   asked in any case, also if the way does not lead through a host bridge
 */
struct gw_p2p_verdict {
	struct gw_pci_node *provider, *client, *common;
	const struct gw_pci_node *dead_end;
	unsigned int distance;
	struct gw_p2p_answer classic, strict;
	enum gw_p2p_map map;
	enum gw_p2p_address address;
	enum gw_p2p_permit permit;
	struct gw_pci_node *provider_host, *client_host;
	unsigned int nr_hops;
	struct gw_p2p_hop hop[GW_P2P_MAX_HOPS];
};

/** The host bridges that are known to pass traffic on. */
struct gw_p2p_hosts;

/** gw_p2p_hosts_new() - the list that is built in. Return: 0; -ENOMEM */
int gw_p2p_hosts_new(struct gw_p2p_hosts **h);

/** gw_p2p_hosts_free() - NULL is fine */
void gw_p2p_hosts_free(struct gw_p2p_hosts *h);

/**
 * gw_p2p_hosts_add() - more of them; host-bridges.conf says in which form
 * @text: lines
 * @line: where an error is, if not NULL
 *
 * Return: 0; -EINVAL a line makes no sense (those before it count), -ENOSPC too many, -ENOMEM.
 */
int gw_p2p_hosts_add(struct gw_p2p_hosts *h, const char *text, unsigned int *line);

/**
 * gw_p2p_hosts_load() - likewise from a file
 *
 * Return: also -EFBIG, or -errno of open(2) and read(2). Errors in it are logged.
 */
int gw_p2p_hosts_load(struct gw_p2p_hosts *h, const char *path, struct gw_log *log);

/** gw_p2p_hosts_permit() - may traffic go from below one host bridge to below another? */
enum gw_p2p_permit gw_p2p_hosts_permit(const struct gw_p2p_hosts *h, struct gw_topology *t,
				       const struct gw_p2p_verdict *v);

/**
 * gw_p2p_verdict() - can @client reach the memory of @provider?
 *
 * Return: 0, whatever the verdict; else as gw_pci_node_config().
 */
int gw_p2p_verdict(struct gw_topology *t, const struct gw_p2p_hosts *h,
		   struct gw_pci_node *provider, struct gw_pci_node *client,
		   struct gw_p2p_verdict *v);

/**
 * gw_p2p_bar_address() - what the client's DMA engine has to be given for the start of a BAR
 * @v:   of gw_p2p_verdict()
 * @bar: one of the provider's, of gw_pci_node_bar()
 *
 * Return: 0; -EXDEV the verdict is against it; -EOPNOTSUPP an IOVA, which a mapping makes; -ENODATA
 * the provider's register cannot be read; or as gw_pci_dma_addr().
 */
int gw_p2p_bar_address(struct gw_topology *t, const struct gw_p2p_verdict *v,
		       const struct gw_pci_bar *bar, gw_bus *bus);

/**
 * struct gw_p2p_proof - that a client's DMA reaches a provider's memory
 *
 * A verdict can be written down by anyone; a proof is made from the machine by gw_p2p_prove(), and
 * can be looked at only. So whoever asks for a proof cannot be given less.
 */
struct gw_p2p_proof;

/**
 * gw_p2p_prove() - a proof, if the verdict is for it
 * @reason: else why not, and which bridge it is
 *
 * It is about what the files say now; what is changed in a bridge later is not seen.
 *
 * Return: 0; -EXDEV the verdict is against it, or is not known; -ENOMEM; or as gw_p2p_verdict().
 */
int gw_p2p_prove(struct gw_topology *t, const struct gw_p2p_hosts *h,
		 struct gw_pci_node *provider, struct gw_pci_node *client,
		 const struct gw_p2p_proof **proof, char reason[GW_P2P_TEXT_SIZE]);

/** gw_p2p_proof_free() - whoever was given it uses it no more; NULL is fine */
void gw_p2p_proof_free(const struct gw_p2p_proof *proof);

/** gw_p2p_proof_holds() - is it about these two? NULL is about nobody */
bool gw_p2p_proof_holds(const struct gw_p2p_proof *proof, const struct gw_pci_addr *provider,
			const struct gw_pci_addr *client);

/** gw_p2p_proof_address() - what the client's DMA engine has to be given */
enum gw_p2p_address gw_p2p_proof_address(const struct gw_p2p_proof *proof);

/** gw_p2p_map_name() - "bus address", "through host bridge", "not supported", "unknown" */
const char *gw_p2p_map_name(enum gw_p2p_map map);

/** gw_p2p_address_name() - "bus address", "IOVA", "physical address", "none" */
const char *gw_p2p_address_name(enum gw_p2p_address address);

/** gw_p2p_why_text() - a sentence */
const char *gw_p2p_why_text(enum gw_p2p_why why);

/** gw_p2p_hop_text() - "root port 0000:00:1c.0 redirects requests (ACS RR)". Return: @text */
const char *gw_p2p_hop_text(const struct gw_p2p_hop *hop, char text[GW_P2P_TEXT_SIZE]);

/** gw_p2p_permit_text() - a sentence on the host bridges. Return: @text */
const char *gw_p2p_permit_text(const struct gw_p2p_verdict *v, char text[GW_P2P_TEXT_SIZE]);

/** Why a function is in its IOMMU group by our own computation. */
enum gw_group_why {
	GW_GROUP_OWN,	  /* nothing merges it with what came before it */
	GW_GROUP_ALIAS,	  /* behind @hop, whose requester ID its requests bear */
	GW_GROUP_PATH,	  /* @hop above it does not keep peers apart */
	GW_GROUP_SIBLING, /* nor does its device: it is with @hop, another function of that */
};

/**
 * struct gw_group_member - a function and its group by our own computation
 * @ours:    number of the group, from 0
 * @missing: of ACS the flags that @hop lacks
 * @unreadable: @hop's ACS cannot be read, and was taken to be absent
 * @alone:   in its group by our own computation
 * @agree:   its group holds the same functions by the kernel's numbers
 */
struct gw_group_member {
	struct gw_pci_node *node;
	unsigned int ours;
	enum gw_group_why why;
	const struct gw_pci_node *hop;
	uint16_t missing;
	bool unreadable, alone, agree;
};

struct gw_groups {
	struct gw_group_member *member;		/* sorted by address */
	size_t nr;
	unsigned int nr_groups;
};

/**
 * gw_groups_compute() - what the kernel's IOMMU groups should be, as far as we know its rules
 *
 * To explain, never to rely on: the kernel's own answer is each node's group.
 * gw_topology_scan() comes first. Functions that went away are left out.
 *
 * Return: 0; -ENOMEM.
 */
int gw_groups_compute(struct gw_topology *t, struct gw_groups *g);

/** gw_groups_fini() - also of one that is zeroed */
void gw_groups_fini(struct gw_groups *g);

/** gw_group_why_text() - why it is where it is. Return: @text */
const char *gw_group_why_text(const struct gw_group_member *m, char text[GW_P2P_TEXT_SIZE]);

#ifdef __cplusplus
}
#endif

#endif
