/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_VFIO_USER_CLIENT_H
#define GW_VFIO_USER_CLIENT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <gangway/device.h>
#include <gangway/log.h>

#include "base/lock.h"
#include "base/spin.h"
#include "vfio_user/inbox.h"
#include "vfio_user/kick.h"
#include "vfio_user/outbox.h"
#include "vfio_user/private.h"

/* The server's end of a connection; client.c says how it works. */

/* How a client lays out DMA_READ and DMA_WRITE; see remote.c. */
enum gw_dma_layout { GW_DMA_LAYOUT_UNKNOWN, GW_DMA_LAYOUT_WIDE, GW_DMA_LAYOUT_NARROW };

/* One request to the VMM under way; on its caller's stack, and looked at with the client's lock. */
struct gw_call {
	LIST_ENTRY(gw_call) link;
	uint16_t id, cmd;
	uint64_t addr;
	size_t len;
	uint8_t *buf;			/* takes the data of a DMA_READ */
	bool probe;			/* asks for the layout */
	bool done;
	int ret;
	uint32_t wire_errno;		/* with -EFAULT: what the VMM said, 0 nothing */
};

struct gw_client {
	/* set by init() */
	struct gw_device *dev;
	struct gw_log *log;
	struct gw_closer *closer;	/* of what a client sends, and of its socket */
	struct gw_kick kick;		/* the connection thread has something to do */
	uint64_t call_timeout_ns;
	uint64_t hello_ns;		/* that a client has for its version */
	_Atomic bool closing;		/* serve() is to return */
	_Atomic bool polls;		/* between open() and end(): other threads may kick */

	/* the connection thread's, between open() and end() */
	struct gw_inbox in;
	struct gw_spin spin;
	uint8_t *reply;			/* header and payload of the reply being made */
	bool greeted, attached;
	uint64_t hello_by;		/* CLOCK_MONOTONIC; until it has greeted */
	uint32_t max_fds;		/* the client takes with one message */
	struct gw_private private;

	struct gw_remote remote;

	pthread_mutex_t lock;		/* innermost */
	pthread_cond_t done;		/* a call is done, or the outbox has become empty */
	pthread_t thread GW_GUARDED_BY(lock);	/* the connection thread, while there is a client */
	int fd GW_GUARDED_BY(lock);	/* -1 without a client; changes in the connection thread
					 * only */
	struct gw_vmm vmm GW_GUARDED_BY(lock);	/* who is at the other end; likewise */
	struct gw_outbox out GW_GUARDED_BY(lock);
	LIST_HEAD(, gw_call) calls GW_GUARDED_BY(lock);
	uint16_t next_id GW_GUARDED_BY(lock);
	unsigned int stops GW_GUARDED_BY(lock);
	uint64_t max_xfer GW_GUARDED_BY(lock);	/* bytes of data in one DMA_READ or DMA_WRITE */
	enum gw_dma_layout layout GW_GUARDED_BY(lock);

	_Atomic uint64_t clients, messages, errors;
};

/**
 * gw_client_init() - ready to serve clients of @dev, one after the other
 * @spin_us: as in struct gw_vfio_user_options
 *
 * Return: 0; -ENOMEM, or -errno of eventfd(2).
 */
int gw_client_init(struct gw_client *c, struct gw_device *dev, unsigned int spin_us,
		   struct gw_log *log);
void gw_client_fini(struct gw_client *c);

/**
 * gw_client_open() - a client has connected; the calling thread becomes the connection thread
 * @fd: a blocking socket; the client's from now on, closed on error too
 *
 * Return: 0; -ENOMEM.
 */
int gw_client_open(struct gw_client *c, int fd);

/**
 * gw_client_greeted() - the version is agreed on: the client may now be silent for as long as it
 * likes
 */
void gw_client_greeted(struct gw_client *c);

/** gw_client_serve() - answer until the client goes, breaks the protocol, or close is asked for */
void gw_client_serve(struct gw_client *c);

/** gw_client_end() - fails what waits for the client, detaches the device, closes the socket */
void gw_client_end(struct gw_client *c);

/** gw_client_close() - no further client: serve() returns, and nobody is accepted; any thread */
void gw_client_close(struct gw_client *c);

/** gw_client_flush() - send what the socket takes of the outbox. Return: 0; -errno */
int gw_client_flush(struct gw_client *c) GW_HOLDS(c->lock);

/** gw_client_socket() - for the connection thread, which needs no lock to look */
static inline int gw_client_socket(const struct gw_client *c)
{
	GW_READABLE(c->lock);
	return c->fd;
}

#endif
