/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_BARS_H
#define CLI_BARS_H

#include "cli/vm.h"

/* Functions without a screen share their memory: each prefetchable BAR, whole. */

struct bars;

/**
 * bars_open() - connect to the broker, as the exporter of each function that has such a BAR
 * @broker: its socket
 * @name:   of the VM, as the policy knows it
 *
 * Return: 0, and *@b is NULL if there are none; -errno, logged.
 */
int bars_open(struct bars **b, struct vm *vm, const char *broker, const char *name);

/** bars_close() - before any function is closed. NULL is fine */
void bars_close(struct bars *b);

#endif
