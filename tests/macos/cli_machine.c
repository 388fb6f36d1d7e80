/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>
#include <sys/sysctl.h>
#include <unistd.h>

#include <gangway/devices.h>
#include <gangway/sim.h>

#include "iokit_standin.h"

/*
 * A Mac for the command: its devices are those of PLAYED, one letter each: p a probe under root sim0, q one
 * under sim1 at the same address, s one under sim2 whose extension does not answer.
 */

static struct gw_dext_services played, *simulated;
static const char *letters;

static int played_open(struct gw_dext_services *s, unsigned int i, struct gw_dext_conn **c, char root[32])
{
	if (i < strlen(letters) && letters[i] == 's')
		for (;;)
			pause();
	return simulated->ops->open(simulated, i, c, root);
}

static const struct gw_dext_services_ops played_ops = { .open = played_open };

int sysctlbyname(const char *name, void *old, size_t *size, void *to, size_t to_size)
{
	if (strcmp(name, "kern.hv_support") != 0 || *size != sizeof(int))
		return -1;
	*(int *)old = !getenv("PLAYED_NO_HYPERVISOR");
	return 0;
}

static void add(struct gw_sim *sim, const char *root, unsigned int dev)
{
	struct gw_endpoint *ep = NULL;

	for (unsigned int i = 0; gw_endpoint_types[i]; i++)
		if (!strcmp(gw_endpoint_types[i]->name, "probe") && gw_endpoint_types[i]->make("", NULL, &ep))
			abort();
	if (gw_sim_add(sim, ep, root, 1, (uint8_t)dev, 0))
		abort();
}

static __attribute__((constructor)) void machine_start(void)
{
	static struct gw_sim *sim;

	letters = getenv("PLAYED") ? getenv("PLAYED") : "p";
	if (gw_sim_new(NULL, &sim))
		abort();
	for (const char *l = letters; *l; l++)
		add(sim, *l == 'p' ? "sim0" : *l == 'q' ? "sim1" : "sim2", *l == 's' ? 5 : 0);
	simulated = gw_sim_services(sim);
	played.ops = &played_ops;
	standin_start(sim, &played);
}
