/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "dext_backend.h"
#include "host/sim/host.h"

/* A simulated dext that knows calls 0 to 17 only. */

const char *const backend_name = "dext_old";

static struct gw_sim *machine;

struct gw_dext_services *backend_start(struct gw_sim *sim)
{
	machine = sim;
	assert_int_equal(gw_sim_set_option(sim, "old-dext", "on"), 0);
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
