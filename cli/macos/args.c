/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/macos/args.h"

#include <getopt.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/text.h"

int args_json_only(int argc, char **argv, const char *what, bool *json, struct gw_log *log)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' }, { "json", no_argument, NULL, 'j' }, { 0 },
	};
	int c;

	*json = false;
	optind = 1;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":hj", options, NULL)) != -1) {
		switch (c) {
		case 'h':
			printf("Usage: gangway %s [--json]\n\n%s\n"
			       "  --json   as JSON on standard output\n", argv[0], what);
			return CLI_OK;
		case 'j':
			*json = true;
			break;
		default:
			text_bad_option(log, argv, c);
			return CLI_USAGE;
		}
	}
	if (optind == argc)
		return -1;
	gw_err(log, "%s takes no words, and '%s' is one", argv[0], argv[optind]);
	return CLI_USAGE;
}

void args_print_json(struct json_object *o)
{
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}
