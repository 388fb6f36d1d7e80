/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_COMPANION_LINK_H
#define GW_COMPANION_LINK_H

#include <pthread.h>
#include <stdbool.h>

#include <gangway/abi.h>
#include <gangway/companion.h>

#include "base/listen.h"

/*
 * The ways in which VMMs that do not speak vfio-user reach a companion. A link is a front end, as
 * the vfio-user server is: it drives the companion's struct gw_device from one thread.
 */

struct gw_companion_link;

/**
 * struct gw_link_ops - a transport
 * @begin:  a client has connected; *@kick may become a descriptor that is watched for it
 * @heard:  the client has sent something, or has gone
 * @kicked: @kick can be read
 * @end:    the client goes; also after a failed begin()
 *
 * All but end() return 0, or -errno and the client is dropped.
 */
struct gw_link_ops {
	const char *name;
	int (*begin)(struct gw_companion_link *l, int *kick);
	int (*heard)(struct gw_companion_link *l);
	int (*kicked)(struct gw_companion_link *l);
	void (*end)(struct gw_companion_link *l);
};

extern const struct gw_link_ops gw_link_ivshmem, gw_link_port;

/**
 * struct gw_companion_link - a link, and its one client
 * @dev:     the companion
 * @wake_fd: readable when the link closes
 * @client:  socket, or -1
 * @memory:  @bytes that the transport shares with the companion; @memory_fd is the file
 * @kick, @interrupt: eventfds: the client's to us, ours to the client
 * @tail, @head: the ring as the port's own guest sees it
 * @request, @filled: what has come of the next request of a port
 */
struct gw_companion_link {
	const struct gw_link_ops *ops;
	struct gw_device *dev;
	struct gw_log *log, own_log, comings;	/* the last: whether clients are spoken of */
	struct gw_listener listener;
	pthread_t thread;
	int wake_fd, client;

	void *memory;
	size_t bytes;
	int memory_fd, kick, interrupt;
	uint32_t tail, head;
	struct gw_port_request request;
	size_t filled;
};

/** gw_link_memory() - zeroes, which the companion sees from address 0 on. Return: 0; -errno */
int gw_link_memory(struct gw_companion_link *l, size_t bytes);

/** gw_link_unmemory() - the companion forgets it; fine if there is none */
void gw_link_unmemory(struct gw_companion_link *l);

/** gw_link_read() - a register, or all ones if there is none */
uint32_t gw_link_read(struct gw_companion_link *l, uint32_t reg);
void gw_link_write(struct gw_companion_link *l, uint32_t reg, uint32_t value);

/** gw_link_wait() - until the client has room, or sends. Return: 0; -ECANCELED the link closes */
int gw_link_wait(struct gw_companion_link *l, short events);

#endif
