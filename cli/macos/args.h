/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_MACOS_ARGS_H
#define CLI_MACOS_ARGS_H

#include <stdbool.h>

#include <json-c/json.h>

#include <gangway/log.h>

/**
 * args_json_only() - the command line of a command that takes --json and --help
 * @what: what it does, for the help
 *
 * Return: -1 to go on; else the exit code.
 */
int args_json_only(int argc, char **argv, const char *what, bool *json, struct gw_log *log);

/** args_print_json() - onto standard output; takes @o over */
void args_print_json(struct json_object *o);

#endif
