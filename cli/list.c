/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/text.h"
#include "devices/devices.h"

static void list_text(void)
{
	printf("%-14s %s\n", "DEVICE", "OPTIONS, BEHIND IT AND WITH COMMAS BETWEEN");
	for (const struct gw_endpoint_type *const *t = gw_endpoint_types; *t; t++) {
		printf("sim:%s\n", (*t)->name);
		text_print_indented(stdout, (*t)->help, 15);
	}
}

/* "key=VALUE  meaning" on each line becomes { "key=VALUE": "meaning" }. */
static struct json_object *options_json(const char *help)
{
	struct json_object *o = json_object_new_object();
	char line[256];

	while (*help) {
		size_t len = strcspn(help, "\n"), word = strcspn(help, " \n");
		size_t gap = word + strspn(help + word, " ");

		if (word && len < sizeof(line)) {
			snprintf(line, sizeof(line), "%.*s", (int)word, help);
			json_object_object_add(o, line, json_object_new_string_len(
					help + gap, (int)(len - gap)));
		}
		help += len + (help[len] == '\n');
	}
	return o;
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
		json_object_object_add(dev, "options", options_json((*t)->help));
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
