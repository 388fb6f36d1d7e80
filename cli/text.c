/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/text.h"

#include <string.h>

void text_print_indented(FILE *to, const char *lines, int by)
{
	while (*lines) {
		int len = (int)strcspn(lines, "\n");

		fprintf(to, "%*s%.*s\n", by, "", len, lines);
		lines += len + (lines[len] == '\n');
	}
}
