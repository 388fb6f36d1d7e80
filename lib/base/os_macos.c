/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/os.h"
#include "base/vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/notifier.h"
#include "base/util.h"

int gw_os_cond_init(pthread_cond_t *cond)
{
	return -pthread_cond_init(cond, NULL);
}

/* A condition there goes by the time of day, which can be set; a relative wait does not. */
int gw_os_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline)
{
	uint64_t now = gw_now_ns(), left = deadline > now ? deadline - now : 0;
	const struct timespec ts = { .tv_sec = (time_t)(left / 1000000000),
				     .tv_nsec = (long)(left % 1000000000) };

	return pthread_cond_timedwait_relative_np(cond, lock, &ts) == ETIMEDOUT ? -ETIMEDOUT : 0;
}

int gw_os_memory_seal(int fd)
{
	return 0;
}

/* A name that is gone before anybody else could use it. There are no seals. */
int gw_os_memory_file(const char *name, uint64_t size, bool seal)
{
	static _Atomic unsigned int count;
	char path[31];			/* as long as the system takes */
	int fd, ret;

	snprintf(path, sizeof(path), "/gangway.%d.%u", (int)getpid(), atomic_fetch_add(&count, 1));
	fd = shm_open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return -errno;
	shm_unlink(path);
	if (!fcntl(fd, F_SETFD, FD_CLOEXEC) && (!size || !ftruncate(fd, (off_t)size)))
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

bool gw_os_file_id(int fd, uint64_t *dev, uint64_t *ino)
{
	struct stat st;

	if (fstat(fd, &st))
		return false;
	*dev = (uint64_t)st.st_dev;
	*ino = st.st_ino;
	return true;
}

/* No file is handed over there: a VMM has gangway inside, and gives its memory by address. */
int gw_os_memory_renew(int fd)
{
	return -EOPNOTSUPP;	/* no VMM of another process is served there */
}

bool gw_os_is_memory_file(int fd)
{
	return false;
}

void gw_os_random(void *buf, size_t size)
{
	arc4random_buf(buf, size);
}

/* A thread may name itself only. */
struct start {
	char name[16];
	void *(*run)(void *arg);
	void *arg;
};

static void *thread_run(void *opaque)
{
	struct start s = *(struct start *)opaque;

	free(opaque);
	pthread_setname_np(s.name);
	return s.run(s.arg);
}

int gw_os_thread_create(pthread_t *thread, const char *name, void *(*run)(void *arg), void *arg)
{
	struct start *s = malloc(sizeof(*s));
	int ret;

	if (!s)
		return -ENOMEM;
	snprintf(s->name, sizeof(s->name), "%s", name);
	s->run = run;
	s->arg = arg;
	ret = -pthread_create(thread, NULL, thread_run, s);
	if (ret)
		free(s);
	return ret;
}

/*
 * A notifier is a pipe there, of which it is given the end to write to: as long as a write to an
 * eventfd. A pipe that is full has something to be read, so nothing is lost by not writing; and
 * whoever holds the other end cannot make this end wait.
 */
int gw_notifier_init(struct gw_notifier *n)
{
	*n = (struct gw_notifier){ .null = -1 };
	return 0;
}

void gw_notifier_fini(struct gw_notifier *n)
{
}

int gw_notifier_signal(struct gw_notifier *n, int fd)
{
	const uint64_t one = 1;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK)))
		return -errno;
	return write(fd, &one, sizeof(one)) == sizeof(one) || errno == EAGAIN ? 0 : -errno;
}

/* No other process is a VMM there, and this one is here. */
bool gw_vmm_is_gone(const struct gw_vmm *vmm)
{
	return false;
}
