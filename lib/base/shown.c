/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/shown.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

/* "first-end perms offset major:minor inode path"; a path may hold anything but a newline. */
static bool line_is_of(const char *line, uint64_t dev, uint64_t ino, struct gw_shown *s)
{
	unsigned int maj, min;
	char perms[5];
	uint64_t i;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64, &s->first, &s->end,
		   perms, &s->off, &maj, &min, &i) != 7)
		return false;
	s->readable = perms[0] == 'r';
	s->writable = perms[1] == 'w';
	s->shared = perms[3] == 's';
	return maj == major(dev) && min == minor(dev) && i == ino;
}

int gw_shown_each(pid_t pid, uint64_t dev, uint64_t ino, unsigned int max_lines,
		  int (*each)(void *opaque, const struct gw_shown *s), void *opaque)
{
	char line[256], path[sizeof("/proc/-2147483648/maps")] = "/proc/self/maps";
	struct gw_shown s;
	bool begins = true;
	FILE *maps;
	int ret = 0;

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	if (!maps)
		return -errno;
	while (!ret && max_lines && fgets(line, sizeof(line), maps)) {
		if (begins && line_is_of(line, dev, ino, &s))
			ret = each(opaque, &s);
		begins = strchr(line, '\n');	/* else what follows is the rest of a long path */
		max_lines--;
	}
	if (!ret && ferror(maps))
		ret = -EIO;
	fclose(maps);
	return ret;
}
