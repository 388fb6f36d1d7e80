/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/cli.h"

#include <stddef.h>

/* Clients of vfio-user and sysfs, of which the other commands are, are not on a Mac. */
const struct cli_command *const cli_commands[] = { &cli_doctor, &cli_list, &cli_run, NULL };
