/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "cli/cli.h"

/* https://no-color.org, and terminals that know none */
static bool has_colours(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return !(no && *no) && term && strcmp(term, "dumb") != 0 && isatty(STDERR_FILENO);
}

static void log_to_stderr(void *opaque, enum gw_log_level level, const char *line)
{
	static const struct { const char *word, *colour; } style[] = {
		[GW_LOG_ERR] = { "error: ", "\033[31m" },
		[GW_LOG_WARN] = { "warning: ", "\033[33m" },
		[GW_LOG_HINT] = { "hint: ", "\033[36m" },
		[GW_LOG_INFO] = { "", "" },
		[GW_LOG_DEBUG] = { "debug: ", "\033[2m" },
		[GW_LOG_TRACE] = { "trace: ", "\033[2m" },
	};
	const char *colour = has_colours() ? style[level].colour : "";

	fprintf(stderr, "gangway: %s%s%s%s\n", colour, style[level].word, *colour ? "\033[0m" : "",
		line);
}

static void usage(FILE *to)
{
	fprintf(to, "Usage: gangway [-v] COMMAND ...\n"
		    "\n"
		    "Pass PCI devices through to virtual machines, also where the platform chooses the\n"
		    "DMA addresses.\n"
		    "\n");
	for (const struct cli_command *const *c = cli_commands; *c; c++)
		fprintf(to, "  %-9s %s\n", (*c)->name, (*c)->summary);
	fprintf(to, "\n"
		    "  -v, --verbose   say more; twice, or -vv: each mapping too\n"
		    "      --version   print the version\n"
		    "\n"
		    "gangway COMMAND --help tells more; gangway(1) is the manual.\n");
}

/*
 * What is opened later must not become standard output or errors. So a standard descriptor that is
 * closed is taken by something that can be neither read nor written.
 */
static void take_closed(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_RDONLY : O_WRONLY) < 0)
			return;		/* then there is nothing to be opened at all */
}

/* A command whose output did not arrive has failed. */
static int written(int code, struct gw_log *log)
{
	if (!fflush(stdout) && !ferror(stdout))
		return code;
	gw_err(log, "cannot write to standard output: %s", strerror(errno));
	return code ? code : CLI_FAILED;
}

int main(int argc, char **argv)
{
	struct gw_log log = { .level = GW_LOG_INFO, .write = log_to_stderr };
	int i = 1;

	take_closed();
	/* whoever reads what we say may go; what is served, and the report, do not end with that */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);	/* a file that may not grow is an error of the device's */

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "-v") || !strcmp(argv[i], "--verbose")) {
			cli_say_more(&log);
		} else if (!strcmp(argv[i], "-vv")) {
			log.level = GW_LOG_TRACE;
		} else if (!strcmp(argv[i], "--version")) {
			printf("gangway %s\n", GANGWAY_VERSION);
			return written(CLI_OK, &log);
		} else if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			usage(stdout);
			return written(CLI_OK, &log);
		} else {
			gw_err(&log, "unknown option '%s'", argv[i]);
			usage(stderr);
			return CLI_USAGE;
		}
	}
	if (i == argc) {
		usage(stderr);
		return CLI_USAGE;
	}
	for (const struct cli_command *const *c = cli_commands; *c; c++) {
		if (!strcmp(argv[i], (*c)->name))
			return written((*c)->run(argc - i, argv + i, &log), &log);
	}
	gw_err(&log, "unknown command '%s'; gangway --help lists them", argv[i]);
	return CLI_USAGE;
}
