/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "devices/devices.h"

static void list_text(void)
{
	printf("%-16s %-10s %s\n", "DEVICE", "HOST", "OPTIONS");
	for (const struct gw_endpoint_type *const *t = gw_endpoint_types; *t; t++) {
		printf("sim:%-12s %-10s\n%s", (*t)->name, "simulated", (*t)->help);
	}
}

static int list_json(void)
{
	struct json_object *list = json_object_new_array();

	for (const struct gw_endpoint_type *const *t = gw_endpoint_types; *t; t++) {
		struct json_object *dev = json_object_new_object();
		char name[64];

		snprintf(name, sizeof(name), "sim:%s", (*t)->name);
		json_object_object_add(dev, "device", json_object_new_string(name));
		json_object_object_add(dev, "host", json_object_new_string("sim"));
		json_object_object_add(dev, "options", json_object_new_string((*t)->help));
		json_object_array_add(list, dev);
	}
	puts(json_object_to_json_string_ext(list, JSON_C_TO_STRING_PRETTY));
	json_object_put(list);
	return CLI_OK;
}

static int list_run(int argc, char **argv, struct gw_log *log)
{
	if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		puts("Usage: gangway list [--json]\n\n"
		     "List the devices that can be passed through, with their options.");
		return CLI_OK;
	}
	if (argc == 2 && !strcmp(argv[1], "--json"))
		return list_json();
	if (argc > 1) {
		gw_err(log, "list: unknown argument '%s'; it takes --json", argv[1]);
		return CLI_USAGE;
	}
	list_text();
	return CLI_OK;
}

const struct cli_command cli_list = { "list", "list the devices that can be passed through", list_run };
