/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_FDS_H
#define TESTS_UNIT_FDS_H

#include "unit.h"

#include <dirent.h>

/* Descriptors that are open, and always the same few beside them. */
static inline unsigned int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int nr = 0;

	assert_non_null(d);
	while (readdir(d))
		nr++;
	closedir(d);
	return nr;
}

#endif
