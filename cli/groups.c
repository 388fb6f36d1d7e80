/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gangway/p2p.h>

#include "cli/cli.h"
#include "cli/machine.h"

static const struct machine_usage usage = {
	.words = "", .min_words = 0, .max_words = 0,
	.text = "Show the IOMMU groups, in which functions that cannot be kept from each other's\n"
		"memory are together, and for each function the hop that put it there. Run it as\n"
		"root.\n",
};

static int by_group(const void *a, const void *b)
{
	const struct gw_group_member *x = a, *y = b;

	if (x->node->group != y->node->group)
		return x->node->group < y->node->group ? -1 : 1;
	if (x->ours != y->ours)
		return x->ours < y->ours ? -1 : 1;
	return 0;
}

/* Print the heading of the group that @m begins. Functions without a group come first. */
static void print_heading(const struct gw_group_member *m, const struct gw_group_member *last)
{
	if (m->node->group >= 0)
		printf("%sgroup %d%s\n", last && last->node->group < 0 ? "\n" : "", m->node->group,
		       m->agree ? "" : ", which is not what we make of it");
	else
		printf("%sgroup that an IOMMU would make\n",
		       last ? "" : "no IOMMU is in use for these; see gangway doctor\n\n");
}

static void print_text(const struct gw_groups *g, struct pci_access *names)
{
	char addr[GW_PCI_ADDR_SIZE], why[GW_P2P_TEXT_SIZE], name[MACHINE_NAME_SIZE];
	const struct gw_group_member *last = NULL;

	for (size_t i = 0; i < g->nr; last = &g->member[i++]) {
		const struct gw_group_member *m = &g->member[i];

		if (!last || last->node->group != m->node->group ||
		    (m->node->group < 0 && last->ours != m->ours))
			print_heading(m, last);
		printf("  %s  %s\n                %s\n", gw_pci_addr_format(&m->node->addr, addr),
		       machine_name(names, m->node, name), gw_group_why_text(m, why));
	}
}

static struct json_object *member_json(const struct gw_group_member *m)
{
	static const char *const why[] = {
		[GW_GROUP_OWN] = "own", [GW_GROUP_ALIAS] = "alias", [GW_GROUP_PATH] = "path",
		[GW_GROUP_SIBLING] = "sibling",
	};
	struct json_object *o = json_object_new_object();
	char text[GW_P2P_TEXT_SIZE];

	machine_json_addr(o, "function", m->node);
	json_object_object_add(o, "kernel", m->node->group < 0 ? NULL :
			       json_object_new_int(m->node->group));
	json_object_object_add(o, "ours", json_object_new_int((int)m->ours));
	json_object_object_add(o, "agree", json_object_new_boolean(m->agree));
	json_object_object_add(o, "why", json_object_new_string(why[m->why]));
	machine_json_addr(o, "hop", m->hop);
	json_object_object_add(o, "missing", json_object_new_int(m->missing));
	json_object_object_add(o, "unreadable", json_object_new_boolean(m->unreadable));
	json_object_object_add(o, "text", json_object_new_string(gw_group_why_text(m, text)));
	return o;
}

static int groups_json(const struct gw_groups *g)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < g->nr; i++)
		json_object_array_add(list, member_json(&g->member[i]));
	return machine_json(list);
}

static int show(struct gw_topology *t, const struct machine_args *a, struct gw_log *log)
{
	struct pci_access *names;
	bool unreadable = false;
	struct gw_groups g;
	int ret = gw_topology_scan(t);

	if (!ret)
		ret = gw_groups_compute(t, &g);
	if (ret) {
		gw_err(log, "cannot read the functions of this machine: %s", strerror(-ret));
		return CLI_FAILED;
	}
	qsort(g.member, g.nr, sizeof(*g.member), by_group);
	for (size_t i = 0; i < g.nr; i++)
		unreadable |= g.member[i].unreadable;
	if (a->json) {
		groups_json(&g);
	} else {
		names = machine_names_new();
		print_text(&g, names);
		machine_names_free(names);
	}
	gw_groups_fini(&g);
	if (unreadable)
		gw_hint(log, "run it as root: only root reads all of config space");
	return unreadable ? CLI_UNAVAILABLE : CLI_OK;
}

static int groups_run(int argc, char **argv, struct gw_log *log)
{
	struct machine_args a;
	struct gw_topology *t;
	int code = machine_begin(&a, &usage, argc, argv, log, &t);

	if (code >= 0)
		return code;
	code = show(t, &a, log);
	gw_topology_close(t);
	return code;
}

const struct cli_command cli_groups = { "groups", "show and explain the IOMMU groups", groups_run };
