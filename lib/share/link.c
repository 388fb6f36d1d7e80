/* SPDX-License-Identifier: BSD-3-Clause */
#include "share/link.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/os.h"
#include "base/thread.h"
#include "base/util.h"

/*
 * How it works: link.h says what the thread is for. link_run() is that thread: it polls the
 * broker's socket and those of the importers, and answers with the link's lock held. The public
 * calls come from other threads; ask() sends their request itself and waits until the thread has
 * found the reply, by its number. Before there is a thread, ask_alone() does both.
 */

#define ANSWER_MS	5000
#define FIXED		2u	/* descriptors that are always polled: wake, broker */

/* One request on a socket that only the caller reads. */
static int ask_alone(int sock, struct gw_share_msg *m)
{
	int ret = gw_share_send(sock, m);

	if (!ret)
		ret = gw_share_wait(sock, ANSWER_MS);
	if (!ret)
		ret = gw_share_recv(sock, m);
	if (!ret)
		ret = m->status;
	return ret;
}

/* Connect to the broker by the name of a VM. Return: socket; -errno */
static int connect_as_vm(const char *broker, const char *vm, struct gw_share_msg *m)
{
	int sock = gw_share_connect_to(broker), ret;

	if (sock < 0)
		return sock;
	gw_share_msg_init(m, GW_SHARE_HELLO, 1);
	gw_share_put_u32(m, GW_SHARE_VERSION);
	gw_share_put_u32(m, GW_SHARE_EXPORTER);
	gw_share_put_text(m, vm, GW_SHARE_NAME);
	ret = ask_alone(sock, m);
	gw_share_msg_close(m);
	if (!ret)
		return sock;
	close(sock);
	return ret;
}

int gw_share_cookie(const char *broker, const char *vm, const struct gw_share_id *id,
		    uint64_t *cookie)
{
	struct gw_share_msg *m = malloc(sizeof(*m));
	struct gw_reader r;
	int sock, ret;

	if (!m)
		return -ENOMEM;
	sock = connect_as_vm(broker, vm, m);
	ret = sock < 0 ? sock : 0;
	if (!ret) {
		gw_share_msg_init(m, GW_SHARE_COOKIE, 2);
		gw_share_put_id(m, id);
		ret = ask_alone(sock, m);
		gw_share_msg_close(m);
		close(sock);
	}
	if (!ret) {
		r = gw_reader_init(m->body, m->len);
		ret = gw_reader_u64(&r, cookie) ? 0 : -EPROTO;
	}
	free(m);
	return ret;
}

/* For the thread: the broker has sent a message, asked for or not. */
static void broker_message(struct gw_exporter_link *l, struct gw_share_msg *m) GW_HOLDS(l->lock)
{
	int ret = 0;

	if (m->type == GW_SHARE_INTRODUCE && !m->seq) {
		ret = gw_remote_new(l, m);
		if (ret)
			gw_log_guest(l->opt.log, "an importer cannot be served: %s", strerror(-ret));
		return;
	}
	if (m->seq && m->seq == l->want_seq) {
		memcpy(l->reply, m, sizeof(*m));
		m->nr_fds = 0;
		l->want_seq = 0;
		pthread_cond_broadcast(&l->answered);
	}
	gw_share_msg_close(m);
}

static void broker_gone(struct gw_exporter_link *l) GW_HOLDS(l->lock)
{
	gw_warn(l->opt.log, "the broker %s has gone: importers that there are stay, new ones "
		"cannot come", l->opt.broker);
	close(l->broker);
	l->broker = -1;
	pthread_cond_broadcast(&l->answered);
}

static void serve_broker(struct gw_exporter_link *l) GW_HOLDS(l->lock)
{
	int ret = gw_share_recv(l->broker, &l->msg);

	if (!ret)
		broker_message(l, &l->msg);
	else if (ret != -EAGAIN)
		broker_gone(l);
}

/* A message, or news of its end. */
static void serve_remote(struct gw_exporter_link *l, struct gw_remote_importer *r)
	GW_HOLDS(l->lock)
{
	int ret = r->hang_up ? -ENOTCONN : gw_share_recv(r->fd, &l->msg);

	GW_HELD(r->l->lock);	/* it is @l's */
	if (!ret)
		gw_remote_message(r, &l->msg);
	if ((ret && ret != -EAGAIN) || r->hang_up)
		gw_remote_end(r);
}

static void *link_run(void *opaque)
{
	struct gw_exporter_link *l = opaque;
	struct gw_remote_importer *r, *of[GW_LINK_REMOTES];
	struct pollfd fds[FIXED + GW_LINK_REMOTES];

	for (;;) {
		unsigned int nr = 0;

		pthread_mutex_lock(&l->lock);
		fds[0] = (struct pollfd){ .fd = l->wake, .events = POLLIN };
		fds[1] = (struct pollfd){ .fd = l->broker, .events = POLLIN };
		LIST_FOREACH(r, &l->remotes, link) {
			fds[FIXED + nr] = (struct pollfd){ .fd = r->fd, .events = POLLIN };
			of[nr++] = r;
		}
		pthread_mutex_unlock(&l->lock);
		if (poll(fds, FIXED + nr, -1) < 0)
			continue;	/* a signal */
		if (fds[0].revents)
			return NULL;
		pthread_mutex_lock(&l->lock);
		for (unsigned int i = 0; i < nr; i++)
			if (fds[FIXED + i].revents)
				serve_remote(l, of[i]);
		if (fds[1].revents)
			serve_broker(l);
		pthread_mutex_unlock(&l->lock);
	}
}

int gw_exporter_link_new(const struct gw_exporter_link_options *opt, struct gw_exporter *x,
			 struct gw_exporter_link **l)
{
	struct gw_exporter_link *n = calloc(1, sizeof(*n));
	int ret;

	if (!n)
		return -ENOMEM;
	pthread_mutex_init(&n->asking, NULL);
	pthread_mutex_init(&n->lock, NULL);
	n->opt = *opt;
	n->x = x;
	n->seq = 1;
	LIST_INIT(&n->exports);
	LIST_INIT(&n->remotes);
	ret = gw_os_cond_init(&n->answered);
	if (ret)
		goto free;
	n->broker = connect_as_vm(opt->broker, gw_exporter_vm(x), &n->msg);
	ret = n->broker < 0 ? n->broker : 0;
	if (ret)
		goto cond;
	n->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ret = n->wake < 0 ? -errno : gw_thread_start(&n->thread, "gw-share", link_run, n);
	if (ret)
		goto close;
	*l = n;
	return 0;
close:
	if (n->wake >= 0)
		close(n->wake);
	close(n->broker);
cond:
	pthread_cond_destroy(&n->answered);
free:
	free(n);
	return ret;
}

void gw_exporter_link_free(struct gw_exporter_link *l)
{
	struct gw_remote_importer *r;
	struct gw_link_export *e;
	uint64_t one = 1;
	ssize_t n;

	if (!l)
		return;
	n = write(l->wake, &one, sizeof(one));
	(void)n;
	pthread_join(l->thread, NULL);
	GW_ALONE(l->lock);	/* the thread has ended, and who calls this calls nothing else */
	while ((r = LIST_FIRST(&l->remotes))) {
		GW_ALONE(r->l->lock);	/* it is @l's */
		gw_remote_end(r);
	}
	while ((e = LIST_FIRST(&l->exports))) {
		LIST_REMOVE(e, link);
		free(e);
	}
	if (l->broker >= 0)
		close(l->broker);
	close(l->wake);
	pthread_cond_destroy(&l->answered);
	pthread_mutex_destroy(&l->lock);
	pthread_mutex_destroy(&l->asking);
	free(l);
}

/* A request to the broker, whose reply the thread receives. */
static int ask(struct gw_exporter_link *l, struct gw_share_msg *m)
{
	uint64_t end = gw_now_ns() + ANSWER_MS * 1000000ull;
	int ret;

	pthread_mutex_lock(&l->asking);
	pthread_mutex_lock(&l->lock);
	m->seq = ++l->seq ? l->seq : ++l->seq;
	l->want_seq = m->seq;
	l->reply = m;
	ret = l->broker < 0 ? -ENOTCONN : gw_share_send(l->broker, m);
	while (!ret && l->want_seq) {
		if (l->broker < 0)
			ret = -ENOTCONN;
		else if (gw_os_cond_wait_until(&l->answered, &l->lock, end) && l->want_seq)
			ret = -ETIMEDOUT;
	}
	l->want_seq = 0;
	pthread_mutex_unlock(&l->lock);
	pthread_mutex_unlock(&l->asking);
	if (ret)
		return ret;
	gw_share_msg_close(m);
	return m->status;
}

int gw_exporter_link_publish(struct gw_exporter_link *l, struct gw_export *e, const char *label,
			     uint32_t *number)
{
	struct gw_link_export *n = malloc(sizeof(*n));
	struct gw_share_msg *m = malloc(sizeof(*m));
	struct gw_reader r;
	int ret = n && m ? 0 : -ENOMEM;

	if (ret)
		goto free;
	gw_share_msg_init(m, GW_SHARE_PUBLISH, 0);
	gw_share_put_id(m, gw_export_id(e));
	gw_share_put_u32(m, gw_export_bar(e));
	gw_share_put_u64(m, gw_export_size(e));
	gw_share_put_text(m, label, GW_SHARE_NAME);
	ret = ask(l, m);
	if (ret)
		goto free;
	r = gw_reader_init(m->body, m->len);
	ret = gw_reader_u32(&r, number) ? 0 : -EPROTO;
	if (ret)
		goto free;
	*n = (struct gw_link_export){ .number = *number, .e = e };
	pthread_mutex_lock(&l->lock);
	LIST_INSERT_HEAD(&l->exports, n, link);
	pthread_mutex_unlock(&l->lock);
	n = NULL;
free:
	free(n);
	free(m);
	return ret;
}

void gw_exporter_link_withdraw(struct gw_exporter_link *l, uint32_t number)
{
	struct gw_share_msg *m = malloc(sizeof(*m));
	struct gw_link_export *e;

	pthread_mutex_lock(&l->lock);
	LIST_FOREACH(e, &l->exports, link)
		if (e->number == number)
			break;
	if (e)
		LIST_REMOVE(e, link);
	pthread_mutex_unlock(&l->lock);
	free(e);
	if (m) {
		gw_share_msg_init(m, GW_SHARE_WITHDRAW, 0);
		gw_share_put_u32(m, number);
		ask(l, m);
	}
	free(m);
}

int gw_exporter_link_grant(struct gw_exporter_link *l, uint32_t number, const char *importer,
			   pid_t pid, uint8_t handle[GW_SHARE_HANDLE_SIZE])
{
	struct gw_share_msg *m = malloc(sizeof(*m));
	struct gw_reader r;
	int ret;

	if (!m)
		return -ENOMEM;
	gw_share_msg_init(m, GW_SHARE_GRANT, 0);
	gw_share_put_u32(m, number);
	gw_share_put_u32(m, (uint32_t)pid);
	gw_share_put_text(m, importer, GW_SHARE_NAME);
	ret = ask(l, m);
	if (!ret) {
		r = gw_reader_init(m->body, m->len);
		ret = gw_reader_take(&r, handle, GW_SHARE_HANDLE) ? 0 : -EPROTO;
	}
	free(m);
	return ret;
}
