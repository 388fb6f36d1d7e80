/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_QEMU_H
#define CLI_QEMU_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "cli/options.h"
#include "cli/qemu_args.h"

/**
 * qemu_find() - a QEMU for o->arch that knows vfio-user-pci
 *
 * Return: 0; -ENOENT none (logged with where it was looked for and how to get one).
 */
int qemu_find(const struct options *o, struct gw_log *log, char path[PATH_MAX]);

/**
 * qemu_spawn() - start it; it dies with us
 * @fd: a descriptor it inherits under the same number, or -1
 * @out: where its output and its errors go, and then it has no input; -1: it shares our terminal
 *
 * Return: its process id; -errno (logged).
 */
pid_t qemu_spawn(const struct qemu_args *a, int fd, int out, struct gw_log *log);

/**
 * qemu_wait() - until it ends
 *
 * One whose output goes somewhere is given up after half a minute, with whatever it started.
 *
 * Return: its exit status, 128 + N if signal N ended it; -ETIMEDOUT it was given up.
 */
int qemu_wait(pid_t pid);

/**
 * qemu_end_asked() - end the one whose output goes somewhere, with whatever it started
 *
 * For a thread that is about to end this process: a thread that waits for that QEMU then waits for
 * the end.
 */
void qemu_end_asked(void);

/**
 * qemu_sandboxes() - can this QEMU give up system calls that a guest's emulation has no use for?
 */
bool qemu_sandboxes(const char *path, struct gw_log *log);

/* The words behind -sandbox */
#define QEMU_SANDBOX	"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

/**
 * cache_file() - the newest file of the provisioned ones that matches a pattern
 * @pattern: glob(7) below the cache directory
 *
 * Return: 0; -ENOENT.
 */
int cache_file(const char *pattern, char path[PATH_MAX]);

#define QEMU_VERSION_SIZE	32

/** qemu_version() - as QEMU itself says it, e.g. "11.1.3". Return: 0 or -errno */
int qemu_version(const char *path, struct gw_log *log, char text[QEMU_VERSION_SIZE]);

/** qemu_is_old() - does a version come before vfio-user-pci, which is of 10.1? */
bool qemu_is_old(const char *version);

#endif
