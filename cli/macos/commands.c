/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/cli.h"

#include <stddef.h>

/* The other commands are about clients of vfio-user and sysfs, which a Mac does not have. */
const struct cli_command *const cli_commands[] = { &cli_doctor, &cli_list, &cli_run, NULL };
