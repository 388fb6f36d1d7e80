/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_VNC_H
#define CLI_VNC_H

#include "cli/picture.h"

/* A picture for VNC viewers of this machine, which may look and not touch. */

struct vnc;

/**
 * vnc_open() - listen on the loopback interface
 * @name: of the desktop
 *
 * Return: 0; -ENOENT the library for it is not installed; -ENOMEM; -EADDRINUSE. Logged.
 */
int vnc_open(struct vnc **v, unsigned int port, const char *name, struct gw_log *log);
void vnc_close(struct vnc *v);

/**
 * vnc_update() - give the viewers what of the picture has changed since the last time
 * @mem: the picture fits
 *
 * Return: pixels that have changed; -ENOMEM; -EFAULT the memory is gone.
 */
long vnc_update(struct vnc *v, const struct picture *p, const uint8_t *mem);

/** vnc_serve() - talk to viewers for so long */
void vnc_serve(struct vnc *v, unsigned int ms);

#endif
