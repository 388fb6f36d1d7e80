/* SPDX-License-Identifier: BSD-3-Clause */
#include "dext_backend.h"

/* The simulated dext itself. */

const char *const backend_name = "dext_sim";

struct gw_dext_services *backend_start(struct gw_sim *sim)
{
	return gw_sim_services(sim);
}

void backend_vanished(void)
{
}

void backend_stop(void)
{
}
