/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_SHARE_HANDLES_H
#define GW_SHARE_HANDLES_H

#include <sys/types.h>

#include "share/wire.h"

/*
 * Handles: 128 random bits that stand for the right of one importer to attach to one export, once.
 * They are compared in the same time whatever they are. Old ones are forgotten when there is no
 * room for new ones; a forgotten one is as unknown as a guessed one.
 */

#define GW_HANDLES_MAX	1024u	/* limit: handles of an exporter */

/** struct gw_handle - @bound: good in process @pid of the importer only */
struct gw_handle {
	uint8_t bytes[GW_SHARE_HANDLE];
	uint32_t number;		/* of the export */
	char importer[GW_SHARE_NAME];
	pid_t pid;
	bool bound, live, used;
};

struct gw_handles {
	struct gw_handle handle[GW_HANDLES_MAX];
	unsigned int next;
};

/**
 * gw_handles_make() - a new one, for what @like says
 *
 * Return: 0, and its bytes; -errno of getrandom(2).
 */
int gw_handles_make(struct gw_handles *h, const struct gw_handle *like,
		    uint8_t bytes[GW_SHARE_HANDLE]);

/** gw_handles_find() - looks at every one, always. Return: it, used or not; NULL */
struct gw_handle *gw_handles_find(struct gw_handles *h, const uint8_t bytes[GW_SHARE_HANDLE]);

#endif
