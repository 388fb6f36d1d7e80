/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_VFIO_USER_KICK_H
#define GW_VFIO_USER_KICK_H

#include <stdatomic.h>
#include <stdbool.h>

/** struct gw_kick - what makes a thread that polls look up */
struct gw_kick {
	int fd;				/* to be polled for input */
	_Atomic bool given;		/* for one that is not polling just now */
};

/** gw_kick_init() - Return: 0; -errno of eventfd(2) */
int gw_kick_init(struct gw_kick *k);
void gw_kick_fini(struct gw_kick *k);

/** gw_kick_give() - any thread */
void gw_kick_give(struct gw_kick *k);

/** gw_kick_take() - take note of it, before looking; the thread that was kicked */
void gw_kick_take(struct gw_kick *k);

#endif
