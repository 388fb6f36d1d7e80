/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_SHARE_AUDIT_H
#define GW_SHARE_AUDIT_H

#include <sys/types.h>

#include <gangway/log.h>

/**
 * struct gw_audit - a decision of the broker
 * @role:   "vm" or "importer", whose name is @name; NULL: it has not said
 * @about:  what was asked for, as words of the form KEY=VALUE; may be ""
 * @reason: why it was refused; NULL: it was allowed
 */
struct gw_audit {
	const char *role, *name;
	pid_t pid;
	uid_t uid;
	const char *request, *about, *reason;
};

/**
 * gw_audit_write() - one line, whole
 * @fd: a file, for a line of JSON; -1, or one that cannot be written to: a line of text to @log, if
 *      gw_log_may(), as peers ask as often as they like
 */
void gw_audit_write(int fd, struct gw_log *log, const struct gw_audit *a);

#endif
