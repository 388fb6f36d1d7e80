/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/notifier.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*
 * How it works: io_submit(2) signals an eventfd when a request is done, and does so from inside the
 * kernel, where the counter is raised without looking at the flags of the file. The request here is
 * a read of nothing from /dev/null, which is done when io_submit(2) returns; so this is one system
 * call in the thread that has something to say, and no other thread takes part.
 *
 * Each request leaves an event in the context. They are thrown away many at a time.
 */

#define ROOM	32u		/* events that the context holds */

int gw_notifier_init(struct gw_notifier *n)
{
	int ret;

	memset(n, 0, sizeof(*n));
	n->null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (n->null < 0)
		return -errno;
	if (!syscall(SYS_io_setup, ROOM, &n->context))
		return 0;
	ret = -errno;
	n->context = 0;
	close(n->null);
	return ret;
}

void gw_notifier_fini(struct gw_notifier *n)
{
	if (!n->context)
		return;
	syscall(SYS_io_destroy, n->context);
	close(n->null);
	n->context = 0;
}

static void throw_away(struct gw_notifier *n)
{
	struct io_event events[ROOM];
	struct timespec at_once = { 0 };

	syscall(SYS_io_getevents, n->context, 0l, (long)ROOM, events, &at_once);
	n->done = 0;
}

int gw_notifier_signal(struct gw_notifier *n, int fd)
{
	struct iocb read_nothing = {
		.aio_lio_opcode = IOCB_CMD_PREAD,
		.aio_fildes = (__u32)n->null,
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = (__u32)fd,
	};
	struct iocb *list[] = { &read_nothing };

	if (n->done == ROOM)
		throw_away(n);
	if (syscall(SYS_io_submit, n->context, 1l, list) != 1)
		return -errno;
	n->done++;
	return 0;
}
