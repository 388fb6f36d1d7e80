/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include <gangway/p2p.h>

#include "base/util.h"

/*
 * How it works: as the kernel does, functions are taken one by one in the order in which they are
 * found on the buses, bridges before what is below them, virtual functions last; each joins the
 * first group that has a claim on it, or starts one. The claims, in order:
 *
 * 1. A bridge between PCI Express and PCI above it puts its own requester ID on what passes, so
 *    all below it are one to the IOMMU; the function is then as good as the uppermost such bridge.
 * 2. From there up, as long as any port between here and the root complex would let peers reach
 *    each other, the function is as good as the bridge above it.
 * 3. What stands there may itself be one of several functions of a device that are not kept apart.
 */

#define NO_GROUP	UINT32_MAX

static int by_addr(const void *a, const void *b)
{
	const struct gw_pci_addr *x = &((const struct gw_group_member *)a)->node->addr;
	const struct gw_pci_addr *y = &((const struct gw_group_member *)b)->node->addr;

	if (x->domain != y->domain)
		return x->domain < y->domain ? -1 : 1;
	return (x->bus << 8 | x->dev << 3 | x->fn) - (y->bus << 8 | y->dev << 3 | y->fn);
}

static struct gw_group_member *member_of(const struct gw_groups *g, const struct gw_pci_node *n)
{
	struct gw_group_member key = { .node = (struct gw_pci_node *)n };

	return bsearch(&key, g->member, g->nr, sizeof(key), by_addr);
}

static unsigned int group_of(const struct gw_groups *g, const struct gw_pci_node *n)
{
	const struct gw_group_member *m = member_of(g, n);

	return m ? m->ours : NO_GROUP;
}

static bool is_alias(const struct gw_pci_node *bridge)
{
	switch (bridge->type) {
	case GW_PCI_TO_PCI_BRIDGE:
	case GW_PCI_TO_PCIE_BRIDGE:
	case GW_PCI_CONVENTIONAL: return true;
	default: return false;
	}
}

static void join(struct gw_group_member *m, unsigned int group, enum gw_group_why why,
		 const struct gw_pci_node *hop, uint16_t missing)
{
	m->ours = group;
	/* the hop nearest to the function is what explains it */
	if (m->hop)
		return;
	m->why = why;
	m->hop = hop;
	m->missing = missing;
	m->unreadable = hop && (hop->acs.state == GW_ACS_UNREADABLE ||
				hop->type == GW_PCI_TYPE_UNKNOWN);
}

/* The first hop from @n up to the root complex that does not keep peers apart, or NULL. */
static const struct gw_pci_node *leak_from(const struct gw_pci_node *n, uint16_t *missing)
{
	for (; n; n = n->up)
		if (!gw_acs_enabled(n, GW_ACS_ISOLATION, missing))
			return n;
	return NULL;
}

static void join_sibling(const struct gw_groups *g, struct gw_group_member *m,
			 const struct gw_pci_node *n)
{
	const struct gw_group_member *own = member_of(g, n), *o;
	uint16_t missing;

	if (!own || !n->multifunction || gw_acs_enabled(n, GW_ACS_ISOLATION, &missing))
		return;
	/* those of one slot lie side by side */
	o = own - g->member > 7 ? own - 7 : g->member;
	for (; o < g->member + g->nr && o <= own + 7; o++) {
		if (o == own || o->ours == NO_GROUP || o->node->root != n->root ||
		    o->node->addr.bus != n->addr.bus || o->node->addr.dev != n->addr.dev ||
		    gw_acs_enabled(o->node, GW_ACS_ISOLATION, NULL))
			continue;
		join(m, o->ours, GW_GROUP_SIBLING, o->node, missing);
		return;
	}
}

static void assign(struct gw_groups *g, struct gw_group_member *m)
{
	const struct gw_pci_node *n = m->node, *b, *leak;
	uint16_t missing;

	for (b = m->node->up; b; b = b->up) {
		if (!is_alias(b))
			continue;
		n = b;
		join(m, group_of(g, b), GW_GROUP_ALIAS, b, 0);
		if (m->ours != NO_GROUP)
			return;
	}
	while (n->up && (leak = leak_from(n->up, &missing))) {
		n = n->up;
		join(m, group_of(g, n), GW_GROUP_PATH, leak, missing);
		if (m->ours != NO_GROUP)
			return;
	}
	join_sibling(g, m, n);
	if (m->ours == NO_GROUP)
		m->ours = g->nr_groups++;
}

/* The functions on a bus as a list: indices of members, NO_GROUP at the end. */
struct place {
	unsigned int below, next;
};

/* All on one bus, in order, and then what is below each of its bridges. */
static void assign_bus(struct gw_groups *g, const struct place *place, unsigned int first)
{
	for (unsigned int i = first; i != NO_GROUP; i = place[i].next)
		if (!g->member[i].node->physfn)
			assign(g, &g->member[i]);
	for (unsigned int i = first; i != NO_GROUP; i = place[i].next)
		if (place[i].below != NO_GROUP)
			assign_bus(g, place, place[i].below);
}

static int assign_all(struct gw_groups *g)
{
	struct place *place = calloc(g->nr ? g->nr : 1, sizeof(*place));
	unsigned int first = NO_GROUP;

	if (!place)
		return -ENOMEM;
	for (size_t i = 0; i < g->nr; i++)
		place[i].below = NO_GROUP;
	/* backwards, so that each list comes out in order; all root buses are one */
	for (size_t i = g->nr; i--;) {
		const struct gw_pci_node *n = g->member[i].node;
		const struct gw_group_member *up = n->up ? member_of(g, n->up) : NULL;
		unsigned int *head = up ? &place[up - g->member].below : &first;

		place[i].next = *head;
		*head = (unsigned int)i;
	}
	assign_bus(g, place, first);
	free(place);
	/* virtual functions come last */
	for (size_t i = 0; i < g->nr; i++) {
		if (g->member[i].ours == NO_GROUP)
			assign(g, &g->member[i]);
	}
	return 0;
}

static int by_kernel(const void *a, const void *b)
{
	const struct gw_group_member *x = *(struct gw_group_member *const *)a;
	const struct gw_group_member *y = *(struct gw_group_member *const *)b;

	if (x->node->group != y->node->group)
		return x->node->group < y->node->group ? -1 : 1;
	return x->ours < y->ours ? -1 : x->ours > y->ours;
}

static int by_ours(const void *a, const void *b)
{
	const struct gw_group_member *x = *(struct gw_group_member *const *)a;
	const struct gw_group_member *y = *(struct gw_group_member *const *)b;

	return x->ours < y->ours ? -1 : x->ours > y->ours;
}

/*
 * Members of one number of one kind must have one number of the other kind. By our own numbers,
 * this also finds those that are alone.
 */
static void compare_runs(struct gw_group_member **m, size_t nr, bool kernel)
{
	for (size_t i = 0, end; i < nr; i = end) {
		bool one = true;

		for (end = i; end < nr && (kernel ? m[end]->node->group == m[i]->node->group :
						    m[end]->ours == m[i]->ours); end++)
			one = one && m[end]->ours == m[i]->ours &&
			      m[end]->node->group == m[i]->node->group;
		for (size_t k = i; k < end; k++)
			m[k]->agree = m[k]->agree && one;
		m[i]->alone = end - i == 1;
	}
}

static int compare_all(struct gw_groups *g)
{
	struct gw_group_member **m = calloc(g->nr ? g->nr : 1, sizeof(struct gw_group_member *));

	if (!m)
		return -ENOMEM;
	for (size_t i = 0; i < g->nr; i++) {
		m[i] = &g->member[i];
		m[i]->agree = true;
	}
	qsort(m, g->nr, sizeof(struct gw_group_member *), by_kernel);
	compare_runs(m, g->nr, true);
	qsort(m, g->nr, sizeof(struct gw_group_member *), by_ours);
	compare_runs(m, g->nr, false);
	free(m);
	return 0;
}

static int collect(struct gw_topology *t, struct gw_groups *g)
{
	size_t room = 0;
	int ret;

	for (struct gw_pci_node *n = NULL; (n = gw_topology_next(t, n));)
		room++;
	g->member = calloc(room ? room : 1, sizeof(*g->member));
	if (!g->member)
		return -ENOMEM;
	for (struct gw_pci_node *n = NULL; (n = gw_topology_next(t, n));) {
		ret = gw_pci_node_config(t, n);
		if (ret == -ENOMEM)
			return ret;
		/* reading it may have found others, which the next one will take in */
		if (!ret && g->nr < room)
			g->member[g->nr++] = (struct gw_group_member){ .node = n,
								       .ours = NO_GROUP };
	}
	return 0;
}

int gw_groups_compute(struct gw_topology *t, struct gw_groups *g)
{
	int ret;

	*g = (struct gw_groups){ 0 };
	ret = collect(t, g);
	if (ret) {
		gw_groups_fini(g);
		return ret;
	}
	ret = assign_all(g);
	if (!ret)
		ret = compare_all(g);
	if (ret)
		gw_groups_fini(g);
	return ret;
}

void gw_groups_fini(struct gw_groups *g)
{
	free(g->member);
	*g = (struct gw_groups){ 0 };
}
