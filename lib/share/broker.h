/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_SHARE_BROKER_H
#define GW_SHARE_BROKER_H

#include <sys/queue.h>
#include <sys/types.h>

#include <gangway/broker.h>

#include "share/handles.h"
#include "share/policy.h"
#include "share/wire.h"

/*
 * What the broker knows: who is connected, what is published, which handles there are. One thread.
 * broker_server.c brings the sockets.
 */

#define GW_BROKER_PEERS		256u	/* limit: connections to a broker */
#define GW_BROKER_PEERS_UID	64u	/* limit: of one user */
#define GW_BROKER_PUBLISHED	4096u	/* limit: what is published */
#define GW_BROKER_DEVICES	256u	/* limit: devices that publish */
#define GW_BROKER_BAD		8u	/* limit: refused handles, and then a connection is hung up on */

struct gw_broker_peer {
	LIST_ENTRY(gw_broker_peer) link;
	int fd, process;		/* a pidfd, -1: none */
	pid_t pid;
	uid_t uid;
	uint32_t role;			/* 0 until HELLO */
	char name[GW_SHARE_NAME];	/* of the VM, or the importer */
	bool has_fn;			/* importer: what it drives */
	struct gw_pci_addr fn;
	unsigned int bad, nr_published;
	bool hang_up;
};

struct gw_published {
	LIST_ENTRY(gw_published) link;
	struct gw_broker_peer *by;
	uint32_t number, bar;
	uint64_t bytes;
	struct gw_share_id id;
	char label[GW_SHARE_NAME];
};

/* What tells a device from another at its address: changes when its folder in sysfs does. */
struct gw_broker_device {
	struct gw_pci_addr pf;
	uint64_t ino, cookie;
};

struct gw_broker_core {
	struct gw_policy *policy;
	struct gw_log *log;
	int audit;
	struct gw_log denied, allowed;	/* to @log, by limits of their own: refusals do not mute the
					 * others */
	const char *tree;		/* holds sys/; "" the machine */
	LIST_HEAD(, gw_broker_peer) peers;
	LIST_HEAD(, gw_published) published;
	unsigned int nr_peers, nr_published, nr_devices;
	uint32_t next_number;
	struct gw_handles handles;
	struct gw_broker_device device[GW_BROKER_DEVICES];
};

/** gw_broker_core_init() - @policy becomes the core's */
void gw_broker_core_init(struct gw_broker_core *b, struct gw_policy *policy, int audit,
			 struct gw_log *log);
void gw_broker_core_fini(struct gw_broker_core *b);

/**
 * gw_broker_join() - somebody has connected
 * @fd:      the peer's from now on, closed on error too
 * @process: likewise; a pidfd, by which an exporter may end an importer that hangs, or -1
 *
 * Return: 0; -EUSERS too many, of this user or of all; -ENOMEM.
 */
int gw_broker_join(struct gw_broker_core *b, int fd, int process, pid_t pid, uid_t uid);

/** gw_broker_leave() - what it has published goes with it */
void gw_broker_leave(struct gw_broker_core *b, struct gw_broker_peer *p);

/** gw_broker_message() - act on a message, and send the reply */
void gw_broker_message(struct gw_broker_core *b, struct gw_broker_peer *p,
		       struct gw_share_msg *m);

#endif
