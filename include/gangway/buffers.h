/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_BUFFERS_H
#define GANGWAY_BUFFERS_H

#include <gangway/broker.h>
#include <gangway/sharer.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Buffers are parts of its function's memory that a guest shares of its own will, by the companion
 * (abi.h). Each is an export that importers find at the broker. A guest names offsets in a BAR, and
 * nothing else; the policy says with whom it shares them.
 *
 * The broker is asked in the background: somebody calls gw_buffers_work() when told that there is
 * work, and no guest waits for it.
 */

struct gw_buffers;

#define GW_BUFFERS_MAX		64u	/* that a function may have at a time */
#define GW_BUFFERS_RANGES	GW_SHARER_RANGES	/* of all of them together */

/**
 * struct gw_buffers_options
 * @x:     the function's exporter; stays the caller's, and must outlive the buffers
 * @link:  to the broker; likewise. NULL: nobody is told of buffers
 * @bar:   of which a guest may share something
 * @bytes: of that BAR, from its start, at most what @x has there
 * @work:  there is something to do; must not block
 */
struct gw_buffers_options {
	struct gw_exporter *x;
	struct gw_exporter_link *link;
	unsigned int bar;
	uint64_t bytes;
	void (*work)(void *opaque);
	void *opaque;
	struct gw_log *log;
};

/** gw_buffers_new() - there are none yet. Return: 0; -ENOMEM */
int gw_buffers_new(const struct gw_buffers_options *opt, struct gw_buffers **b);

/** gw_buffers_free() - end all; nobody adds any more, or calls gw_buffers_work(). NULL is fine */
void gw_buffers_free(struct gw_buffers *b);

/**
 * gw_buffers_sharer() - for gw_companion_share_by(); lives as long as @b
 *
 * Also -EINVAL is: another BAR, a range that is empty, not of whole pages or not inside what may be
 * shared, a picture whose format is not known or that does not fit. -EOVERFLOW: a range wraps, or
 * all are more than the BAR has.
 */
struct gw_sharer *gw_buffers_sharer(struct gw_buffers *b);

/** gw_buffers_work() - tell the broker what is new, and of what has ended. One thread at a time */
void gw_buffers_work(struct gw_buffers *b);

#ifdef __cplusplus
}
#endif

#endif
