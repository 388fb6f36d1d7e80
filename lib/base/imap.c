/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/imap.h"

#include <errno.h>

/* Disjoint ranges are ordered by any of their members; two that overlap compare equal. */
static int node_cmp(const struct gw_imap_node *a, const struct gw_imap_node *b)
{
	if (a->last < b->first)
		return -1;
	return a->first > b->last;
}

RB_PROTOTYPE(gw_imap_tree, gw_imap_node, link, node_cmp)
RB_GENERATE(gw_imap_tree, gw_imap_node, link, node_cmp)

int gw_imap_insert(struct gw_imap *map, struct gw_imap_node *node)
{
	if (RB_INSERT(gw_imap_tree, &map->tree, node))
		return -EEXIST;
	map->nr++;
	return 0;
}

void gw_imap_remove(struct gw_imap *map, struct gw_imap_node *node)
{
	RB_REMOVE(gw_imap_tree, &map->tree, node);
	map->nr--;
}

struct gw_imap_node *gw_imap_find(const struct gw_imap *map, uint64_t addr)
{
	struct gw_imap_node *n = gw_imap_from(map, addr);

	return n && n->first <= addr ? n : NULL;
}

struct gw_imap_node *gw_imap_from(const struct gw_imap *map, uint64_t addr)
{
	struct gw_imap_node *n = RB_ROOT(&map->tree), *best = NULL;

	while (n) {
		if (n->last < addr) {
			n = RB_RIGHT(n, link);
			continue;
		}
		best = n;
		n = RB_LEFT(n, link);
	}
	return best;
}

struct gw_imap_node *gw_imap_next(struct gw_imap_node *node)
{
	return RB_NEXT(gw_imap_tree, NULL, node);
}
