/* SPDX-License-Identifier: BSD-3-Clause */
#include <gangway/vfio_user.h>

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/listen.h"
#include "base/thread.h"
#include "base/util.h"
#include "vfio_user/server.h"

#define ACCEPT_PAUSE_MS	200	/* when we have no descriptor for a client */
#define COMINGS_SAID	100u	/* limit: clients that come and go, of a socket */

/* Wait for a client. Return: its socket, or -1 to look whether we are closing and try again. */
static int server_accept(struct gw_vfio_user *s, bool *starved)
{
	struct pollfd p[2] = {
		{ .fd = s->client.kick.fd, .events = POLLIN },
		{ .fd = s->listener.fd, .events = POLLIN },
	};
	bool stuck = gw_closer_stuck(s->client.closer);
	int fd;

	if (stuck && !*starved)
		gw_log_guest(&s->log, "%s: no client is taken until descriptors that earlier ones sent "
			     "close", s->listener.addr.sun_path);
	*starved |= stuck;
	/* a client we cannot take keeps the listening socket ready: do not look at it */
	if (poll(p, *starved ? 1 : 2, *starved ? ACCEPT_PAUSE_MS : -1) < 0)
		return -1;
	if (p[0].revents) {
		gw_kick_take(&s->client.kick);
		return -1;
	}
	if (stuck)
		return -1;
	fd = accept4(s->listener.fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
		if (!*starved)
			gw_log_guest(&s->log, "%s: cannot take a client: %s; it waits",
				     s->listener.addr.sun_path, strerror(errno));
		*starved = true;
	} else {
		*starved = false;
	}
	return fd;
}

static void *server_main(void *opaque)
{
	struct gw_vfio_user *s = opaque;
	struct gw_client *c = &s->client;
	bool starved = false, say;
	int fd, ret;

	while (!atomic_load(&c->closing)) {
		fd = server_accept(s, &starved);
		if (fd < 0)
			continue;
		ret = gw_client_open(c, fd);
		if (ret) {
			gw_log_guest(&s->log, "%s: client turned away: %s",
				     s->listener.addr.sun_path, strerror(-ret));
			continue;
		}
		say = gw_log_may(&s->comings);	/* whoever may connect may do so as often as it
						 * likes */
		if (say)
			gw_info(&s->log, "%s: client connected", s->listener.addr.sun_path);
		gw_door_serves(&s->door, true);
		gw_client_serve(c);
		gw_door_serves(&s->door, false);
		gw_client_end(c);
		if (say)
			gw_info(&s->log, "%s: client gone", s->listener.addr.sun_path);
	}
	return NULL;
}

/* There may be many sockets, so each line names its own. */
static void client_says(void *opaque, enum gw_log_level level, const char *line)
{
	struct gw_vfio_user *s = opaque;

	gw_log_line(&s->log, level, "%s: %s", s->listener.addr.sun_path, line);
}

int gw_vfio_user_listen(const char *path, struct gw_device *dev,
			const struct gw_vfio_user_options *opt, struct gw_log *log,
			struct gw_vfio_user **server)
{
	struct gw_vfio_user *s;
	int ret;

	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	gw_log_own(&s->log, log);
	gw_log_own(&s->client_log, log);
	s->client_log.write = client_says;
	s->client_log.opaque = s;
	gw_log_own(&s->comings, &s->client_log);
	s->comings.most = COMINGS_SAID;
	ret = gw_client_init(&s->client, dev, opt ? opt->spin_us : 0, &s->client_log);
	if (ret)
		goto say;
	if (opt && opt->hello_ms)
		s->client.hello_ns = opt->hello_ms * 1000000ull;
	ret = gw_listener_open(&s->listener, path, SOCK_STREAM, 0600, log);
	if (ret) {
		gw_client_fini(&s->client);
		goto free_server;	/* logged */
	}
	ret = gw_door_open(&s->door, &s->client, &s->listener, &s->log);
	if (ret)
		goto close_listener;
	ret = gw_thread_start(&s->thread, "gw-vfio-user", server_main, s);
	if (ret)
		goto close_door;
	*server = s;
	return 0;
close_door:
	gw_door_close(&s->door);
close_listener:
	gw_listener_close(&s->listener);
	gw_client_fini(&s->client);
say:
	gw_err(log, "%s: cannot be served: %s", path, strerror(-ret));
free_server:
	free(s);
	return ret;
}

void gw_vfio_user_close(struct gw_vfio_user *server)
{
	if (!server)
		return;
	gw_client_close(&server->client);
	pthread_join(server->thread, NULL);
	gw_door_close(&server->door);	/* the thread tells it of each client */
	/* descriptors that clients in the queue have sent would be closed with it */
	gw_closer_turn_away(server->client.closer, server->listener.fd);
	gw_listener_close(&server->listener);
	gw_client_fini(&server->client);
	free(server);
}

void gw_vfio_user_stats(struct gw_vfio_user *server, struct gw_vfio_user_stats *stats)
{
	struct gw_client *c = &server->client;

	*stats = (struct gw_vfio_user_stats){
		.clients = c->clients,
		.messages = c->messages,
		.errors = c->errors,
	};
	pthread_mutex_lock(&c->lock);
	stats->connected = c->fd >= 0;
	pthread_mutex_unlock(&c->lock);
}
