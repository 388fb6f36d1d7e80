/* SPDX-License-Identifier: BSD-3-Clause */
#include "share/state.h"

#include <errno.h>

#define GO(state, actions)	{ 0, GW_ATT_##state, actions }
#define NO(err)			{ -(err), GW_ATT_DETACHED, 0 }

#define TELL	GW_ATT_TELL
#define QUIESCE	GW_ATT_QUIESCE
#define UNDO	GW_ATT_UNDO

static const struct gw_att_step table[GW_ATT_NR][GW_ATT_NR_EVENTS] = {
	[GW_ATT_DETACHED] = {
		[GW_ATT_ATTACH]		= GO(ATTACHED, 0),
		[GW_ATT_MAP]		= NO(EPROTO),
		[GW_ATT_UNMAP]		= NO(EPROTO),
		[GW_ATT_MOVE]		= GO(DETACHED, 0),
		[GW_ATT_REVOKE]		= GO(DETACHED, 0),
		[GW_ATT_EXPORT_DIES]	= GO(DETACHED, 0),
		[GW_ATT_FORCE]		= GO(DETACHED, 0),
		[GW_ATT_DETACH]		= NO(EPROTO),
		[GW_ATT_ABANDON]	= NO(EPROTO),
	},
	[GW_ATT_ATTACHED] = {
		[GW_ATT_ATTACH]		= NO(EPROTO),
		[GW_ATT_MAP]		= GO(MAPPED, 0),
		[GW_ATT_UNMAP]		= NO(EPROTO),
		[GW_ATT_MOVE]		= GO(ATTACHED, 0),
		[GW_ATT_REVOKE]		= GO(ATTACHED, 0),
		[GW_ATT_EXPORT_DIES]	= GO(DEAD, TELL),
		[GW_ATT_FORCE]		= GO(ATTACHED, 0),
		[GW_ATT_DETACH]		= GO(DETACHED, 0),
		[GW_ATT_ABANDON]	= GO(DETACHED, 0),
	},
	[GW_ATT_MAPPED] = {
		[GW_ATT_ATTACH]		= NO(EPROTO),
		[GW_ATT_MAP]		= NO(EPROTO),
		[GW_ATT_UNMAP]		= GO(ATTACHED, UNDO),
		[GW_ATT_MOVE]		= GO(INVALIDATING, TELL),
		[GW_ATT_REVOKE]		= GO(INVALIDATING, TELL),
		[GW_ATT_EXPORT_DIES]	= GO(DYING, TELL),
		[GW_ATT_FORCE]		= GO(DEAD, QUIESCE | UNDO),
		[GW_ATT_DETACH]		= GO(DETACHED, UNDO),
		[GW_ATT_ABANDON]	= GO(DETACHED, QUIESCE | UNDO),
	},
	[GW_ATT_INVALIDATING] = {
		[GW_ATT_ATTACH]		= NO(EPROTO),
		[GW_ATT_MAP]		= NO(EBUSY),
		[GW_ATT_UNMAP]		= GO(ATTACHED, UNDO),
		[GW_ATT_MOVE]		= GO(INVALIDATING, 0),
		[GW_ATT_REVOKE]		= GO(INVALIDATING, 0),
		[GW_ATT_EXPORT_DIES]	= GO(DYING, TELL),
		[GW_ATT_FORCE]		= GO(DEAD, QUIESCE | UNDO),
		[GW_ATT_DETACH]		= GO(DETACHED, UNDO),
		[GW_ATT_ABANDON]	= GO(DETACHED, QUIESCE | UNDO),
	},
	[GW_ATT_DYING] = {
		[GW_ATT_ATTACH]		= NO(EPROTO),
		[GW_ATT_MAP]		= NO(ENODEV),
		[GW_ATT_UNMAP]		= GO(DEAD, UNDO),
		[GW_ATT_MOVE]		= GO(DYING, 0),
		[GW_ATT_REVOKE]		= GO(DYING, 0),
		[GW_ATT_EXPORT_DIES]	= GO(DYING, 0),
		[GW_ATT_FORCE]		= GO(DEAD, QUIESCE | UNDO),
		[GW_ATT_DETACH]		= GO(DETACHED, UNDO),
		[GW_ATT_ABANDON]	= GO(DETACHED, QUIESCE | UNDO),
	},
	[GW_ATT_DEAD] = {
		[GW_ATT_ATTACH]		= NO(EPROTO),
		[GW_ATT_MAP]		= NO(ENODEV),
		[GW_ATT_UNMAP]		= NO(ENODEV),
		[GW_ATT_MOVE]		= GO(DEAD, 0),
		[GW_ATT_REVOKE]		= GO(DEAD, 0),
		[GW_ATT_EXPORT_DIES]	= GO(DEAD, 0),
		[GW_ATT_FORCE]		= GO(DEAD, 0),
		[GW_ATT_DETACH]		= GO(DETACHED, 0),
		[GW_ATT_ABANDON]	= GO(DETACHED, 0),
	},
};

struct gw_att_step gw_att_step(enum gw_attachment_state state, enum gw_att_event event)
{
	return table[state][event];
}

bool gw_att_holds(enum gw_attachment_state state)
{
	return state == GW_ATT_MAPPED || state == GW_ATT_INVALIDATING || state == GW_ATT_DYING;
}
