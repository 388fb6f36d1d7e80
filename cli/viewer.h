/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_VIEWER_H
#define CLI_VIEWER_H

#include <gangway/importer.h>

#include "cli/picture.h"

/* A screen that another process exports, as an importer sees it. */

struct viewer {
	struct gw_log *log;
	struct gw_share_client *client;
	struct gw_remote_share *share;
	const struct gw_remote_map *map;	/* NULL: not mapped */
	struct gw_share_item item;
	struct picture picture;
	bool has_picture;
	uint8_t *mem;				/* of the map, item.bytes; NULL: none */
	uint64_t frames, copied;		/* that were there; bytes copied to see them */
};

/**
 * viewer_open() - find a screen, and map it
 * @broker: its socket
 * @as:     this importer's name in the policy
 * @which:  the number of a screen, the name of a VM, or a handle of 32 hexadecimal digits and,
 *          after a colon, the VM's name
 *
 * Return: 0; -errno; logged.
 */
int viewer_open(struct viewer *v, const char *broker, const char *as, const char *which,
		struct gw_log *log);
void viewer_close(struct viewer *v);

/**
 * viewer_refresh() - what it looks like now; maps again what was taken back
 *
 * Return: 0; -ENOENT there is no picture at present; -ENOTCONN the exporter or the broker has gone.
 */
int viewer_refresh(struct viewer *v);

/**
 * viewer_wait() - for a frame
 *
 * Return: 1 there is one, or some; 0 after @ms without; -ENOTCONN the exporter has gone.
 */
int viewer_wait(struct viewer *v, int ms);

/** viewer_fetch() - by a kind that copies: have the picture copied. Nothing to do by others */
int viewer_fetch(struct viewer *v);

/** viewer_kind() - name of the kind of address that was agreed on */
const char *viewer_kind(const struct viewer *v);

#endif
