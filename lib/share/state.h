/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_SHARE_STATE_H
#define GW_SHARE_STATE_H

#include <gangway/share.h>

/* The life of an attachment: a table of states and events, and nothing else. */

enum gw_att_event {
	GW_ATT_ATTACH,
	GW_ATT_MAP,
	GW_ATT_UNMAP,
	GW_ATT_MOVE,
	GW_ATT_REVOKE,
	GW_ATT_EXPORT_DIES,	/* the exporter's end: export freed, exporter gone */
	GW_ATT_FORCE,		/* time is up */
	GW_ATT_DETACH,
	GW_ATT_ABANDON,		/* the importer has died */
	GW_ATT_NR_EVENTS,
};

#define GW_ATT_TELL	1u	/* the importer is to let go */
#define GW_ATT_QUIESCE	2u	/* its hardware is stopped, before */
#define GW_ATT_UNDO	4u	/* the mapping goes */

/** struct gw_att_step - @ret is -errno, and then nothing changes */
struct gw_att_step {
	int ret;
	enum gw_attachment_state next;
	unsigned int actions;
};

struct gw_att_step gw_att_step(enum gw_attachment_state state, enum gw_att_event event);

/** gw_att_holds() - is there a mapping, by which the importer may reach the memory? */
bool gw_att_holds(enum gw_attachment_state state);

#endif
