/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"
#include "base/shown.h"

/*
 * How it works: the kernel lists which addresses of this process show a file. Each is made to show
 * another file in one step, so that pointers stay as they are; then the descriptor is replaced
 * likewise.
 */

static int show(void *opaque, const struct gw_shown *s)
{
	int prot = (s->readable ? PROT_READ : 0) | (s->writable ? PROT_WRITE : 0);
	const int *fd = opaque;

	return mmap((void *)(uintptr_t)s->first, s->end - s->first, prot, MAP_SHARED | MAP_FIXED, *fd,
		    (off_t)s->off) == MAP_FAILED ? -errno : 0;
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
	/* no mapping of the file may come or go meanwhile */
	ret = gw_shown_each(0, st.st_dev, st.st_ino, UINT_MAX, show, &fresh);
	if (!ret && dup3(fresh, fd, O_CLOEXEC) < 0)
		ret = -errno;
	close(fresh);
	return ret;
}
