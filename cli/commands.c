/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/cli.h"

#include <stddef.h>

const struct cli_command *const cli_commands[] = {
	&cli_bind, &cli_companion, &cli_doctor, &cli_groups, &cli_list, &cli_p2p, &cli_run, &cli_serve,
	&cli_share, &cli_unbind, NULL,
};
