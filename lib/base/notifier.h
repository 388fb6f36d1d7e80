/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_BASE_NOTIFIER_H
#define GW_BASE_NOTIFIER_H

/*
 * An eventfd that another process holds as well cannot be written safely: whether write(2) sleeps
 * while the counter stands at its top is decided by O_NONBLOCK, and the other side can clear that
 * flag and fill the counter at any moment. A notifier signals eventfds without ever sleeping.
 */

/**
 * struct gw_notifier - signals eventfds that somebody else holds as well
 * @context: of asynchronous I/O in the kernel; 0: none
 * @null:    the file that is read, ours
 * @done:    events that wait in the context
 *
 * Its owner sees to it that one thread at a time uses it.
 */
struct gw_notifier {
	unsigned long context;
	int null;
	unsigned int done;
};

/**
 * gw_notifier_init()
 *
 * Return: 0; -EAGAIN the system has no more contexts of asynchronous I/O (fs.aio-max-nr), -ENOSYS
 * it has none at all, or -errno of io_setup(2) and open(2).
 */
int gw_notifier_init(struct gw_notifier *n);

/** gw_notifier_fini() - also of one that is zeroed or whose init failed */
void gw_notifier_fini(struct gw_notifier *n);

/**
 * gw_notifier_signal() - add one to the counter of eventfd @fd, as the kernel itself does it
 *
 * It never sleeps. A counter at its top stays there: whoever holds the eventfd has an event to
 * read.
 *
 * Return: 0; -EINVAL if @fd is no eventfd, -EBADF, or -errno of io_submit(2).
 */
int gw_notifier_signal(struct gw_notifier *n, int fd);

#endif
