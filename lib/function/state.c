/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "function/function.h"

/* What all parts of a function stand on: that it may be asleep, quiet, or gone. */

bool gw_guest_asleep(const struct gw_guest_function *gf)
{
	return gf->policy.pm &&
	       (gf->config[gf->policy.pm + GW_PCI_PM_CTRL] & GW_PCI_PM_STATE) == GW_PCI_PM_D3HOT;
}

void gw_guest_decodes(struct gw_guest_function *gf, bool on)
{
	if (gf->decodes == on)
		return;
	gf->decodes = on;
	if (gf->watch.decode)
		gf->watch.decode(gf->watch.opaque, on);
}

void gw_guest_function_watch(struct gw_guest_function *gf, const struct gw_guest_watch *watch)
{
	pthread_mutex_lock(&gf->lock);
	gf->watch = watch ? *watch : (struct gw_guest_watch){ 0 };
	if (gf->decodes && gf->watch.decode)
		gf->watch.decode(gf->watch.opaque, true);
	pthread_mutex_unlock(&gf->lock);
}

void gw_guest_quiet_begin(struct gw_guest_function *gf)
{
	struct gw_remote *r = gf->remote;

	if (r)
		r->ops->stop(r);
}

void gw_guest_quiet_end(struct gw_guest_function *gf)
{
	struct gw_remote *r = gf->remote;

	if (r)
		r->ops->start(r);
}

void gw_guest_failed(struct gw_guest_function *gf, int err, const char *what)
{
	if (gf->gone)
		return;
	if (err != -ENODEV) {
		gw_log_guest(gf->log, "%s: cannot %s: %s", gf->fn->info.name, what,
			     strerror(-err));
		return;
	}
	gf->gone = true;
	gw_guest_decodes(gf, false);
	gw_err(gf->log, "%s: the function has gone; the guest sees all ones", gf->fn->info.name);
	gw_guest_irqs_request(&gf->irqs);
}
