/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_SHARE_LINK_H
#define GW_SHARE_LINK_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include <gangway/broker.h>

#include "base/lock.h"
#include "share/wire.h"

/*
 * How it works: an exporter's process has a thread for the broker and its importers. The broker
 * introduces an importer, with a socket; here it becomes a remote, an importer like others, whose
 * callbacks are messages. Whoever does not read them, or hangs up, is abandoned by the thread.
 *
 * Locks: @lock of the link, then @use of a remote, then the exporter's. The callback that comes
 * before a payload goes takes @use, so the thread may look at one under it.
 */

#define GW_LINK_REMOTES		256u	/* limit: importers that one serves */

struct gw_link_export {
	LIST_ENTRY(gw_link_export) link;
	uint32_t number;
	struct gw_export *e;
};

struct gw_exporter_link {
	struct gw_exporter_link_options opt;
	struct gw_exporter *x;
	int wake;			/* eventfd: the thread is to end */
	pthread_t thread;
	struct gw_share_msg msg;	/* the thread's */

	pthread_mutex_t asking;		/* one request to the broker at a time; outermost */
	pthread_mutex_t lock;
	pthread_cond_t answered;
	int broker GW_GUARDED_BY(lock);	/* socket, -1 when it has gone */
	LIST_HEAD(, gw_link_export) exports GW_GUARDED_BY(lock);
	LIST_HEAD(, gw_remote_importer) remotes GW_GUARDED_BY(lock);
	unsigned int nr_remotes GW_GUARDED_BY(lock);
	uint32_t seq GW_GUARDED_BY(lock);
	uint32_t want_seq GW_GUARDED_BY(lock);	/* of the request under way, 0 none */
	struct gw_share_msg *reply GW_GUARDED_BY(lock);	/* where its reply goes */
};

/** An importer in another process. */
struct gw_remote_importer {
	struct gw_importer base;
	LIST_ENTRY(gw_remote_importer) link;
	struct gw_exporter_link *l;
	int fd, process;		/* @process: a pidfd, or -1 */
	uint32_t number, kinds;		/* the export; what the policy allows */
	bool has_fn;
	char name[GW_SHARE_NAME];
	struct gw_share_accept accept[GW_SHARE_MAX_KINDS];
	const struct gw_p2p_proof *proof;
	struct gw_attachment *a;
	struct gw_export *e;		/* while attached */
	int staging;			/* memory file for copies, or -1 */
	void *staging_at;
	uint64_t staging_size;
	_Atomic bool hang_up, stuck;	/* @stuck: it does not read */
	pthread_mutex_t use;		/* a payload is looked at; innermost but the exporter's */
};

/** gw_remote_new() - @m is what the broker sent. Return: 0; -EPROTO, -ENOSPC, -ENOMEM */
int gw_remote_new(struct gw_exporter_link *l, struct gw_share_msg *m) GW_HOLDS(l->lock);

/** gw_remote_message() - act on a message, and send the reply */
void gw_remote_message(struct gw_remote_importer *r, struct gw_share_msg *m) GW_HOLDS(r->l->lock);

/** gw_remote_end() - it has gone, or is to go */
void gw_remote_end(struct gw_remote_importer *r) GW_HOLDS(r->l->lock);

#endif
