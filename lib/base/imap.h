/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_BASE_IMAP_H
#define GW_BASE_IMAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/tree.h"


/*
 * Interval map: disjoint ranges of 64-bit numbers, kept as first and last so that a range may
 * end at the top. Nodes are embedded in the caller's structs. Every operation is O(log n). The
 * caller locks.
 */
struct gw_imap_node {
	RB_ENTRY(gw_imap_node) link;
	uint64_t first, last;
};

RB_HEAD(gw_imap_tree, gw_imap_node);

struct gw_imap {
	struct gw_imap_tree tree;
	size_t nr;
};

/**
 * gw_imap_insert() - add a node whose @first and @last are set
 *
 * Return: 0; -EEXIST if it overlaps one that is there (nothing changes).
 */
int gw_imap_insert(struct gw_imap *map, struct gw_imap_node *node);

void gw_imap_remove(struct gw_imap *map, struct gw_imap_node *node);

/** gw_imap_find() - the node that holds @addr, or NULL */
struct gw_imap_node *gw_imap_find(const struct gw_imap *map, uint64_t addr);

/** gw_imap_from() - the lowest node that ends at or after @addr, or NULL */
struct gw_imap_node *gw_imap_from(const struct gw_imap *map, uint64_t addr);

/** gw_imap_next() - the node above, or NULL */
struct gw_imap_node *gw_imap_next(struct gw_imap_node *node);

#endif
