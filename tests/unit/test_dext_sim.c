/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include <gangway/sim.h>

#include "base/util.h"
#include <gangway/devices.h>
#include "devices/probe.h"
#include "dext_backend.h"

/* The client against a dext: that the two mean the same by every call. */

struct counter {
	struct gw_irq_sink sink;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned int count[PROBE_VECTORS];
};

static struct gw_sim *sim;
static struct gw_host *host;
static struct gw_function *fn;
static struct counter counter;
static char memory[4][16384] __attribute__((aligned(16384)));

static void counter_fire(struct gw_irq_sink *s, const uint64_t pending[GW_IRQ_WORDS])
{
	struct counter *c = container_of(s, struct counter, sink);

	pthread_mutex_lock(&c->lock);
	for (unsigned int v = 0; v < PROBE_VECTORS; v++)
		c->count[v] += pending[0] >> v & 1;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

static void counter_await(unsigned int v, unsigned int n)
{
	pthread_mutex_lock(&counter.lock);
	while (counter.count[v] < n)
		pthread_cond_wait(&counter.changed, &counter.lock);
	pthread_mutex_unlock(&counter.lock);
}

static void add_probe(const char *root)
{
	struct gw_endpoint *ep = NULL;

	for (unsigned int i = 0; gw_endpoint_types[i]; i++)
		if (!strcmp(gw_endpoint_types[i]->name, "probe"))
			assert_int_equal(gw_endpoint_types[i]->make("", NULL, &ep), 0);
	assert_non_null(ep);
	assert_int_equal(gw_sim_add(sim, ep, root, 0, 1, 0), 0);
}

static int setup(void **state)
{
	memset(&counter, 0, sizeof(counter));
	counter.sink.fire = counter_fire;
	pthread_mutex_init(&counter.lock, NULL);
	pthread_cond_init(&counter.changed, NULL);
	assert_int_equal(gw_sim_new(NULL, &sim), 0);
	add_probe("sim0");
	return gw_dext_host_new(backend_start(sim), NULL, &host);
}

static int teardown(void **state)
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

static void option(const char *key, const char *value)
{
	assert_int_equal(gw_sim_set_option(sim, key, value), 0);
}

static void open_it(void)
{
	assert_int_equal(host->ops->open(host, "00:01.0", &fn), 0);
}

static void reg_write(uint64_t off, unsigned int width, uint64_t val)
{
	assert_int_equal(fn->ops->reg_write(fn, 0, (gw_bar_off){ off }, width, val), 0);
}

static uint64_t reg_read(uint64_t off, unsigned int width)
{
	uint64_t val;

	assert_int_equal(fn->ops->reg_read(fn, 0, (gw_bar_off){ off }, width, &val), 0);
	return val;
}

static void map(unsigned int i, struct gw_mapping *m)
{
	const struct gw_memory mem = { .addr = memory[i] };

	assert_int_equal(fn->ops->dma_map(fn, &mem, sizeof(memory[i]), NULL, m), 0);
}

static void start(void)
{
	unsigned int nr;

	assert_int_equal(fn->ops->irq_setup(fn, &counter.sink, &nr), 0);
	assert_int_equal(nr, PROBE_VECTORS);
}

static void identity_bars_and_registers_agree(void **state)
{
	struct gw_bar_info info;
	struct gw_bar_map m;
	uint32_t id;

	open_it();
	assert_int_equal(fn->info.vendor, PROBE_VENDOR);
	assert_int_equal(fn->limits.max_maps, 65536);
	assert_int_equal(fn->ops->config_read(fn, 0, 4, &id), 0);
	assert_int_equal(id, PROBE_DEVICE << 16 | PROBE_VENDOR);
	assert_int_equal(fn->ops->bar_info(fn, 0, &info), 0);
	assert_false(info.mappable);
	assert_int_equal(reg_read(PROBE_ID, 4), PROBE_ID_VALUE);
	for (unsigned int w = 1; w <= 8; w *= 2) {
		reg_write(PROBE_SCRATCH64, 8, 0);
		reg_write(PROBE_SCRATCH64, w, ~0ull);
		assert_int_equal(reg_read(PROBE_SCRATCH64, 8), ~0ull >> (64 - 8 * w));
	}
	assert_int_equal(fn->ops->bar_info(fn, 2, &info), 0);
	assert_int_equal(info.size, PROBE_MEM_SIZE);
	assert_true(info.mappable && info.is_64bit && info.prefetchable);
	assert_int_equal(fn->ops->bar_map(fn, 2, &m), 0);
	fn->ops->bar_unmap(fn, 2);
}

static void a_device_reaches_what_is_mapped(void **state)
{
	struct gw_mapping a, b;
	uint32_t command;

	open_it();
	start();
	map(0, &a);
	map(1, &b);
	memset(memory[0], 0x5a, sizeof(memory[0]));
	memset(memory[1], 0, sizeof(memory[1]));
	assert_int_equal(fn->ops->config_read(fn, 4, 2, &command), 0);
	assert_int_equal(fn->ops->config_write(fn, 4, 2, command | 6), 0);
	reg_write(PROBE_SRC, 8, a.seg[0].iova.v);
	reg_write(PROBE_DST, 8, b.seg[0].iova.v);
	reg_write(PROBE_LEN, 8, sizeof(memory[0]));
	reg_write(PROBE_VECTOR, 4, 9);
	reg_write(PROBE_COMMAND, 4, PROBE_CMD_COPY);
	counter_await(9, 1);
	assert_int_equal(reg_read(PROBE_STATUS, 4), PROBE_OK);
	assert_memory_equal(memory[0], memory[1], sizeof(memory[0]));
	assert_int_equal(fn->ops->dma_unmap(fn, a.handle), 0);
	assert_int_equal(fn->ops->dma_unmap(fn, a.handle), -ENOENT);
}

static void segments_agree(void **state)
{
	const struct gw_memory mem = { .addr = memory }, ro = { .addr = memory, .read_only = true };
	struct gw_mapping m;

	option("segments", "4");
	open_it();
	if (fn->limits.max_segments == 1) {	/* an old dext: it tells of one */
		assert_int_equal(fn->ops->dma_map(fn, &mem, sizeof(memory), NULL, &m), -EMLINK);
		return;
	}
	assert_true(fn->limits.max_segments >= 4);
	assert_int_equal(fn->ops->dma_map(fn, &mem, sizeof(memory), NULL, &m), 0);
	assert_int_equal(m.nr_segments, 4);
	assert_int_equal(fn->ops->dma_map(fn, &ro, sizeof(memory), NULL, &m), 0);
	assert_int_equal(m.nr_segments, 4);
}

static void addresses_of_the_callers_choice_agree(void **state)
{
	const struct gw_memory mem = { .addr = memory };
	struct gw_mapping m;
	gw_iova want = { 1 << 20 };

	option("caller-iova", "on");
	open_it();
	if (!fn->limits.caller_iova) {
		assert_int_equal(fn->ops->dma_map(fn, &mem, sizeof(memory), &want, &m), -EOPNOTSUPP);
		return;
	}
	assert_int_equal(fn->ops->dma_map(fn, &mem, sizeof(memory), &want, &m), 0);
	assert_int_equal(m.seg[0].iova.v, want.v);
	want.v += 16384;
	assert_int_equal(fn->ops->dma_map(fn, &mem, sizeof(memory), &want, &m), -EEXIST);
}

#define RAISES	2000

static void *raise(void *opaque)
{
	unsigned int v = (unsigned int)(uintptr_t)opaque;
	uint64_t off = PROBE_IRQ;

	for (unsigned int i = 1; i <= RAISES; i++) {
		if (fn->ops->reg_write(fn, 0, (gw_bar_off){ off }, 4, v))
			abort();
		counter_await(v, i);
	}
	return NULL;
}

static void no_interrupt_is_lost(void **state)
{
	pthread_t t[2];

	open_it();
	start();
	for (uintptr_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&t[i], NULL, raise, (void *)(7 * i)), 0);
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(counter.count[0], RAISES);
	assert_int_equal(counter.count[7], RAISES);
}

static void a_cable_pulled_is_told(void **state)
{
	struct pollfd p = { .events = POLLIN };
	struct gw_mapping m;

	open_it();
	start();
	map(0, &m);
	assert_int_equal(fn->ops->gone(fn, &p.fd), 0);
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_int_equal(gw_sim_vanish(sim, "sim0", 0, 1, 0), 0);
	backend_vanished();
	assert_int_equal(poll(&p, 1, 10000), 1);	/* by the wait, without another call */
	assert_int_equal(fn->ops->reset(fn), -ENODEV);
	assert_int_equal(fn->ops->dma_unmap(fn, m.handle), 0);
}

static void equal_addresses_under_two_roots_are_told_apart(void **state)
{
	struct gw_function_info *list;
	size_t nr;

	add_probe("sim1");
	assert_int_equal(host->ops->list(host, &list, &nr), 0);
	assert_int_equal(nr, 2);
	assert_string_equal(list[1].name, "00:01.0@sim1");
	free(list);
	assert_int_equal(host->ops->open(host, "00:01.0", &fn), -EINVAL);
	assert_int_equal(host->ops->open(host, "00:01.0@sim1", &fn), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(identity_bars_and_registers_agree),
		T(a_device_reaches_what_is_mapped),
		T(segments_agree),
		T(addresses_of_the_callers_choice_agree),
		T(no_interrupt_is_lost),
		T(a_cable_pulled_is_told),
		T(equal_addresses_under_two_roots_are_told_apart),
	};

	return cmocka_run_group_tests_name(backend_name, tests, NULL, NULL);
}
