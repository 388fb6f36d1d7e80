/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/macos/qemu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/macos/ask.h"

#define OUTPUT_SIZE	(256u << 10)	/* all devices of a QEMU, a line each */

const char *qemu_name(const char *given)
{
	const char *env = getenv("QEMU");

	return given ? given : env && *env ? env : QEMU_BINARY;
}

/* What QEMU says of an option to which it is told "help". */
static bool knows(const char *qemu, const char *option, const char *word)
{
	const char *argv[] = { qemu, "-machine", "none", option, "help",
			 NULL };
	char *text = malloc(OUTPUT_SIZE);
	bool is = text && !ask(argv, text, OUTPUT_SIZE) && strstr(text, word);

	free(text);
	return is;
}

void qemu_look(const char *qemu, struct qemu_has *has)
{
	const char *argv[] = { qemu, "--version", NULL };
	char text[256];

	*has = (struct qemu_has){ .there = !ask(argv, text, sizeof(text)) };
	if (!has->there)
		return;
	sscanf(text, "QEMU emulator version %31s", has->version);
	has->gangway = knows(qemu, "-device", "\"gangway-pci\"");
	has->hvf = knows(qemu, "-accel", "hvf");
}
