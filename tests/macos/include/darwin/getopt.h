/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_MACOS_DARWIN_GETOPT_H
#define TESTS_MACOS_DARWIN_GETOPT_H

/* As darwin_libc.h; apart from it, for the names it takes. */

struct option {
	const char *name;
	int has_arg, *flag, val;
};
enum { no_argument = 0, required_argument = 1, optional_argument = 2 };
extern char *optarg;
extern int optind, opterr, optopt;
int getopt_long(int argc, char *const *argv, const char *shorts, const struct option *longs, int *index);

#endif
