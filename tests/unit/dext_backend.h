/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_DEXT_BACKEND_H
#define TESTS_UNIT_DEXT_BACKEND_H

#include <gangway/dext.h>
#include <gangway/sim.h>

/* Which dext a test of the client runs against: one file each, of which one is linked. */

extern const char *const backend_name;

/** backend_start() - dexts of the functions that @sim has when the first is connected to */
struct gw_dext_services *backend_start(struct gw_sim *sim);

/** backend_vanished() - a function of @sim has disappeared */
void backend_vanished(void);

/** backend_power() - the machine goes to sleep (@on is false), or wakes */
void backend_power(bool on);

/** backend_fault() - the DART of the first function, which is open, reports a fault */
void backend_fault(const uint32_t words[GW_DEXT_FAULT_WORDS]);

/** backend_stop() - every connection is closed; fails the test if anything is left */
void backend_stop(void);

#endif
