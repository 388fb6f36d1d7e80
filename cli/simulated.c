/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/simulated.h"

#include <stdio.h>
#include <string.h>

#include <gangway/devices.h>

#include "cli/text.h"

void simulated_text(void)
{
	printf("\n%-14s %s\n", "SIMULATED", "OPTIONS, BEHIND IT AND WITH COMMAS BETWEEN");
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

void simulated_json(struct json_object *list)
{
	for (const struct gw_endpoint_type *const *t = gw_endpoint_types; *t; t++) {
		struct json_object *dev = json_object_new_object();
		char name[64];

		snprintf(name, sizeof(name), "sim:%s", (*t)->name);
		json_object_object_add(dev, "device", json_object_new_string(name));
		json_object_object_add(dev, "host", json_object_new_string("sim"));
		json_object_object_add(dev, "options", options_json((*t)->help));
		json_object_array_add(list, dev);
	}
}
