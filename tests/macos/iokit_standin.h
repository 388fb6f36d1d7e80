/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_MACOS_IOKIT_STANDIN_H
#define TESTS_MACOS_IOKIT_STANDIN_H

#include <gangway/sim.h>

/* IOKit, played: a registry of the functions of @sim, and connections that lead to @services. */

/** standin_start() - */
void standin_start(struct gw_sim *sim, struct gw_dext_services *services);

/** standin_changed() - whoever watches is told: functions have gone, or one has been added */
void standin_changed(void);

/** standin_stop() - Return: how many objects are left, which is to be 0 */
long standin_stop(void);

/** standin_says() - a property is another one: a kind and what is in it, as for cf_new(); NULL: as it is */
void standin_says(const char *key, char kind, const void *data, size_t size, int64_t number);

#endif
