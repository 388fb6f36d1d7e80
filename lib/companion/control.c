/* SPDX-License-Identifier: BSD-3-Clause */
#include "companion/control.h"

#include <string.h>

#include "base/lock.h"
#include "base/util.h"
#include "companion/command.h"
#include "companion/ring.h"
#include "companion/share.h"

/*
 * How it works: mappings, and what is shared, belong to a generation, and a generation to a kernel
 * with its module. It ends when another kernel or module announces itself, when the module
 * withdraws or asks for its end, and when the VMM goes.
 *
 * A reset may be the machine's, or the slot's alone under a module that goes on. If the module has
 * told a nonce, nothing is decided then: the function is paused, nothing new is mapped, and the
 * next announcement says by its nonce which it was.
 */

int gw_companion_end(struct gw_companion *c, uint64_t deadline)
{
	int ret;

	gw_companion_unshare_all(c);
	ret = gw_companion_release(c, deadline);
	if (!ret)
		gw_companion_forget_ids(c);
	gw_companion_ring_publish(c);
	return ret;
}

/* The function is quiet before its memory goes. */
static int hide_and_end(struct gw_companion *c, uint64_t deadline) GW_HOLDS(c->gate)
{
	c->announced = c->kept = false;
	c->nonce = 0;
	gw_guest_function_hide(c->gf);
	return gw_companion_end(c, deadline);
}

void gw_companion_reset(struct gw_companion *c, uint64_t deadline)
{
	if (c->nonce) {
		c->kept = true;
		c->announced = false;
		gw_guest_function_pause(c->gf);
	} else {
		hide_and_end(c, deadline);
	}
	/*
	 * only now: a module that does not notice the reset still reads the generation in its ring
	 */
	gw_companion_ring_stop(c);
	memset(c->latch, 0, sizeof(c->latch));
	c->command_gpa.v = c->ring_gpa.v = 0;
	c->status = c->control_status = c->ring_shift = 0;
	c->next_nonce = 0;
}

void gw_companion_leave(struct gw_companion *c)
{
	c->nonce = 0;
	gw_companion_reset(c, UINT64_MAX);
}

/* By the kernel that announced itself last, or by another? */
static uint32_t control_announce(struct gw_companion *c, uint64_t deadline) GW_HOLDS(c->gate)
{
	bool same = c->nonce && c->nonce == c->next_nonce;
	int ret = 0;

	if ((c->announced || c->kept) && !same)
		ret = hide_and_end(c, deadline);
	c->announced = true;
	c->kept = false;
	/* a kernel that knows of no nonce does not write one: it must not find that of another */
	c->nonce = c->opt.show ? 0 : c->next_nonce;
	c->next_nonce = 0;
	gw_guest_function_show(c->gf);
	return gw_companion_status(ret);
}

uint32_t gw_companion_control(struct gw_companion *c, uint32_t what)
{
	uint64_t deadline = gw_now_ns() + GW_RELEASE_LIMIT_NS;

	switch (what) {
	case GW_CONTROL_ANNOUNCE:
		return control_announce(c, deadline);
	case GW_CONTROL_WITHDRAW:
		return gw_companion_status(hide_and_end(c, deadline));
	case GW_CONTROL_UNMAP_ALL:
		return gw_companion_status(gw_companion_end(c, deadline));
	default:
		return GW_STATUS_INVAL;
	}
}
