/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_IOKIT_H
#define GANGWAY_IOKIT_H

#include <gangway/dext.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The driver extensions of a Mac, reached by IOKit. */

/**
 * gw_iokit_new() - the extensions there are, to connect to
 * @changed: called, from a thread of IOKit's, when one has come or gone; may be NULL
 *
 * Return: 0; -ENOMEM.
 */
int gw_iokit_new(void (*changed)(void *opaque), void *opaque, struct gw_log *log,
		 struct gw_dext_services **services);

/** gw_iokit_free() - every connection must be closed; NULL is fine */
void gw_iokit_free(struct gw_dext_services *services);

#ifdef __cplusplus
}
#endif

#endif
