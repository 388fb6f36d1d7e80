/* SPDX-License-Identifier: BSD-3-Clause */
#include "machine.h"

#include <string.h>
#include <sys/mman.h>

#include "base/util.h"
#include "host/sim/host.h"

/* The hook of each function; it is looked up for each interrupt, and may change meanwhile. */
struct hook {
	struct gw_endpoint_bus *bus;
	void (*irq)(void *opaque, unsigned int vector);
	void *opaque;
};

static pthread_rwlock_t hooks_lock = PTHREAD_RWLOCK_INITIALIZER;
static struct hook hooks[16];

bool machine_function(struct gw_sim *sim, unsigned int i, struct machine_function *f)
{
	struct gw_sim_function *fn;

	pthread_mutex_lock(&sim->lock);
	fn = i < sim->nr ? sim->fn[i] : NULL;
	pthread_mutex_unlock(&sim->lock);
	if (!fn)
		return false;
	*f = (struct machine_function){
		.platform = &gw_sim_platform, .ctx = fn, .vendor = fn->bus.ep->desc.vendor,
		.device = fn->bus.ep->desc.device, .class_code = fn->bus.ep->desc.class_code,
	};
	memcpy(f->root, fn->bus.root, sizeof(f->root));
	return true;
}

void machine_settle(struct gw_sim *sim)
{
	pthread_mutex_lock(&sim->lock);
	if (!sim->opened) {
		gw_sim_limits(sim, &sim->limits);
		sim->opened = true;
	}
	pthread_mutex_unlock(&sim->lock);
}

static void on_irq(struct gw_endpoint_bus *b, unsigned int v)
{
	pthread_rwlock_rdlock(&hooks_lock);
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++)
		if (hooks[i].bus == b && hooks[i].irq)
			hooks[i].irq(hooks[i].opaque, v);
	pthread_rwlock_unlock(&hooks_lock);
}

void machine_on_irq(const struct machine_function *f,
		    void (*irq)(void *opaque, unsigned int vector), void *opaque)
{
	struct gw_endpoint_bus *bus = &((struct gw_sim_function *)f->ctx)->bus;
	size_t i = 0;

	pthread_rwlock_wrlock(&hooks_lock);
	while (i < ARRAY_SIZE(hooks) - 1 && hooks[i].bus && hooks[i].bus != bus)
		i++;
	hooks[i] = (struct hook){ irq ? bus : NULL, irq, opaque };
	if (irq)
		bus->irq = on_irq;
	pthread_rwlock_unlock(&hooks_lock);
}

bool machine_is_gone(const struct machine_function *f)
{
	return atomic_load(&((struct gw_sim_function *)f->ctx)->bus.gone);
}

void machine_power(const struct machine_function *f, bool on)
{
	gw_bus_power(&((struct gw_sim_function *)f->ctx)->bus, on);
}

void *machine_view(int fd, uint64_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}
