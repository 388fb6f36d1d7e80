/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_FDS_H
#define TESTS_UNIT_FDS_H

#include "unit.h"

#include <dirent.h>
#include <sched.h>

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

/* Is there a thread of this name? */
static inline bool thread_lives(const char *name)
{
	DIR *d = opendir("/proc/self/task");
	char path[300], comm[32];
	bool lives = false;
	struct dirent *e;
	FILE *f;

	assert_non_null(d);
	while (!lives && (e = readdir(d))) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", e->d_name);
		f = fopen(path, "r");
		lives = f && fgets(comm, sizeof(comm), f) && !strncmp(comm, name, strlen(name));
		if (f)
			fclose(f);
	}
	closedir(d);
	return lives;
}

/* What a client sent is closed by a thread made for it: wait for that. A test that hangs is ended. */
static inline void assert_fds(unsigned int nr)
{
	while (count_fds() != nr)
		sched_yield();
}

#endif
