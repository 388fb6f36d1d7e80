/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "share/share.h"

/*
 * An eventfd that another process holds may be full, and made to block, at any moment: it is
 * signalled by a notifier, and read in a way that never waits.
 */

int gw_fence_init(struct gw_fence *f)
{
	atomic_init(&f->count, 0);
	atomic_init(&f->err, -ECANCELED);
	atomic_init(&f->shared, false);
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

static void wake_any(struct gw_fence *f, struct gw_notifier *n)
{
	if (atomic_load(&f->shared))
		gw_notifier_signal(n, f->fd);
	else
		wake(f);
}

void gw_fence_step(struct gw_fence *f, struct gw_notifier *n)
{
	atomic_fetch_add(&f->count, 1);
	wake_any(f, n);
}

void gw_fence_end(struct gw_fence *f, int err, struct gw_notifier *n)
{
	atomic_store(&f->err, err);
	wake_any(f, n);
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

uint64_t gw_fence_count(struct gw_fence *f, int *err)
{
	int ended = atomic_load(&f->err);
	uint64_t more;
	struct iovec iov = { &more, sizeof(more) };

	if (err)
		*err = ended;
	if (!ended && atomic_load(&f->shared) &&
	    preadv2(f->fd, &iov, 1, -1, RWF_NOWAIT) == sizeof(more))
		atomic_fetch_add(&f->count, more);
	return atomic_load(&f->count);
}

struct gw_fence *gw_attachment_fence(struct gw_attachment *a, enum gw_fence_which which)
{
	return &a->fence[which];
}

int gw_attachment_share_fences(struct gw_attachment *a)
{
	struct gw_exporter *x = a->e->x;
	int ret = 0;

	pthread_mutex_lock(&x->lock);
	if (!x->notifies)
		ret = gw_notifier_init(&x->notifier);
	if (!ret) {
		x->notifies = true;
		for (unsigned int i = 0; i < GW_FENCE_NR; i++)
			atomic_store(&a->fence[i].shared, true);
	}
	pthread_mutex_unlock(&x->lock);
	return ret;
}
