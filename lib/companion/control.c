/* SPDX-License-Identifier: BSD-3-Clause */
#include "companion/control.h"

#include <string.h>

#include "base/util.h"
#include "companion/command.h"
#include "companion/ring.h"

int gw_companion_end(struct gw_companion *c, uint64_t deadline)
{
	int ret = gw_companion_release(c, deadline);

	if (!ret)
		gw_companion_forget_ids(c);
	gw_companion_ring_publish(c);
	return ret;
}

void gw_companion_reset(struct gw_companion *c, uint64_t deadline)
{
	gw_companion_ring_stop(c);
	c->announced = false;
	gw_guest_function_hide(c->gf);
	gw_companion_end(c, deadline);
	memset(c->latch, 0, sizeof(c->latch));
	c->command_gpa.v = c->ring_gpa.v = 0;
	c->status = c->control_status = c->ring_shift = 0;
}

static uint32_t control_announce(struct gw_companion *c)
{
	int ret = 0;

	if (c->announced) {
		gw_guest_function_hide(c->gf);
		ret = gw_companion_end(c, gw_now_ns() + GW_RELEASE_LIMIT_NS);
	}
	c->announced = true;
	gw_guest_function_show(c->gf);
	return gw_companion_status(ret);
}

uint32_t gw_companion_control(struct gw_companion *c, uint32_t what)
{
	switch (what) {
	case GW_CONTROL_ANNOUNCE:
		return control_announce(c);
	case GW_CONTROL_WITHDRAW:
		c->announced = false;
		gw_guest_function_hide(c->gf);
		break;
	case GW_CONTROL_UNMAP_ALL:
		break;
	default:
		return GW_STATUS_INVAL;
	}
	return gw_companion_status(gw_companion_end(c, gw_now_ns() + GW_RELEASE_LIMIT_NS));
}
