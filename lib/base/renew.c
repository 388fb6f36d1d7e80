/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/os.h"

/*
 * How it works: the kernel lists which addresses of this process show a file. Each is made to show
 * another one in one step, so that pointers stay as they are; then so is the descriptor.
 */

struct shown {
	uint64_t first, end, off;
	char perms[5];
};

/* "first-end perms offset major:minor inode path"; a path may hold anything but a newline. */
static bool line_is_of(const char *line, const struct stat *st, struct shown *s)
{
	unsigned int maj, min;
	uint64_t ino;

	return sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64, &s->first, &s->end,
		      s->perms, &s->off, &maj, &min, &ino) == 7 && ino == st->st_ino &&
	       maj == major(st->st_dev) && min == minor(st->st_dev);
}

static int show(const struct shown *s, int fd)
{
	int prot = (s->perms[0] == 'r' ? PROT_READ : 0) | (s->perms[1] == 'w' ? PROT_WRITE : 0);

	return mmap((void *)(uintptr_t)s->first, s->end - s->first, prot, MAP_SHARED | MAP_FIXED, fd,
		    (off_t)s->off) == MAP_FAILED ? -errno : 0;
}

/* No mapping of the file may come or go meanwhile. */
static int show_everywhere(const struct stat *st, int fd)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[256];
	bool begins = true;
	struct shown s;
	int ret = 0;

	if (!maps)
		return -errno;
	while (!ret && fgets(line, sizeof(line), maps)) {
		if (begins && line_is_of(line, st, &s))
			ret = show(&s, fd);
		begins = strchr(line, '\n');	/* else what follows is the rest of a long path */
	}
	if (!ret && ferror(maps))
		ret = -EIO;
	fclose(maps);
	return ret;
}

int gw_os_memory_renew(int fd)
{
	struct stat st;
	int fresh, ret;

	if (fstat(fd, &st))
		return -errno;
	fresh = gw_os_memory_file("gangway-renewed", (uint64_t)st.st_size, true);
	if (fresh < 0)
		return fresh;
	ret = show_everywhere(&st, fresh);
	if (!ret && dup3(fresh, fd, O_CLOEXEC) < 0)
		ret = -errno;
	close(fresh);
	return ret;
}
