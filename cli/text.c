/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/text.h"

#include <getopt.h>
#include <limits.h>
#include <string.h>

void text_print_indented(FILE *to, const char *lines, int by)
{
	while (*lines) {
		int len = (int)strcspn(lines, "\n");

		fprintf(to, "%*s%.*s\n", by, "", len, lines);
		lines += len + (lines[len] == '\n');
	}
}

void text_bad_option(struct gw_log *log, char **argv, int answer)
{
	const char *word = argv[optind - 1];

	if (answer == ':')
		gw_err(log, "%s: %s wants a value", argv[0], word);
	else if (optopt > UCHAR_MAX)	/* getopt_long(3) knew it */
		gw_err(log, "%s: %s: this option takes no value", argv[0], word);
	else if (optopt)
		gw_err(log, "%s: unknown option '-%c'", argv[0], optopt);
	else
		gw_err(log, "%s: unknown or ambiguous option '%s'", argv[0], word);
}
