/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

int gw_os_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;
	int ret = pthread_condattr_init(&attr);

	if (ret)
		return -ret;
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	ret = pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
	return -ret;
}

int gw_os_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline)
{
	const struct timespec until = { .tv_sec = (time_t)(deadline / 1000000000),
					.tv_nsec = (long)(deadline % 1000000000) };

	return pthread_cond_timedwait(cond, lock, &until) == ETIMEDOUT ? -ETIMEDOUT : 0;
}

int gw_os_memory_seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) ? -errno : 0;
}

int gw_os_memory_file(const char *name, uint64_t size, bool seal)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), ret;

	if (fd < 0)
		return -errno;
	ret = size && ftruncate(fd, (off_t)size) ? -errno : 0;
	if (!ret && seal)
		ret = gw_os_memory_seal(fd);
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

bool gw_os_file_id(int fd, uint64_t *dev, uint64_t *ino)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &st))
		return false;
	*dev = makedev(st.stx_dev_major, st.stx_dev_minor);
	*ino = st.stx_ino;
	return true;
}

bool gw_os_is_memory_file(int fd)
{
	return fcntl(fd, F_GET_SEALS) >= 0;
}

/*
 * It fails only where the kernel has no such call, and then nothing that we could give is a secret.
 */
void gw_os_random(void *buf, size_t size)
{
	for (uint8_t *at = buf; size;) {
		ssize_t n = getrandom(at, size, 0);

		if (n < 0 && errno != EINTR)
			abort();
		at += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
}

int gw_os_thread_create(pthread_t *thread, const char *name, void *(*run)(void *arg), void *arg)
{
	int ret = -pthread_create(thread, NULL, run, arg);

	if (!ret)
		pthread_setname_np(*thread, name);
	return ret;
}
