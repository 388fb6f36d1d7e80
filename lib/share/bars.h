/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_SHARE_BARS_H
#define GW_SHARE_BARS_H

#include <gangway/broker.h>

/*
 * A function's memory as its holder shares it: each BAR that is prefetchable memory, which is read
 * without consequences, whole. Registers are shared with nobody.
 */

struct gw_share_bars;

/**
 * struct gw_share_bars_options
 * @fn:     stays the caller's, and must outlive the result
 * @id:     of it, without the cookie
 * @files:  the file of a mapped BAR holds that BAR and nothing else, and may be handed out. Not so
 *          for VFIO, whose file is the device
 */
struct gw_share_bars_options {
	const char *broker, *vm;
	struct gw_function *fn;
	struct gw_share_id id;
	bool files;
	unsigned int force_ms;
	struct gw_log *log;
};

/**
 * gw_share_bars_new() - connect to the broker, and publish them; nobody maps them before they
 * decode
 *
 * Return: 0; -ENOENT the function has no such BAR; as gw_share_cookie(), gw_exporter_link_new() and
 * gw_exporter_link_publish().
 */
int gw_share_bars_new(const struct gw_share_bars_options *opt, struct gw_share_bars **b);

/** gw_share_bars_free() - nobody has them mapped any more. NULL is fine */
void gw_share_bars_free(struct gw_share_bars *b);

/** gw_share_bars_decode() - they do from now on; or are about not to, and nobody has them mapped */
void gw_share_bars_decode(struct gw_share_bars *b, bool on);

/** gw_share_bars_exporter() - of them; stays theirs */
struct gw_exporter *gw_share_bars_exporter(struct gw_share_bars *b);

#endif
