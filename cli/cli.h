/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <gangway/log.h>

/*
 * Exit codes of the command; documented in gangway(1). Ended by signal N, 'run' exits with 128 + N.
 */
enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,		/* it was tried and did not work */
	CLI_USAGE = 2,		/* the command line is wrong; nothing was tried */
	CLI_UNAVAILABLE = 3,	/* something needed is missing on this machine */
	CLI_FAULTS = 4,		/* the guest ran, but a device accessed memory it was not given */
};

/** A subcommand: @run gets its own arguments, argv[0] being its name. */
struct cli_command {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv, struct gw_log *log);
};

/** -v; said twice, also what a guest or client can make us say without end */
static inline void cli_say_more(struct gw_log *log)
{
	log->level = log->level < GW_LOG_DEBUG ? GW_LOG_DEBUG : GW_LOG_TRACE;
}

/** The commands there are on this system, NULL at the end. */
extern const struct cli_command *const cli_commands[];

extern const struct cli_command cli_bind, cli_companion, cli_doctor, cli_groups, cli_list, cli_p2p,
	cli_run, cli_serve, cli_share, cli_unbind;

#endif
