/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_FINDING_H
#define CLI_FINDING_H

#include <json-c/json.h>

#define DOCTOR_TEXT_SIZE	256

enum doctor_state {
	DOCTOR_OK,
	DOCTOR_NOTE,	/* works, but could be better, or may not be wanted */
	DOCTOR_BAD,	/* something does not work */
};

/** What a check found, and what to do about it; empty: nothing. */
struct doctor_finding {
	enum doctor_state state;
	char text[DOCTOR_TEXT_SIZE], advice[DOCTOR_TEXT_SIZE];
};

/** doctor_say() - set a finding; @advice: NULL if there is nothing to be done */
void doctor_say(struct doctor_finding *f, enum doctor_state state, const char *advice,
		const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/** doctor_print() - a line or two on standard output */
void doctor_print(const char *name, const struct doctor_finding *f);

/** doctor_json() - an object, the caller's */
struct json_object *doctor_json(const char *name, const struct doctor_finding *f);

#endif
