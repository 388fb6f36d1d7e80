/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_VFIO_USER_SERVER_H
#define GW_VFIO_USER_SERVER_H

#include <gangway/vfio_user.h>

#include "base/listen.h"
#include "vfio_user/client.h"
#include "vfio_user/door.h"

struct gw_vfio_user {
	struct gw_client client;
	struct gw_log log;		/* of the socket alone */
	struct gw_log client_log;	/* names it */
	struct gw_log comings;		/* likewise; limits lines on clients that come and go */
	struct gw_listener listener;
	struct gw_door door;
	pthread_t thread;
};

#endif
