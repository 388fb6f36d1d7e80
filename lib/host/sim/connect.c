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
 * What every call goes through: the delay, and the moment when the function disappears. The
 * calls that take interrupts may come from a thread of the endpoint, which disappearing would
 * wait for, so they count but leave the moment to the next call.
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

/* The @i-th function. The first to be asked for fixes the limits. */
static struct gw_sim_function *find(struct gw_sim *sim, unsigned int i)
{
	struct gw_sim_function *f;

	pthread_mutex_lock(&sim->lock);
	f = i < sim->nr ? sim->fn[i] : NULL;
	if (f && !sim->opened) {
		gw_sim_limits(sim, &sim->limits);
		sim->opened = true;
	}
	pthread_mutex_unlock(&sim->lock);
	return f;
}

static int services_open(struct gw_dext_services *s, unsigned int i, struct gw_dext_conn **c,
			 char root[32])
{
	struct gw_sim_function *f = find(container_of(s, struct gw_sim, services), i);
	struct sim_conn *conn;
	int ret;

	if (!f)
		return -ENOENT;
	conn = calloc(1, sizeof(*conn));
	if (!conn)
		return -ENOMEM;
	conn->base.ops = &conn_ops;
	conn->f = f;
	ret = gw_core_client_new(&f->core, &conn->client);
	if (ret) {
		free(conn);
		return ret;
	}
	memcpy(root, f->bus.root, sizeof(f->bus.root));
	*c = &conn->base;
	return 0;
}

const struct gw_dext_services_ops gw_sim_services_ops = { .open = services_open };
