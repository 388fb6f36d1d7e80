/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_SIMULATED_H
#define CLI_SIMULATED_H

#include <json-c/json.h>

/* The devices of the simulated host, for 'list'. */

/** simulated_text() - onto standard output */
void simulated_text(void);

/** simulated_json() - appended to @list */
void simulated_json(struct json_object *list);

#endif
