/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_DEXT_RIG_H
#define TESTS_UNIT_DEXT_RIG_H

#include "unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include <gangway/devices.h>
#include <gangway/sim.h>

#include "base/util.h"
#include "devices/probe.h"
#include "dext_backend.h"

/* A function behind a dext, whichever is linked: opened by the client library, or called as it is. */

struct counter {
	struct gw_irq_sink sink;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned int count[PROBE_VECTORS];
};

static struct gw_sim *sim;
static struct gw_dext_services *services;
static struct gw_host *host;
static struct gw_function *fn;
static struct counter counter;
static char memory[4][16384] __attribute__((aligned(16384)));

static char said[512];			/* the last error */

static inline void keep_error(void *opaque, enum gw_log_level level, const char *line)
{
	if (level == GW_LOG_ERR)
		snprintf(said, sizeof(said), "%s", line);
}

static struct gw_log error_log = { .level = GW_LOG_ERR, .write = keep_error };

static inline void counter_fire(struct gw_irq_sink *s, const uint64_t pending[GW_IRQ_WORDS])
{
	struct counter *c = container_of(s, struct counter, sink);

	pthread_mutex_lock(&c->lock);
	for (unsigned int v = 0; v < PROBE_VECTORS; v++)
		c->count[v] += pending[0] >> v & 1;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

static inline void counter_await(unsigned int v, unsigned int n)
{
	pthread_mutex_lock(&counter.lock);
	while (counter.count[v] < n)
		pthread_cond_wait(&counter.changed, &counter.lock);
	pthread_mutex_unlock(&counter.lock);
}

static inline void add_probe(const char *root)
{
	struct gw_endpoint *ep = NULL;

	for (unsigned int i = 0; gw_endpoint_types[i]; i++)
		if (!strcmp(gw_endpoint_types[i]->name, "probe"))
			assert_int_equal(gw_endpoint_types[i]->make("", NULL, &ep), 0);
	assert_non_null(ep);
	assert_int_equal(gw_sim_add(sim, ep, root, 0, 1, 0), 0);
}

static inline int setup(void **state)
{
	memset(&counter, 0, sizeof(counter));
	counter.sink.fire = counter_fire;
	pthread_mutex_init(&counter.lock, NULL);
	pthread_cond_init(&counter.changed, NULL);
	assert_int_equal(gw_sim_new(NULL, &sim), 0);
	add_probe("sim0");
	services = backend_start(sim);
	return gw_dext_host_new(services, &error_log, &host);
}

static inline int teardown(void **state)
{
	struct gw_sim_stats stats;

	if (fn)
		fn->ops->close(fn);
	fn = NULL;
	host->ops->free(host);
	backend_stop();
	gw_sim_stats(sim, &stats);
	assert_int_equal(stats.live_maps, 0);
	assert_int_equal(stats.faults, 0);
	gw_sim_free(sim);
	return 0;
}

static inline void option(const char *key, const char *value)
{
	assert_int_equal(gw_sim_set_option(sim, key, value), 0);
}

static inline void open_it(void)
{
	assert_int_equal(host->ops->open(host, "00:01.0", &fn), 0);
}

static inline void reg_write(uint64_t off, unsigned int width, uint64_t val)
{
	assert_int_equal(fn->ops->reg_write(fn, 0, (gw_bar_off){ off }, width, val), 0);
}

static inline uint64_t reg_read(uint64_t off, unsigned int width)
{
	uint64_t val;

	assert_int_equal(fn->ops->reg_read(fn, 0, (gw_bar_off){ off }, width, &val), 0);
	return val;
}

static inline void map(unsigned int i, struct gw_mapping *m)
{
	const struct gw_memory mem = { .addr = memory[i] };

	assert_int_equal(fn->ops->dma_map(fn, &mem, sizeof(memory[i]), NULL, m), 0);
}

static inline void start(void)
{
	unsigned int nr;

	assert_int_equal(fn->ops->irq_setup(fn, &counter.sink, &nr), 0);
	assert_int_equal(nr, PROBE_VECTORS);
}

/* connections without a client library between */

static inline struct gw_dext_conn *connect_raw(void)
{
	struct gw_dext_conn *c;
	char root[GW_ROOT_SIZE];

	assert_int_equal(services->ops->describe ?
			 services->ops->describe(services, 0, &(struct gw_dext_description){ .root = "" }) : 0, 0);
	assert_int_equal(services->ops->open(services, 0, &c, root), 0);
	assert_string_equal(root, "sim0");
	return c;
}

static inline uint32_t call(struct gw_dext_conn *c, uint32_t selector, const uint64_t *in,
		     unsigned int nr_in, uint64_t *out, unsigned int room)
{
	unsigned int nr = room;

	return c->ops->call(c, selector, in, nr_in, out, &nr);
}

static inline struct gw_dext_conn *claim_raw(void)
{
	struct gw_dext_conn *c = connect_raw();

	assert_int_equal(call(c, GW_DEXT_CLAIM, NULL, 0, NULL, 0), GW_IORETURN_SUCCESS);
	return c;
}

static inline uint32_t register_raw(struct gw_dext_conn *c, uint64_t key, void *addr, uint64_t size)
{
	const uint64_t in[] = { key, (uintptr_t)addr, size };
	uint64_t out[3];

	return call(c, GW_DEXT_REGISTER_REGION, in, 3, out, 3);
}

struct raw_wait {
	_Atomic unsigned int calls;
	_Atomic uint32_t result;
};

static inline void raw_done(void *opaque, uint32_t result)
{
	struct raw_wait *w = opaque;

	atomic_store(&w->result, result);
	atomic_fetch_add(&w->calls, 1);
}

static inline void raw_await(struct raw_wait *w)
{
	while (!atomic_load(&w->calls))
		sched_yield();
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
