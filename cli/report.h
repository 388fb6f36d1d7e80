/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "cli/vm.h"

/**
 * report_check() - can the report be written, when the time comes?
 * @path: as for report_print()
 *
 * Return: 0; CLI_FAILED, logged.
 */
int report_check(const char *path, struct gw_log *log);

/**
 * report_print() - what the guest and the host did, for people, on stderr
 * @path: also as JSON to this file, which is not a link; "-": to standard output; NULL: not
 *
 * Call it between vm_stop() and vm_close().
 *
 * Return: 0; CLI_FAULTS if a device accessed memory it was not given; CLI_FAILED if @path cannot
 * be written (logged).
 */
int report_print(struct vm *vm, const char *path);

#endif
