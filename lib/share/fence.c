/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "share/share.h"

int gw_fence_init(struct gw_fence *f)
{
	atomic_init(&f->count, 0);
	atomic_init(&f->err, -ECANCELED);
	atomic_init(&f->remote, false);
	f->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return f->fd < 0 ? -errno : 0;
}

void gw_fence_fini(struct gw_fence *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

void gw_fence_arm(struct gw_fence *f)
{
	atomic_store(&f->err, 0);
}

/* A full counter is readable already: nobody is left asleep. */
static void wake(struct gw_fence *f)
{
	uint64_t one = 1;
	ssize_t n = write(f->fd, &one, sizeof(one));

	(void)n;
}

void gw_fence_end(struct gw_fence *f, int err)
{
	atomic_store(&f->err, err);
	wake(f);
}

void gw_fence_signal(struct gw_fence *f)
{
	atomic_fetch_add(&f->count, 1);
	wake(f);
}

int gw_fence_fd(const struct gw_fence *f)
{
	return f->fd;
}

void gw_fence_remote(struct gw_fence *f)
{
	atomic_store(&f->remote, true);
}

uint64_t gw_fence_count(struct gw_fence *f, int *err)
{
	int ended = atomic_load(&f->err);
	uint64_t more;

	if (err)
		*err = ended;
	if (!ended && atomic_load(&f->remote) && read(f->fd, &more, sizeof(more)) == sizeof(more))
		atomic_fetch_add(&f->count, more);
	return atomic_load(&f->count);
}

struct gw_fence *gw_attachment_fence(struct gw_attachment *a, enum gw_fence_which which)
{
	return &a->fence[which];
}
