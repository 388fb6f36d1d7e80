/* SPDX-License-Identifier: BSD-3-Clause */
#include "../unit/share_rig.h"

#include <sys/socket.h>

#include "base/reader.h"
#include "share/broker.h"
#include "share/link.h"

/*
 * What a broker and an exporter hear. An input is records: a byte of who says it, a byte of type,
 * two of length, and the body. Two exporters and two importers talk to a broker; one importer, as
 * the broker has introduced it, to an exporter; and then there is a revoke.
 */

enum { EXPORTER, OTHER_EXPORTER, IMPORTER, OTHER_IMPORTER, REMOTE, NR };

static struct gw_share_msg msg;

static void check(bool ok)
{
	if (!ok)
		abort();
}

struct scene {
	struct gw_broker_core broker;
	struct gw_broker_peer *peer[REMOTE];
	int far[NR];			/* the other ends of all sockets */
	struct rig_backing *b;
	struct gw_exporter_link link;
	struct gw_link_export published;
	struct gw_export *e;
};

static void peers_make(struct scene *s)
{
	struct gw_policy *policy;
	char why[GW_SHARE_REASON];
	unsigned int line;
	int pair[2];

	check(!gw_policy_new(&policy));
	check(!gw_policy_parse(policy, "vm work uid 0\nvm other uid 1\n"
			       "importer screen uid 0 function 01:00.0\nimporter recorder uid 1\n"
			       "allow vm work function any importer screen kinds iov-vram copy\n"
			       "same-gpu work\n", &line, why));
	gw_broker_core_init(&s->broker, policy, -1, NULL);
	s->broker.tree = "/nowhere";
	/* what is random elsewhere is known here: a device's cookie, and a handle of zeroes */
	s->broker.device[0] = (struct gw_broker_device){ .pf = rig_pf.fn };
	s->broker.nr_devices = 1;
	s->broker.handles.handle[0] = (struct gw_handle){ .number = 1, .importer = "screen",
							  .live = true };
	for (unsigned int i = 0; i < REMOTE; i++) {
		check(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
		s->far[i] = pair[1];
		check(!gw_broker_join(&s->broker, pair[0], -1, (pid_t)i, i % 2));
		s->peer[i] = LIST_FIRST(&s->broker.peers);
	}
}

static void remote_make(struct scene *s)
{
	const struct gw_bar_range range = { { 0 }, RIG_BYTES };
	int pair[2];

	s->b = rig_backing_new();
	s->link = (struct gw_exporter_link){ .x = rig_exporter(s->b, 1), .broker = -1 };
	pthread_mutex_init(&s->link.lock, NULL);
	check(!gw_export_new(s->link.x, 0, &range, 1, &s->e));
	s->published = (struct gw_link_export){ .number = 1, .e = s->e };
	LIST_INSERT_HEAD(&s->link.exports, &s->published, link);
	check(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	s->far[REMOTE] = pair[1];
	gw_share_msg_init(&msg, GW_SHARE_INTRODUCE, 0);
	gw_share_put_u32(&msg, 1);
	gw_share_put_u32(&msg, 0x1f);
	gw_share_put_u64(&msg, 0);
	gw_share_put_u32(&msg, 1);
	gw_share_put_u32(&msg, 0);
	gw_share_put_id(&msg, &rig_pf);
	gw_share_put_text(&msg, "screen", GW_SHARE_NAME);
	msg.nr_fds = 1;
	msg.fd[0] = pair[0];
	check(!gw_remote_new(&s->link, &msg));
}

static void drain(int fd)
{
	static struct gw_share_msg in;

	while (!gw_share_recv(fd, &in))
		gw_share_msg_close(&in);
}

static void say(struct scene *s, unsigned int who)
{
	struct gw_remote_importer *r = LIST_FIRST(&s->link.remotes);

	if (who == NR)
		gw_exporter_revoke(s->link.x);
	else if (who == REMOTE && r)
		gw_remote_message(r, &msg);
	if (r && r->hang_up)
		gw_remote_end(r);
	if (who < REMOTE && s->peer[who]) {
		gw_broker_message(&s->broker, s->peer[who], &msg);
	}
	for (unsigned int i = 0; i < REMOTE; i++) {
		if (s->peer[i] && s->peer[i]->hang_up) {
			gw_broker_leave(&s->broker, s->peer[i]);
			s->peer[i] = NULL;
		}
	}
	for (unsigned int i = 0; i < NR; i++)
		drain(s->far[i]);
	check(s->broker.nr_published <= GW_BROKER_PUBLISHED);
	check(s->broker.nr_devices <= GW_BROKER_DEVICES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct gw_reader in = gw_reader_init(data, len);
	struct scene *s = calloc(1, sizeof(*s));
	uint8_t who, type;
	uint16_t size;

	peers_make(s);
	remote_make(s);
	for (uint32_t seq = 1; gw_reader_take(&in, &who, 1) && gw_reader_take(&in, &type, 1) &&
	     gw_reader_u16(&in, &size); seq++) {
		size_t n = size < gw_reader_left(&in) ? size : gw_reader_left(&in);

		n = n < GW_SHARE_BODY ? n : GW_SHARE_BODY;
		gw_share_msg_init(&msg, type, seq);
		gw_share_put(&msg, gw_reader_skip(&in, n), n);
		say(s, who % (NR + 1));
	}
	while (!LIST_EMPTY(&s->link.remotes))
		gw_remote_end(LIST_FIRST(&s->link.remotes));
	gw_export_free(s->e);
	gw_exporter_free(s->link.x);
	check(!s->b->mapped);
	free(s->b);
	gw_broker_core_fini(&s->broker);
	for (unsigned int i = 0; i < NR; i++)
		close(s->far[i]);
	free(s);
	return 0;
}
