/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/quote.h"
#include "cli/cli.h"
#include "cli/macos/args.h"
#include "cli/macos/functions.h"
#include "cli/simulated.h"

static void function_text(const struct mac_function *f)
{
	char window[160], name[4 * sizeof(f->info.name)], id[32] = "not known until it is open";

	functions_window(f, window, sizeof(window));
	if (!f->info.unidentified)
		snprintf(id, sizeof(id), "%04x:%04x class %06x", f->info.vendor, f->info.device,
			 f->info.class_code);
	printf("%-14s %s\n%15s%s\n", gw_quote(f->info.name, name, sizeof(name)), id, "", window);
}

static struct json_object *function_json(const struct mac_function *f)
{
	struct json_object *o = json_object_new_object();
	char name[4 * sizeof(f->info.name)];
	bool known = !f->info.unidentified;

	json_object_object_add(o, "device", json_object_new_string(gw_quote(f->info.name, name,
									    sizeof(name))));
	json_object_object_add(o, "host", json_object_new_string("dext"));
	json_object_object_add(o, "vendor", known ? json_object_new_int(f->info.vendor) : NULL);
	json_object_object_add(o, "product", known ? json_object_new_int(f->info.device) : NULL);
	json_object_object_add(o, "class", known ? json_object_new_int((int)f->info.class_code) : NULL);
	json_object_object_add(o, "granule", f->granule ? json_object_new_uint64(f->granule) : NULL);
	json_object_object_add(o, "iova_first",
			       f->granule ? json_object_new_uint64(f->iova_first) : NULL);
	json_object_object_add(o, "iova_last", f->granule ? json_object_new_uint64(f->iova_last) : NULL);
	return o;
}

static int list_run(int argc, char **argv, struct gw_log *log)
{
	struct mac_function *list;
	struct json_object *all;
	bool json;
	size_t nr;
	int code = args_json_only(argc, argv, "List the functions that the driver extension has, with the "
				  "window of each DART;\nthen the simulated devices, with their options.\n",
				  &json, log), ret;

	if (code >= 0)
		return code;
	ret = functions_list(log, &list, &nr);
	if (ret)
		gw_err(log, "cannot list functions: %s", strerror(-ret));
	else if (!nr)
		gw_hint(log, "no device has gangway's driver extension; gangway doctor tells what is missing");
	all = json ? json_object_new_array() : NULL;
	for (size_t i = 0; i < nr; i++) {
		if (all)
			json_object_array_add(all, function_json(&list[i]));
		else
			function_text(&list[i]);
	}
	free(list);
	if (all) {
		simulated_json(all);
		args_print_json(all);
	} else {
		simulated_text();
	}
	return ret ? CLI_FAILED : CLI_OK;
}

const struct cli_command cli_list = { "list", "list the devices that can be passed through",
				      list_run };
