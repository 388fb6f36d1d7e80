/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_VFIO_USER_DOOR_H
#define GW_VFIO_USER_DOOR_H

#include <pthread.h>

#include "base/listen.h"
#include "base/lock.h"
#include "vfio_user/client.h"

/**
 * struct gw_door - tells clients that come while there is one that it is in use, and by whom
 * @turn:    which client is being served, counted; 0: none
 * @skipped: it is about to go, and the next may wait for that
 */
struct gw_door {
	struct gw_client *client;
	struct gw_listener *listener;
	struct gw_log *log;
	pthread_t thread;
	int wake_fd;
	pthread_mutex_t lock;		/* nothing is taken under it */
	pthread_cond_t changed;
	uint64_t turns GW_GUARDED_BY(lock), turn GW_GUARDED_BY(lock), skipped GW_GUARDED_BY(lock);
	bool closing GW_GUARDED_BY(lock);
};

/** gw_door_open() - Return: 0; -errno */
int gw_door_open(struct gw_door *d, struct gw_client *c, struct gw_listener *l, struct gw_log *log);
void gw_door_close(struct gw_door *d);

/** gw_door_serves() - a client is being served from now on, or none */
void gw_door_serves(struct gw_door *d, bool serves);

#endif
