/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_TOPOLOGY_TOPOLOGY_H
#define GW_TOPOLOGY_TOPOLOGY_H

#include <limits.h>
#include <sys/types.h>

#include <gangway/topology.h>

#include "base/imap.h"
#include "base/util.h"
#include "topology/cfgfile.h"

/* A function, and what of it was read. */
struct node {
	struct gw_pci_node pub;
	struct gw_imap_node link;	/* by address */
	bool ident, config;
};

struct root {
	struct gw_pci_root pub;
	struct root *next;
};

struct gw_topology {
	struct gw_log *log;
	int devices;		/* the folder bus/pci/devices */
	struct gw_imap nodes;
	struct root *roots;
	char tree[PATH_MAX];
};

static inline struct node *node_of(struct gw_pci_node *pub)
{
	return container_of(pub, struct node, pub);
}

/**
 * gw_topology_read_bytes() - a small file of a function, or of what is above it
 * @file: relative to the function's folder
 *
 * Return: 0; -ENOENT, -ENODEV the function went away, -EMSGSIZE it has @size bytes or more,
 * -EBADMSG no regular file, or -errno of read(2).
 */
int gw_topology_read_bytes(struct gw_topology *t, const struct gw_pci_addr *addr, const char *file,
			   void *bytes, size_t size, size_t *len);

/** gw_topology_read() - likewise, as text without its last newline */
int gw_topology_read(struct gw_topology *t, const struct gw_pci_addr *addr, const char *file,
		     char *text, size_t size);

/** gw_topology_config() - config space of a function. Return: 0; -ENODEV, -EBADMSG */
int gw_topology_config(struct gw_topology *t, const struct gw_pci_addr *addr,
		       struct gw_cfgfile *c);

/** gw_topology_bad() - say that the files of a function make no sense. Return: -EBADMSG */
int gw_topology_bad(struct gw_topology *t, const struct gw_pci_addr *addr, const char *what);

/**
 * gw_pci_path_next() - the next component of a sysfs path
 *
 * Return: where to go on, or NULL at the end.
 */
const char *gw_pci_path_next(const char *at, char word[NAME_MAX + 1]);

/** gw_pci_root_parse() - "pciDDDD:BB". Return: 0; -EINVAL */
int gw_pci_root_parse(const char *name, struct gw_pci_root *root);

/**
 * gw_pci_resource_parse() - one line of the resource file
 *
 * Return: 0; -ENOENT there are not so many lines, or it is empty; -EBADMSG.
 */
int gw_pci_resource_parse(const char *text, unsigned int line, struct gw_pci_bar *out);

/** gw_pci_node_decode() - type and ACS out of config space; no other member is touched */
void gw_pci_node_decode(struct gw_pci_node *node, struct gw_cfgfile *c);

#endif
