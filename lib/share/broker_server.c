/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/listen.h"
#include "share/broker.h"

#define FIXED		2u	/* descriptors that are always polled: stop, listen */

struct gw_broker {
	struct gw_broker_core core;
	struct gw_share_msg msg;
	struct gw_listener listener;
	int stop;
};

static int policy_new(const struct gw_broker_options *opt, struct gw_policy **policy)
{
	int ret = gw_policy_new(policy);

	if (!ret && opt->policy)
		ret = gw_policy_load(*policy, opt->policy, opt->log);
	if (ret)
		gw_policy_free(*policy);
	return ret;
}

int gw_broker_new(const struct gw_broker_options *opt, struct gw_broker **b)
{
	struct gw_policy *policy = NULL;
	struct gw_broker *n;
	int ret = policy_new(opt, &policy);

	if (ret)
		return ret;
	n = calloc(1, sizeof(*n));
	if (!n) {
		gw_policy_free(policy);
		return -ENOMEM;
	}
	gw_broker_core_init(&n->core, policy, opt->audit, opt->log);
	n->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ret = n->stop < 0 ? -errno :
	      gw_listener_open(&n->listener, opt->socket, SOCK_SEQPACKET, 0660, opt->log);
	if (!ret) {
		*b = n;
		return 0;
	}
	if (n->stop >= 0)
		close(n->stop);
	gw_broker_core_fini(&n->core);
	free(n);
	return ret;
}

void gw_broker_free(struct gw_broker *b)
{
	if (!b)
		return;
	gw_listener_close(&b->listener);
	close(b->stop);
	gw_broker_core_fini(&b->core);
	free(b);
}

void gw_broker_stop(struct gw_broker *b)
{
	uint64_t one = 1;
	ssize_t n = write(b->stop, &one, sizeof(one));

	(void)n;	/* it is full: it stops already */
}

/*
 * The process that connected. Where the kernel does not say (SO_PEERPIDFD, Linux 6.5), its number
 * may have become another's by now, but only if it has ended, and then its socket has as well.
 */
static int process_of(int fd, pid_t pid)
{
	struct pollfd p = { .fd = fd };
	int process = -1;
#ifdef SO_PEERPIDFD
	socklen_t len = sizeof(process);

	if (!getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &process, &len))
		return process;
	if (errno != ENOPROTOOPT)
		return -1;	/* it has ended, and its number may be another's */
#endif
	process = pidfd_open(pid, 0);
	if (process < 0 || (!poll(&p, 1, 0) && !p.revents))
		return process;
	close(process);
	return -1;
}

static void accept_one(struct gw_broker *b)
{
	struct ucred who;
	socklen_t len = sizeof(who);
	int fd = accept4(b->listener.fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len)) {
		close(fd);
		return;
	}
	if (gw_broker_join(&b->core, fd, process_of(fd, who.pid), who.pid, who.uid))
		gw_log_guest(b->core.log, "user %u has too many connections to the broker: one more "
			     "is refused", who.uid);
}

/* Take one message of each peer that has sent any, so that nobody keeps the others waiting. */
static void serve_peer(struct gw_broker *b, struct gw_broker_peer *p)
{
	int ret = gw_share_recv(p->fd, &b->msg);

	if (!ret)
		gw_broker_message(&b->core, p, &b->msg);
	else if (ret != -EAGAIN)
		p->hang_up = true;
}

static void drop_hung_up(struct gw_broker_core *c)
{
	struct gw_broker_peer *p, *next;

	for (p = LIST_FIRST(&c->peers); p; p = next) {
		next = LIST_NEXT(p, link);
		if (p->hang_up)
			gw_broker_leave(c, p);
	}
}

int gw_broker_serve(struct gw_broker *b)
{
	struct gw_broker_peer *p, *of[GW_BROKER_PEERS];
	struct pollfd fds[FIXED + GW_BROKER_PEERS];

	for (;;) {
		unsigned int nr = 0;

		fds[0] = (struct pollfd){ .fd = b->stop, .events = POLLIN };
		fds[1] = (struct pollfd){ .fd = b->listener.fd, .events = POLLIN };
		LIST_FOREACH(p, &b->core.peers, link) {
			fds[FIXED + nr] = (struct pollfd){ .fd = p->fd, .events = POLLIN };
			of[nr++] = p;
		}
		if (poll(fds, FIXED + nr, -1) < 0) {
			if (errno != EINTR)
				return -errno;
			continue;
		}
		if (fds[0].revents)
			return 0;
		for (unsigned int i = 0; i < nr; i++)
			if (fds[FIXED + i].revents)
				serve_peer(b, of[i]);
		drop_hung_up(&b->core);
		if (fds[1].revents)
			accept_one(b);
	}
}
