/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <gangway/iokit.h>

#include "dext_backend.h"
#include "host/sim/host.h"
#include "iokit_standin.h"
#ifdef OVER_SHELL
#include "shell.h"
#endif

/* The IOKit connection, over an IOKit that is played: to the simulated dext, or to the extension. */

static struct gw_dext_services *services;

#ifdef OVER_SHELL

const char *const backend_name = "dext_iokit_shell";

static struct gw_dext_services *dexts(struct gw_sim *sim)
{
	return shell_start(sim);
}

static void look_for_gone(void)
{
	shell_look_for_gone();
}

static long dexts_stop(void)
{
	return shell_stop();
}

void backend_power(bool on)
{
	shell_power(on);
}

void backend_fault(const uint32_t words[GW_DEXT_FAULT_WORDS])
{
	shell_fault(0, words);
}

#else

const char *const backend_name = "dext_iokit";

static struct gw_sim *machine;

static struct gw_dext_services *dexts(struct gw_sim *sim)
{
	machine = sim;
	return gw_sim_services(sim);
}

void backend_power(bool on)
{
	gw_sim_power(machine, on);
}

void backend_fault(const uint32_t words[GW_DEXT_FAULT_WORDS])
{
	gw_core_fault(machine->fn[0]->core, words);
}

static void look_for_gone(void)
{
}

static long dexts_stop(void)
{
	return 0;
}

#endif

static _Atomic unsigned int changes;

static void changed(void *opaque)
{
	changes++;
}

struct gw_dext_services *backend_start(struct gw_sim *sim)
{
	standin_start(sim, dexts(sim));
	assert_int_equal(gw_iokit_new(changed, NULL, NULL, &services), 0);
	return services;
}

void backend_vanished(void)
{
	look_for_gone();
	standin_changed();
}

void backend_stop(void)
{
	gw_iokit_free(services);
	assert_int_equal(standin_stop(), 0);
	assert_int_equal(dexts_stop(), 0);
}
