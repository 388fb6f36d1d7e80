/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "dext_backend.h"
#include "shell.h"

/* The driver extension's own code under a played DriverKit. */

const char *const backend_name = "dext_shell";

struct gw_dext_services *backend_start(struct gw_sim *sim)
{
	return shell_start(sim);
}

void backend_vanished(void)
{
	shell_look_for_gone();
}

void backend_power(bool on)
{
	shell_power(on);
}

void backend_fault(const uint32_t words[GW_DEXT_FAULT_WORDS])
{
	shell_fault(0, words);
}

void backend_stop(void)
{
	assert_int_equal(shell_stop(), 0);
}
