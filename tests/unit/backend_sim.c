/* SPDX-License-Identifier: BSD-3-Clause */
#include "dext_backend.h"
#include "host/sim/host.h"

/* The simulated dext itself. */

const char *const backend_name = "dext_sim";

static struct gw_sim *machine;

struct gw_dext_services *backend_start(struct gw_sim *sim)
{
	machine = sim;
	return gw_sim_services(sim);
}

void backend_vanished(void)
{
}

void backend_power(bool on)
{
	gw_sim_power(machine, on);
}

void backend_fault(const uint32_t words[GW_DEXT_FAULT_WORDS])
{
	gw_core_fault(machine->fn[0]->core, words);
}

void backend_stop(void)
{
}
