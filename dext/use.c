/* SPDX-License-Identifier: BSD-3-Clause */
#include <DriverKit/IOLib.h>

#include "base/use.h"

/* What lib/base/use.c is elsewhere. Only an interrupt that is being told of is waited for. */

void gw_use_wake(void)
{
}

void gw_use_drain(struct gw_use *u)
{
	while (atomic_load_explicit(&u->v, memory_order_acquire) != GW_USE_CLOSED)
		IOSleep(1);
}
