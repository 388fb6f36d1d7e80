/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/util.h"
#include "host/sim/host.h"

/* The five calls of a connection to a simulated dext. */

struct sim_conn {
	struct gw_dext_conn base;
	struct gw_sim_function *f;
	struct gw_core_client *client;
};

static struct sim_conn *conn_of(struct gw_dext_conn *c)
{
	return container_of(c, struct sim_conn, base);
}

/*
 * What every call goes through: the delay, and the moment when the function disappears. Calls that
 * take interrupts may come from a thread of the endpoint, for which disappearing would wait; so
 * they count, but leave the moment to the next call.
 */
static void before_call(struct gw_sim_function *f, uint32_t selector)
{
	bool from_irq = selector == GW_DEXT_CHECK_INTERRUPT || selector == GW_DEXT_WAIT_INTERRUPT;
	uint64_t us = atomic_load(&f->sim->opt[GW_SIM_CALL_DELAY]);
	uint64_t vanish = atomic_load(&f->sim->opt[GW_SIM_VANISH_AFTER]);
	struct timespec ts = { .tv_sec = (time_t)(us / 1000000),
			       .tv_nsec = (long)(us % 1000000) * 1000 };

	if (us)
		nanosleep(&ts, NULL);
	if (vanish && atomic_fetch_add(&f->calls, 1) >= vanish && !from_irq)
		gw_sim_function_vanish(f);
}

static uint32_t conn_call(struct gw_dext_conn *c, uint32_t selector, const uint64_t *in,
			  unsigned int nr_in, uint64_t *out, unsigned int *nr_out)
{
	struct sim_conn *conn = conn_of(c);

	before_call(conn->f, selector);
	return gw_core_call(conn->client, selector, in, nr_in, out, nr_out);
}

static uint32_t conn_call_async(struct gw_dext_conn *c, uint32_t selector,
				void (*done)(void *opaque, uint32_t result), void *opaque)
{
	struct sim_conn *conn = conn_of(c);

	before_call(conn->f, selector);
	return gw_core_call_async(conn->client, selector, done, opaque);
}

static uint32_t view(void *opaque, const struct gw_core_memory *mem)
{
	struct gw_sim_memory m = { .addr = mem->addr, .size = mem->size, .fd = mem->fd };
	struct gw_dext_map *map = opaque;

	if (gw_sim_memory_view(&m, &map->addr))
		return GW_IORETURN_NO_MEMORY;
	map->size = mem->size;
	map->fd = mem->fd;
	map->fd_off = 0;
	return GW_IORETURN_SUCCESS;
}

/* Memory is memory here, so the cache mode in @options changes nothing. */
static uint32_t conn_map(struct gw_dext_conn *c, unsigned int type, uint32_t options,
			 struct gw_dext_map *map)
{
	struct sim_conn *conn = conn_of(c);

	before_call(conn->f, GW_DEXT_NR_SELECTORS);
	return gw_core_map(conn->client, type, view, map);
}

static void conn_unmap(struct gw_dext_conn *c, unsigned int type, const struct gw_dext_map *map)
{
	munmap(map->addr, map->size);
}

static void conn_close(struct gw_dext_conn *c)
{
	struct sim_conn *conn = conn_of(c);

	gw_core_client_free(conn->client);
	free(conn);
}

static const struct gw_dext_conn_ops conn_ops = {
	.call = conn_call,
	.call_async = conn_call_async,
	.map = conn_map,
	.unmap = conn_unmap,
	.close = conn_close,
};

/* Start its dext when it is first looked for, as options may come after the device. */
static int start_dext(struct gw_sim *sim, struct gw_sim_function *f)
{
	bool old = atomic_load(&sim->opt[GW_SIM_OLD_DEXT]);
	bool any = atomic_load(&sim->opt[GW_SIM_MULTIMEDIA]) || old;

	if (!gw_core_accepts(f->bus.ep->desc.class_code, any))
		return -ENODEV;
	if (f->core)
		return 0;
	f->core = gw_core_new(&gw_sim_platform, f, old ? GW_CORE_OLD : 0);
	if (!f->core)
		return -ENOMEM;
	if (atomic_load(&f->bus.gone))
		gw_core_gone(f->core);
	return 0;
}

/* The @i-th function. The first to be asked for fixes the limits. */
static int find(struct gw_sim *sim, unsigned int i, struct gw_sim_function **f)
{
	int ret = -ENOENT;

	pthread_mutex_lock(&sim->lock);
	*f = i < sim->nr ? sim->fn[i] : NULL;
	if (*f && !sim->opened) {
		gw_sim_limits(sim, &sim->limits);
		sim->opened = true;
	}
	if (*f)
		ret = start_dext(sim, *f);
	pthread_mutex_unlock(&sim->lock);
	return ret;
}

static int services_open(struct gw_dext_services *s, unsigned int i, struct gw_dext_conn **c,
			 char root[GW_ROOT_SIZE])
{
	struct gw_sim_function *f;
	struct sim_conn *conn;
	int ret = find(container_of(s, struct gw_sim, services), i, &f);

	if (ret)
		return ret;
	conn = calloc(1, sizeof(*conn));
	if (!conn)
		return -ENOMEM;
	conn->base.ops = &conn_ops;
	conn->f = f;
	ret = gw_dext_errno(gw_core_client_new(f->core, conn, &conn->client));
	if (ret) {
		free(conn);
		return ret;
	}
	memcpy(root, f->bus.root, sizeof(f->bus.root));
	*c = &conn->base;
	return 0;
}

/* What an IORegistry would say, where there is one. */
static int services_describe(struct gw_dext_services *s, unsigned int i,
			     struct gw_dext_description *d)
{
	struct gw_sim *sim = container_of(s, struct gw_sim, services);
	struct gw_sim_function *f;
	int ret = find(sim, i, &f);

	if (ret)
		return ret;
	memcpy(d->root, f->bus.root, sizeof(f->bus.root));
	if (!atomic_load(&sim->opt[GW_SIM_REGISTRY]))
		return 0;
	d->addressed = d->identified = true;
	d->bus = f->bus.bus;
	d->dev = f->bus.dev;
	d->fn = f->bus.fn;
	d->vendor = f->bus.ep->desc.vendor;
	d->device = f->bus.ep->desc.device;
	d->class_code = f->bus.ep->desc.class_code;
	return 0;
}

const struct gw_dext_services_ops gw_sim_services_ops = {
	.open = services_open, .describe = services_describe,
};
