/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_HARDEN_H
#define CLI_HARDEN_H

#include <stdbool.h>

#include <gangway/log.h>

/**
 * harden() - give up what serving a device has no use for
 *
 * Before the first thread starts, as capabilities are a thread's own. Other processes of the same
 * user can neither read nor change this one (PR_SET_DUMPABLE); nothing that it starts gains
 * privileges (PR_SET_NO_NEW_PRIVS); and of capabilities only these stay, also for what is started:
 * CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, as root serves the files of others; CAP_SYS_PTRACE, by
 * which it is seen in the VMM's maps whether guest memory is private to it; and, for functions of
 * this machine, CAP_IPC_LOCK, by which guest memory is pinned.
 *
 * @platform: functions of this machine are served, not simulated ones
 *
 * Return: 0; CLI_FAILED, logged.
 */
int harden(bool platform, struct gw_log *log);

#endif
