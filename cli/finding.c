/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/finding.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/quote.h"

void doctor_say(struct doctor_finding *f, enum doctor_state state, const char *advice,
		const char *fmt, ...)
{
	char text[DOCTOR_TEXT_SIZE];
	va_list ap;

	f->state = state;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	gw_quote(text, f->text, sizeof(f->text));
	snprintf(f->advice, sizeof(f->advice), "%s", advice ? advice : "");
}

void doctor_print(const char *name, const struct doctor_finding *f)
{
	static const char *const word[] = { "ok", "note", "BAD" };

	printf("%-5s %-14s %s\n", word[f->state], name, f->text);
	if (*f->advice)
		printf("%20s -> %s\n", "", f->advice);
	fflush(stdout);
}

struct json_object *doctor_json(const char *name, const struct doctor_finding *f)
{
	static const char *const word[] = { "ok", "note", "bad" };
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "check", json_object_new_string(name));
	json_object_object_add(o, "state", json_object_new_string(word[f->state]));
	json_object_object_add(o, "text", json_object_new_string(f->text));
	json_object_object_add(o, "advice", *f->advice ? json_object_new_string(f->advice) : NULL);
	return o;
}
