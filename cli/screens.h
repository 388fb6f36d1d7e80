/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_SCREENS_H
#define CLI_SCREENS_H

#include "cli/vm.h"

/*
 * What the virtual functions of a simulated GPU show is exported, and the guest does nothing for
 * that: its mode registers say where in the function's memory the picture is. The export is the
 * window to that memory; its label tells the picture's place and shape.
 */

struct screens;

/**
 * screens_open() - connect to the broker, as the exporter of every function that has a screen
 * @broker: its socket
 * @name:   of the VM, as the policy knows it
 * @with_driver: cards show on their own screens what their first virtual functions do; which is the
 *          administrator's word that they and the host's screen are of one device
 *
 * Return: 0, and *@s is NULL if no device has a screen; -errno, logged.
 */
int screens_open(struct screens **s, struct vm *vm, const char *broker, const char *name,
		 bool with_driver);

/** screens_has() - does the function have a screen? */
bool screens_has(const struct gw_vm_function *f);

/** screens_close() - before any function is closed. NULL is fine */
void screens_close(struct screens *s);

#endif
