/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_BASE_CLOSER_H
#define GW_BASE_CLOSER_H

#include <stdbool.h>

/*
 * Closes descriptors that somebody else made. close(2) can sleep for as long as that party likes:
 * it asks the program behind a FUSE file, and waits for a TCP peer that was told to linger. What
 * cannot sleep (memory, eventfds) is closed at once; all else by a thread made for it.
 */
struct gw_closer;

/** gw_closer_new() - Return: 0; -ENOMEM */
int gw_closer_new(struct gw_closer **c);

/**
 * gw_closer_free() - does not wait; what is not closed yet will be, if it ever can be; NULL is fine
 */
void gw_closer_free(struct gw_closer *c);

/** gw_closer_close() - any thread; never sleeps; -1 is fine */
void gw_closer_close(struct gw_closer *c, int fd);

/**
 * gw_closer_hang_up() - end a connection; any thread; never sleeps
 * @sock: of AF_UNIX, connected. What its peer has sent and nobody received goes with it
 */
void gw_closer_hang_up(struct gw_closer *c, int sock);

/**
 * gw_closer_turn_away() - the same for all that wait to be accepted at @sock; nobody else can come
 */
void gw_closer_turn_away(struct gw_closer *c, int sock);

/** gw_closer_stuck() - do so many descriptors not close that no more should be taken? Any thread */
bool gw_closer_stuck(struct gw_closer *c);

#endif
