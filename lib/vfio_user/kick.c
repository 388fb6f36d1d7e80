/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfio_user/kick.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int gw_kick_init(struct gw_kick *k)
{
	k->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	atomic_init(&k->given, false);
	return k->fd < 0 ? -errno : 0;
}

void gw_kick_fini(struct gw_kick *k)
{
	close(k->fd);
}

void gw_kick_give(struct gw_kick *k)
{
	uint64_t one = 1;
	ssize_t n;

	atomic_store(&k->given, true);
	n = write(k->fd, &one, sizeof(one));
	(void)n;	/* fails only when the counter is full: then the thread is awake */
}

void gw_kick_take(struct gw_kick *k)
{
	uint64_t count;
	ssize_t n = read(k->fd, &count, sizeof(count));

	(void)n;	/* fails only when there was no kick */
	atomic_store(&k->given, false);
}
