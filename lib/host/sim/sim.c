/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "host/sim/host.h"

/*
 * How it works: the host is a list of functions, each of which has a bus, a DART and, once somebody
 * has connected, a dext core. The lock guards the list. A function stays on it until the host is
 * freed, so whoever has found one may use it without the lock: one that vanishes is only marked as
 * gone, and a virtual function that comes back is a new entry. Power and removal call devices and
 * the core, which may come back here, so they hold no lock.
 */

int gw_sim_new(struct gw_log *log, struct gw_sim **out)
{
	struct gw_sim *sim = calloc(1, sizeof(*sim));

	if (!sim)
		return -ENOMEM;
	sim->log = log;
	sim->services.ops = &gw_sim_services_ops;
	pthread_mutex_init(&sim->vfs_lock, NULL);
	pthread_mutex_init(&sim->lock, NULL);
	pthread_mutex_init(&sim->faults.lock, NULL);
	*out = sim;
	return 0;
}

void gw_sim_free(struct gw_sim *sim)
{
	if (!sim)
		return;
	GW_ALONE(sim->lock);	/* nobody is connected any more */
	/* one that goes takes its virtual functions along, so all go before any is freed */
	for (size_t i = 0; i < sim->nr; i++)
		gw_bus_vanish(&sim->fn[i]->bus);
	for (size_t i = 0; i < sim->nr; i++) {
		struct gw_sim_function *f = sim->fn[i];
		bool ended;

		f->bus.vfs = NULL;
		ended = gw_bus_fini(&f->bus);
		gw_core_free(f->core);
		if (!ended)
			continue;	/* it and its DART are still in use */
		gw_dart_fini(&f->bus.dart);
		free(f);
	}
	free(sim->fn);
	pthread_mutex_destroy(&sim->faults.lock);
	pthread_mutex_destroy(&sim->lock);
	pthread_mutex_destroy(&sim->vfs_lock);
	free(sim);
}

static struct gw_sim_function *find(struct gw_sim *sim, const char *root, uint8_t bus, uint8_t dev,
				    uint8_t fn) GW_HOLDS(sim->lock)
{
	for (size_t i = 0; i < sim->nr; i++) {
		const struct gw_endpoint_bus *b = &sim->fn[i]->bus;

		/* virtual functions come back to where others have gone */
		if (b->bus == bus && b->dev == dev && b->fn == fn && !strcmp(b->root, root) &&
		    !(sim->fn[i]->pf && atomic_load(&b->gone)))
			return sim->fn[i];
	}
	return NULL;
}

/* A function other than the first makes its device one of several functions. */
static void mark_multifunction(struct gw_sim *sim, const struct gw_endpoint_bus *b)
	GW_HOLDS(sim->lock)
{
	struct gw_sim_function *first = find(sim, b->root, b->bus, b->dev, 0);
	bool others = false;

	for (uint8_t fn = 1; fn < 8; fn++)
		others |= find(sim, b->root, b->bus, b->dev, fn) != NULL;
	if (!first || !others)
		return;
	pthread_mutex_lock(&first->bus.config_lock);
	first->bus.config.byte[GW_PCI_HEADER_TYPE] |= 0x80;
	pthread_mutex_unlock(&first->bus.config_lock);
}

static int start_function(struct gw_sim *sim, struct gw_sim_function *f) GW_HOLDS(sim->lock)
{
	uint64_t salt = (uint64_t)f->bus.bus << 8 | f->bus.dev << 3 | f->bus.fn;
	int ret;

	for (const char *p = f->bus.root; *p; p++)
		salt = salt * 31 + (unsigned char)*p;
	ret = gw_dart_init(&f->bus.dart, &sim->limits, &sim->totals, f->bus.log, f->bus.name, salt);
	if (ret)
		return ret;
	ret = gw_bus_init(&f->bus, &sim->space);
	if (ret)
		gw_dart_fini(&f->bus.dart);
	return ret;
}

/* The BARs of virtual functions follow each other. */
static void place_in_row(struct gw_sim_function *f)
{
	for (unsigned int i = 0; i < GW_NR_BARS; i++) {
		uint64_t size = f->bus.ep->desc.bar[i].size;

		if (size && size == f->pf->bus.ep->desc.sriov.bar[i].size)
			f->bus.bar_addr[i] = f->pf->bus.vf_bar_addr[i] + f->vf * size;
	}
}

static struct gw_sim_function *function_new(struct gw_sim *sim, struct gw_endpoint *ep,
					    const char *root, uint16_t rid)
{
	struct gw_sim_function *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->sim = sim;
	f->bus.ep = ep;
	gw_log_own(&f->bus.own_log, sim->log);
	f->bus.log = &f->bus.own_log;
	f->bus.faults = &sim->faults;
	f->bus.irq = gw_sim_irq;
	f->bus.vfs = gw_sim_vfs;
	f->bus.bus = (uint8_t)(rid >> 8);
	f->bus.dev = rid >> 3 & 31;
	f->bus.fn = rid & 7;
	snprintf(f->bus.root, sizeof(f->bus.root), "%s", root);
	snprintf(f->bus.name, sizeof(f->bus.name), "%02x:%02x.%x@%s", f->bus.bus, f->bus.dev,
		 f->bus.fn, f->bus.root);
	return f;
}

void gw_sim_name(struct gw_endpoint *ep, const char *name)
{
	snprintf(ep->bus->name, sizeof(ep->bus->name), "%s", name);
}

static int add(struct gw_sim *sim, struct gw_sim_function *f) GW_HOLDS(sim->lock)
{
	struct gw_endpoint_bus *b = &f->bus;
	struct gw_sim_function **more;
	int ret;

	if (find(sim, b->root, b->bus, b->dev, b->fn)) {
		gw_err(sim->log, "sim: there is a function at %02x:%02x.%x of root %s", b->bus,
		       b->dev, b->fn, b->root);
		return -EEXIST;
	}
	more = realloc(sim->fn, (sim->nr + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	sim->fn = more;
	ret = start_function(sim, f);
	if (ret)
		return ret;
	sim->fn[sim->nr++] = f;
	if (!f->pf)
		mark_multifunction(sim, b);
	return 0;
}

int gw_sim_add_function(struct gw_sim *sim, struct gw_endpoint *ep, const char *root, uint16_t rid,
			struct gw_sim_function *pf, unsigned int vf)
{
	struct gw_sim_function *f = function_new(sim, ep, root, rid);
	int ret;

	if (!f)
		return -ENOMEM;
	f->pf = pf;
	f->vf = vf;
	if (pf)
		place_in_row(f);
	pthread_mutex_lock(&sim->lock);
	ret = add(sim, f);
	pthread_mutex_unlock(&sim->lock);
	if (ret)
		free(f);
	return ret;
}

int gw_sim_add(struct gw_sim *sim, struct gw_endpoint *ep, const char *root, uint8_t bus,
	       uint8_t dev, uint8_t fn)
{
	int ret = -EINVAL;

	if (!root)
		root = "sim0";
	if (!*root || strlen(root) >= GW_ROOT_SIZE || dev > 31 || fn > 7)
		gw_err(sim->log, "sim: no function can be at %02x:%02x.%x of root \"%s\"", bus, dev,
		       fn, root);
	else
		ret = gw_sim_add_function(sim, ep, root, (uint16_t)(bus << 8 | dev << 3 | fn),
					  NULL, 0);
	if (ret)
		ep->ops->free(ep);
	return ret;
}

struct gw_dext_services *gw_sim_services(struct gw_sim *sim)
{
	return &sim->services;
}

void gw_sim_function_vanish(struct gw_sim_function *f)
{
	struct gw_core *core;

	/* not under the lock: those that vanish with it are looked for; a dext that is started only
	 * now finds that its function has gone */
	gw_bus_vanish(&f->bus);
	pthread_mutex_lock(&f->sim->lock);
	core = f->core;
	pthread_mutex_unlock(&f->sim->lock);
	if (core)
		gw_core_gone(core);
}

/* The dext hears of it while the device has its power, as on macOS. */
static void power(struct gw_sim *sim, struct gw_sim_function *f, bool on)
{
	struct gw_core *core;

	pthread_mutex_lock(&sim->lock);
	core = f->core;
	pthread_mutex_unlock(&sim->lock);
	if (on)
		gw_bus_power(&f->bus, true);
	if (core)
		gw_core_power(core, on);
	if (!on)
		gw_bus_power(&f->bus, false);
}

void gw_sim_power(struct gw_sim *sim, bool on)
{
	struct gw_sim_function *f;

	for (size_t i = 0;; i++) {
		pthread_mutex_lock(&sim->lock);
		f = i < sim->nr ? sim->fn[i] : NULL;
		pthread_mutex_unlock(&sim->lock);
		if (!f)
			return;
		power(sim, f, on);
	}
}

int gw_sim_vanish(struct gw_sim *sim, const char *root, uint8_t bus, uint8_t dev, uint8_t fn)
{
	struct gw_sim_function *f;

	pthread_mutex_lock(&sim->lock);
	f = find(sim, root ? root : "sim0", bus, dev, fn);
	pthread_mutex_unlock(&sim->lock);
	if (!f)
		return -ENOENT;
	gw_sim_function_vanish(f);
	return 0;
}

void gw_sim_stats(struct gw_sim *sim, struct gw_sim_stats *stats)
{
	struct gw_dart_totals *t = &sim->totals;

	*stats = (struct gw_sim_stats){
		.maps = atomic_load(&t->maps),
		.unmaps = atomic_load(&t->unmaps),
		.live_maps = atomic_load(&t->live_maps),
		.live_bytes = atomic_load(&t->live_bytes),
		.peak_maps = atomic_load(&t->peak_maps),
		.peak_bytes = atomic_load(&t->peak_bytes),
	};
	pthread_mutex_lock(&sim->lock);
	for (size_t i = 0; i < sim->nr; i++) {
		struct gw_endpoint_bus *b = &sim->fn[i]->bus;

		stats->irqs += atomic_load(&b->irqs);
		stats->dma_read_bytes += atomic_load(&b->read_bytes);
		stats->dma_written_bytes += atomic_load(&b->written_bytes);
		stats->io_errors += atomic_load(&b->io_errors);
		stats->stalls += atomic_load(&b->stalls);
		stats->stalled += gw_bus_stalled(b);
	}
	pthread_mutex_unlock(&sim->lock);
	pthread_mutex_lock(&sim->faults.lock);
	stats->faults = sim->faults.accesses;
	pthread_mutex_unlock(&sim->faults.lock);
}

void gw_sim_watch_faults(struct gw_sim *sim, const struct gw_sim_watcher *w)
{
	sim->faults.watcher = *w;
}

size_t gw_sim_faults(struct gw_sim *sim, struct gw_sim_fault *out, size_t max)
{
	size_t nr;

	pthread_mutex_lock(&sim->faults.lock);
	nr = sim->faults.nr;
	for (size_t i = 0; i < nr && i < max; i++)
		out[i] = sim->faults.fault[i];
	pthread_mutex_unlock(&sim->faults.lock);
	return nr;
}
