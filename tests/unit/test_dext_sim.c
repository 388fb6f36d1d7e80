/* SPDX-License-Identifier: BSD-3-Clause */
#include "dext_rig.h"

#include <poll.h>

#include "host/dext/bound.h"
#include "host/dext/function.h"

/* The client against a dext: that the two mean the same by every call. */

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

static void without_the_claim_nothing_is_told_or_done(void **state)
{
	struct gw_dext_conn *c = connect_raw();
	const uint64_t config[] = { 0, 4 }, write[] = { 4, 2, 6 }, bar[] = { 2 };
	uint64_t out[8];

	assert_int_equal(call(c, GW_DEXT_CONFIG_READ, config, 2, out, 1), GW_IORETURN_SUCCESS);
	assert_int_equal(out[0], 0xffffffff);
	assert_int_equal(call(c, GW_DEXT_GET_IDENTITY, NULL, 0, out, 6), GW_IORETURN_SUCCESS);
	assert_int_equal(out[1], 1);
	assert_int_equal(out[3], 0xffff);
	assert_int_equal(call(c, GW_DEXT_GET_BAR_INFO, bar, 1, out, 3), GW_IORETURN_SUCCESS);
	assert_int_equal(out[1], PROBE_MEM_SIZE);
	call(c, GW_DEXT_CONFIG_WRITE, write, 3, NULL, 0);
	assert_int_equal(register_raw(c, 1, memory, sizeof(memory)), GW_IORETURN_NOT_OPEN);
	assert_int_equal(call(c, GW_DEXT_RESET_DEVICE, NULL, 0, NULL, 0), GW_IORETURN_NOT_OPEN);
	c->ops->close(c);
}

static void two_clients_share_a_function_and_one_takes_interrupts(void **state)
{
	struct gw_dext_conn *a = claim_raw(), *b = claim_raw();
	struct raw_wait w = { 0 };
	uint64_t nr, pending[4];

	assert_int_equal(register_raw(a, 1, memory[0], sizeof(memory[0])), GW_IORETURN_SUCCESS);
	assert_int_equal(register_raw(b, 1, memory[1], sizeof(memory[1])), GW_IORETURN_SUCCESS);
	assert_int_equal(call(a, GW_DEXT_SETUP_INTERRUPTS, NULL, 0, &nr, 1), GW_IORETURN_SUCCESS);
	assert_int_equal(nr, PROBE_VECTORS);
	assert_int_equal(call(b, GW_DEXT_SETUP_INTERRUPTS, NULL, 0, &nr, 1), GW_IORETURN_STILL_OPEN);
	assert_int_equal(call(b, GW_DEXT_CHECK_INTERRUPT, NULL, 0, pending, 4), GW_IORETURN_NOT_READY);
	a->ops->close(a);
	/* what was configured stays, and goes to the next */
	assert_int_equal(call(b, GW_DEXT_SETUP_INTERRUPTS, NULL, 0, &nr, 1), GW_IORETURN_SUCCESS);
	assert_int_equal(nr, PROBE_VECTORS);
	assert_int_equal(b->ops->call_async(b, GW_DEXT_WAIT_INTERRUPT, raw_done, &w),
			 GW_IORETURN_SUCCESS);
	assert_int_equal(call(b, GW_DEXT_MMIO_WRITE, (uint64_t[]){ 0, PROBE_IRQ, 4, 3 }, 4, NULL, 0),
			 GW_IORETURN_SUCCESS);
	raw_await(&w);
	assert_int_equal(w.result, GW_IORETURN_SUCCESS);
	assert_int_equal(call(b, GW_DEXT_CHECK_INTERRUPT, NULL, 0, pending, 4), GW_IORETURN_SUCCESS);
	assert_int_equal(pending[0], 8);
	b->ops->close(b);
}

/* What the kernel does when a process dies: all that it held goes, and the wait ends. */
static void a_client_that_dies_leaves_nothing(void **state)
{
	struct raw_wait w = { 0 };
	struct gw_sim_stats stats;
	uint64_t out[6];

	for (unsigned int round = 0; round < 4; round++) {
		struct gw_dext_conn *c = claim_raw();

		atomic_store(&w.calls, 0);
		for (uint64_t i = 0; i < 4; i++)
			assert_int_equal(register_raw(c, i, memory[i], sizeof(memory[i])),
					 GW_IORETURN_SUCCESS);
		assert_int_equal(call(c, GW_DEXT_ALLOC_BUFFER, (uint64_t[]){ 100000, 0 }, 2, out, 6),
				 GW_IORETURN_SUCCESS);
		assert_int_equal(call(c, GW_DEXT_SETUP_INTERRUPTS, NULL, 0, out, 1),
				 GW_IORETURN_SUCCESS);
		assert_int_equal(c->ops->call_async(c, GW_DEXT_WAIT_INTERRUPT, raw_done, &w),
				 GW_IORETURN_SUCCESS);
		c->ops->close(c);
		raw_await(&w);
		assert_int_equal(w.result, GW_IORETURN_ABORTED);
		gw_sim_stats(sim, &stats);
		assert_int_equal(stats.live_maps, 0);
	}
	assert_int_equal(w.calls, 1);
}

/* A connection on whose way calls are held until they are let go. */
struct slow {
	struct gw_dext_conn base, *inner;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool hold, closed;		/* lock */
};

static struct slow *to_slow(struct gw_dext_conn *c)
{
	return container_of(c, struct slow, base);
}

static void slow_set(struct slow *s, bool *what, bool to)
{
	pthread_mutex_lock(&s->lock);
	*what = to;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

static void slow_await(struct slow *s, const bool *what, bool is)
{
	pthread_mutex_lock(&s->lock);
	while (*what != is)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

static uint32_t slow_call(struct gw_dext_conn *c, uint32_t selector, const uint64_t *in, unsigned int nr_in,
			  uint64_t *out, unsigned int *nr_out)
{
	slow_await(to_slow(c), &to_slow(c)->hold, false);
	return to_slow(c)->inner->ops->call(to_slow(c)->inner, selector, in, nr_in, out, nr_out);
}

static uint32_t slow_call_async(struct gw_dext_conn *c, uint32_t selector,
				void (*done)(void *opaque, uint32_t result), void *opaque)
{
	slow_await(to_slow(c), &to_slow(c)->hold, false);
	return to_slow(c)->inner->ops->call_async(to_slow(c)->inner, selector, done, opaque);
}

static void slow_close(struct gw_dext_conn *c)
{
	to_slow(c)->inner->ops->close(to_slow(c)->inner);
	slow_set(to_slow(c), &to_slow(c)->closed, true);
}

static const struct gw_dext_conn_ops slow_ops = {
	.call = slow_call, .call_async = slow_call_async, .close = slow_close,
};

static void ask_slowly(struct gw_dext_conn *c, uint32_t selector, struct raw_wait *w)
{
	const uint64_t in[3] = { selector == GW_DEXT_ALLOC_BUFFER ? 16384 : 1,
				 selector == GW_DEXT_ALLOC_BUFFER ? 0 : (uintptr_t)memory[1], sizeof(memory[1]) };
	const unsigned int nr[GW_DEXT_NR_SELECTORS] = {
		[GW_DEXT_ALLOC_BUFFER] = 2, [GW_DEXT_REGISTER_REGION] = 3, [GW_DEXT_UNREGISTER_REGION] = 1,
	};
	uint64_t out[8];

	if (selector == GW_DEXT_WAIT_INTERRUPT)
		assert_int_equal(c->ops->call_async(c, selector, raw_done, w), GW_IORETURN_SUCCESS);
	else
		assert_int_equal(call(c, selector, in, nr[selector], out, 8), GW_IORETURN_TIMEOUT);
}

/* As a process that dies while a call of its is under way, and as one that gave the dext up. */
static void a_client_that_dies_in_the_middle_of_a_call_leaves_nothing(void **state)
{
	static const uint32_t calls[] = { GW_DEXT_REGISTER_REGION, GW_DEXT_UNREGISTER_REGION, GW_DEXT_ALLOC_BUFFER,
					  GW_DEXT_FREE_BUFFER, GW_DEXT_SETUP_INTERRUPTS, GW_DEXT_WAIT_INTERRUPT,
					  GW_DEXT_RESET_DEVICE };
	static struct slow slow[ARRAY_SIZE(calls)];	/* the last thread may still be at its lock */
	struct gw_dext_conn *other = claim_raw(), *c;
	struct gw_sim_stats stats;
	struct raw_wait w = { 0 };
	uint64_t out[6];

	for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++) {
		struct slow *s = &slow[i];

		*s = (struct slow){ .base.ops = &slow_ops, .inner = claim_raw(), .lock = PTHREAD_MUTEX_INITIALIZER,
				    .changed = PTHREAD_COND_INITIALIZER };
		c = gw_dext_bound_new(&s->base, 50);
		assert_non_null(c);
		register_raw(s->inner, 1, memory[0], sizeof(memory[0]));
		if (calls[i] == GW_DEXT_WAIT_INTERRUPT)
			call(s->inner, GW_DEXT_SETUP_INTERRUPTS, NULL, 0, out, 1);
		slow_set(s, &s->hold, true);
		ask_slowly(c, calls[i], &w);
		c->ops->close(c);		/* does not wait, and the others are not held up */
		assert_int_equal(register_raw(other, 7, memory[2], sizeof(memory[2])), GW_IORETURN_SUCCESS);
		assert_int_equal(call(other, GW_DEXT_UNREGISTER_REGION, (uint64_t[]){ 7 }, 1, NULL, 0),
				 GW_IORETURN_SUCCESS);
		slow_set(s, &s->hold, false);
		slow_await(s, &s->closed, true);
		gw_sim_stats(sim, &stats);
		assert_int_equal(stats.live_maps, 0);
	}
	assert_int_equal(w.calls, 1);
	assert_int_equal(call(other, GW_DEXT_SETUP_INTERRUPTS, NULL, 0, out, 1), GW_IORETURN_SUCCESS);
	other->ops->close(other);
}

static void *pull_the_cable(void *opaque)
{
	for (unsigned int i = 0; i < 100; i++)
		sched_yield();
	gw_sim_vanish(sim, "sim0", 0, 1, 0);
	return NULL;
}

static void removal_may_come_at_any_moment(void **state)
{
	struct gw_dext_conn *c = claim_raw();
	static struct raw_wait w;
	uint32_t ret = GW_IORETURN_SUCCESS;
	uint64_t key = 1, out[6];
	pthread_t t;

	assert_int_equal(register_raw(c, key, memory[0], sizeof(memory[0])), GW_IORETURN_SUCCESS);
	assert_int_equal(call(c, GW_DEXT_SETUP_INTERRUPTS, NULL, 0, out, 1), GW_IORETURN_SUCCESS);
	assert_int_equal(pthread_create(&t, NULL, pull_the_cable, NULL), 0);
	while (key < 30000 && ret != GW_IORETURN_NO_DEVICE) {
		c->ops->call_async(c, GW_DEXT_WAIT_INTERRUPT, raw_done, &w);
		call(c, GW_DEXT_MMIO_WRITE, (uint64_t[]){ 0, PROBE_IRQ, 4, 3 }, 4, NULL, 0);
		call(c, GW_DEXT_ALLOC_BUFFER, (uint64_t[]){ 16384, 0 }, 2, out, 6);
		call(c, GW_DEXT_RESET_DEVICE, NULL, 0, NULL, 0);
		ret = register_raw(c, ++key, memory[0], sizeof(memory[0]));
	}
	pthread_join(t, NULL);
	backend_vanished();
	assert_int_equal(register_raw(c, ++key, memory[0], sizeof(memory[0])), GW_IORETURN_NO_DEVICE);
	/* what was registered may still be given back, or goes with the connection */
	assert_int_equal(call(c, GW_DEXT_UNREGISTER_REGION, (uint64_t[]){ 1 }, 1, NULL, 0), GW_IORETURN_SUCCESS);
	c->ops->close(c);
}

/* What the DART reports is told of when the function closes: that of this use, and once. */
static void faults_of_the_dart_are_reported(void **state)
{
	static const uint32_t words[][GW_DEXT_FAULT_WORDS] = { { 1, 2, 3, 4, 5 }, { 0xa, 0xb, 0xc, 0xd, 0xe } };
	struct gw_dext_conn *c;
	uint64_t out[1 + GW_DEXT_FAULT_WORDS];

	for (unsigned int round = 0; round < 2; round++) {
		open_it();
		if (!((const struct gw_dext_function *)fn)->client.extended)
			return;			/* an earlier dext knows of none */
		c = claim_raw();
		for (unsigned int i = 0; i < 2; i++)
			backend_fault(words[i]);
		do	/* a queue of the extension's has them first */
			assert_int_equal(call(c, GW_DEXT_GET_FAULTS, NULL, 0, out, 6), GW_IORETURN_SUCCESS);
		while (out[0] < 2 * round + 2);
		assert_int_equal(out[0], 2 * round + 2);
		for (unsigned int w = 0; w < GW_DEXT_FAULT_WORDS; w++)
			assert_int_equal(out[1 + w], words[1][w]);
		c->ops->close(c);
		said[0] = '\0';
		fn->ops->close(fn);
		fn = NULL;
		assert_non_null(strstr(said, "00:01.0: its DART has refused 2 accesses to memory it was not given; "
				       "the last report is 0000000a 0000000b 0000000c 0000000d 0000000e"));
	}
	open_it();
	said[0] = '\0';
	fn->ops->close(fn);
	fn = NULL;
	assert_null(strstr(said, "DART"));
}

#define MANY	65536ull

static void as_many_regions_as_there_may_be_and_no_more(void **state)
{
	struct gw_dext_conn *c = claim_raw();
	uint64_t key;

	for (key = 0; key < MANY; key++)
		assert_int_equal(register_raw(c, key << 40 | key, memory[key % 4], sizeof(memory[0])),
				 GW_IORETURN_SUCCESS);
	assert_int_equal(register_raw(c, key << 40, memory[0], sizeof(memory[0])),
			 GW_IORETURN_NO_SPACE);
	for (key = 1; key < MANY; key += 2)
		assert_int_equal(call(c, GW_DEXT_UNREGISTER_REGION, (uint64_t[]){ key << 40 | key }, 1, NULL,
				      0), GW_IORETURN_SUCCESS);
	assert_int_equal(register_raw(c, 1ull << 40 | 1, memory[0], sizeof(memory[0])),
			 GW_IORETURN_SUCCESS);
	c->ops->close(c);		/* with the other half */
}

static uint64_t random_next(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/* A number that is likely to matter, or one that is not. */
static uint64_t random_argument(uint64_t *s)
{
	static const uint64_t likely[] = {
		0, 1, 2, 3, 4, 5, 6, 7, 8, 0x10, 16384, 32768, 1ull << 32, UINT64_MAX, UINT64_MAX - 16383,
	};
	uint64_t r = random_next(s);

	if (r % 4 == 0)
		return (uintptr_t)memory[r / 4 % 4];
	return r % 4 == 1 ? random_next(s) : likely[r / 4 % ARRAY_SIZE(likely)];
}

/* Whoever may connect may ask for anything, in any order: nothing breaks, nothing is left. */
static void calls_in_any_order_break_nothing(void **state)
{
	struct gw_dext_conn *c[2] = { NULL };
	static struct raw_wait w[2];	/* the last ones may be told of after the end */
	uint64_t seed = 88172645463325252ull, in[8], out[16];
	struct gw_dext_map map;

	for (unsigned int i = 0; i < 20000; i++) {
		unsigned int who = random_next(&seed) % 2;
		uint32_t selector = random_next(&seed) % (GW_DEXT_NR_SELECTORS + 2);

		if (!c[who])
			c[who] = connect_raw();
		for (unsigned int k = 0; k < 8; k++)
			in[k] = random_argument(&seed);
		/* pointers of ours are for one process, and a driver that ends is not what is tried */
		if (selector == GW_DEXT_REGISTER_REMOTE || selector == GW_DEXT_TERMINATE)
			continue;
		if (selector == GW_DEXT_WAIT_INTERRUPT)
			c[who]->ops->call_async(c[who], selector, raw_done, &w[who]);
		else
			call(c[who], selector, in, random_next(&seed) % 7, out, random_next(&seed) % 17);
		selector = random_next(&seed) % 9;
		if (i % 16 == 0 && !c[who]->ops->map(c[who], selector, 0, &map))
			c[who]->ops->unmap(c[who], selector, &map);
		if (i % 1000 == 999) {
			c[who]->ops->close(c[who]);
			c[who] = NULL;
		}
	}
	for (unsigned int i = 0; i < 2; i++)
		if (c[i])
			c[i]->ops->close(c[i]);
}

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
		T(without_the_claim_nothing_is_told_or_done),
		T(two_clients_share_a_function_and_one_takes_interrupts),
		T(a_client_that_dies_leaves_nothing),
		T(a_client_that_dies_in_the_middle_of_a_call_leaves_nothing),
		T(removal_may_come_at_any_moment),
		T(faults_of_the_dart_are_reported),
		T(as_many_regions_as_there_may_be_and_no_more),
		T(calls_in_any_order_break_nothing),
	};

	return cmocka_run_group_tests_name(backend_name, tests, NULL, NULL);
}
