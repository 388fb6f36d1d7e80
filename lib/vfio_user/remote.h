/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_VFIO_USER_REMOTE_H
#define GW_VFIO_USER_REMOTE_H

#include "vfio_user/client.h"

/** gw_remote_init() - fill in @c->remote */
void gw_remote_init(struct gw_client *c);

/**
 * gw_remote_reply() - a reply has come: hand it to the call that waits for it
 *
 * One that nobody waits for is dropped: its call was stopped or timed out, or the client made it
 * up. Return: 0.
 */
int gw_remote_reply(struct gw_client *c, struct gw_msg *m);

/** gw_remote_fail_calls() - end every call under way with @err */
void gw_remote_fail_calls(struct gw_client *c, int err) GW_HOLDS(c->lock);

#endif
