/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "base/quote.h"
#include "cli/cli.h"
#include "cli/machine.h"
#include "cli/passable.h"
#include "cli/simulated.h"

static void function_text(struct gw_topology *t, struct gw_pci_node *n, struct pci_access *names)
{
	char addr[GW_PCI_ADDR_SIZE], name[MACHINE_NAME_SIZE], why[PASSABLE_TEXT_SIZE];
	char group[16] = "-", driver[128];

	if (n->group >= 0)
		snprintf(group, sizeof(group), "%d", n->group);
	passable_text(t, n, why);
	printf("%-14s %-12s group %-4s %s\n%15s%s\n", gw_pci_addr_format(&n->addr, addr),
	       *n->driver ? gw_quote(n->driver, driver, sizeof(driver)) : "no driver", group, machine_name(names, n, name), "", why);
}

static struct json_object *function_json(struct gw_topology *t, struct gw_pci_node *n,
					 struct pci_access *names)
{
	struct json_object *o = json_object_new_object();
	char name[MACHINE_NAME_SIZE], why[PASSABLE_TEXT_SIZE];
	bool yes = passable_text(t, n, why);

	machine_json_addr(o, "device", n);
	json_object_object_add(o, "host", json_object_new_string("vfio"));
	json_object_object_add(o, "name", json_object_new_string(machine_name(names, n, name)));
	json_object_object_add(o, "vendor", json_object_new_int(n->vendor));
	json_object_object_add(o, "product", json_object_new_int(n->device));
	json_object_object_add(o, "class", json_object_new_int((int)n->class_code));
	machine_json_name(o, "driver", *n->driver ? n->driver : NULL);
	json_object_object_add(o, "group", n->group >= 0 ? json_object_new_int(n->group) : NULL);
	machine_json_addr(o, "physical_function", n->physfn);
	json_object_object_add(o, "passable", json_object_new_boolean(yes));
	json_object_object_add(o, "why", json_object_new_string(why));
	return o;
}

/* Functions of the machine, without its bridges: into @list, or as text if that is NULL. */
static int list_functions(const struct machine_args *a, struct json_object *list,
			  struct gw_log *log)
{
	struct pci_access *names;
	struct gw_topology *t;
	int ret;

	ret = gw_topology_open(a->tree, log, &t);
	if (ret == -ENOENT && !*a->tree)
		return CLI_OK;		/* no PCI here; there are simulated devices still */
	if (ret)
		return machine_open(a, log, &t);
	ret = gw_topology_scan(t);
	if (ret)
		gw_err(log, "cannot read the functions of this machine: %s", strerror(-ret));
	names = machine_names_new();
	for (struct gw_pci_node *n = NULL; (n = gw_topology_next(t, n));) {
		if (gw_pci_node_config(t, n) || n->bridge)
			continue;
		if (list)
			json_object_array_add(list, function_json(t, n, names));
		else
			function_text(t, n, names);
	}
	machine_names_free(names);
	gw_topology_close(t);
	return ret ? CLI_FAILED : CLI_OK;
}

static const struct machine_usage usage = {
	.words = "", .min_words = 0, .max_words = 0,
	.text = "List this machine's functions, whether they can be passed through as they are, and\n"
		"why not; then the simulated devices, with their options.\n",
};

static int list_run(int argc, char **argv, struct gw_log *log)
{
	struct json_object *list = NULL;
	struct machine_args a;
	int code = machine_args_parse(&a, &usage, argc, argv, log);

	if (code >= 0)
		return code;
	if (a.json)
		list = json_object_new_array();
	code = list_functions(&a, list, log);
	if (!list) {
		simulated_text();
		return code;
	}
	simulated_json(list);
	machine_json(list);
	return code;
}

const struct cli_command cli_list = { "list", "list the devices that can be passed through",
				      list_run };
