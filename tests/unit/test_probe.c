/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <pthread.h>

#include "devices/probe.h"

/*
 * A bus that is one run of memory. The test decides what an access answers, may hold one under
 * way, and waits for interrupts instead of time.
 */

#define MEM	(256u * 1024)
#define BASE	0x40000000ull

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint8_t mem[MEM];
	uint64_t fired[PROBE_VECTORS];
	bool hold, held;
	unsigned int admitted;		/* accesses that are not held all the same */
	bool engine_asleep, quiescer_asleep, quiesced;
	int fail, fail_times;
	unsigned int reads, writes;
} bus = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* What tells that this thread waits inside the endpoint: nothing happens there until it is woken. */
static _Thread_local bool *asleep;

int __real_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock);
int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock);

static void tell(bool *what, bool is)
{
	pthread_mutex_lock(&bus.lock);
	*what = is;
	pthread_cond_broadcast(&bus.changed);
	pthread_mutex_unlock(&bus.lock);
}

int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock)
{
	int ret;

	if (!asleep || lock == &bus.lock)
		return __real_pthread_cond_wait(cond, lock);
	tell(asleep, true);
	ret = __real_pthread_cond_wait(cond, lock);
	tell(asleep, false);
	return ret;
}

/* Under the lock. */
static int bus_access(uint64_t iova, size_t len)
{
	asleep = &bus.engine_asleep;
	while (bus.hold && !bus.admitted) {
		bus.held = true;
		pthread_cond_broadcast(&bus.changed);
		pthread_cond_wait(&bus.changed, &bus.lock);
	}
	bus.held = false;
	bus.admitted -= bus.admitted > 0;
	if (bus.fail_times) {
		bus.fail_times--;
		return bus.fail;
	}
	return iova < BASE || iova - BASE > MEM || len > MEM - (iova - BASE) ? -EFAULT : 0;
}

int gw_endpoint_dma_read(struct gw_endpoint *ep, gw_iova iova, void *buf, size_t len)
{
	int ret;

	pthread_mutex_lock(&bus.lock);
	bus.reads++;
	ret = bus_access(iova.v, len);
	if (!ret)
		memcpy(buf, bus.mem + (iova.v - BASE), len);
	pthread_mutex_unlock(&bus.lock);
	return ret;
}

int gw_endpoint_dma_write(struct gw_endpoint *ep, gw_iova iova, const void *buf, size_t len)
{
	int ret;

	pthread_mutex_lock(&bus.lock);
	bus.writes++;
	ret = bus_access(iova.v, len);
	if (!ret)
		memcpy(bus.mem + (iova.v - BASE), buf, len);
	pthread_mutex_unlock(&bus.lock);
	return ret;
}

void gw_endpoint_irq(struct gw_endpoint *ep, unsigned int v)
{
	assert_true(v < PROBE_VECTORS);
	pthread_mutex_lock(&bus.lock);
	bus.fired[v]++;
	pthread_cond_broadcast(&bus.changed);
	pthread_mutex_unlock(&bus.lock);
}

static uint64_t fired(unsigned int v)
{
	uint64_t n;

	pthread_mutex_lock(&bus.lock);
	n = bus.fired[v];
	pthread_mutex_unlock(&bus.lock);
	return n;
}

static void await_fired(unsigned int v, uint64_t n)
{
	pthread_mutex_lock(&bus.lock);
	while (bus.fired[v] < n)
		pthread_cond_wait(&bus.changed, &bus.lock);
	pthread_mutex_unlock(&bus.lock);
}

/* Until one of them is so. Return: the first */
static bool await_either(const bool *a, const bool *b)
{
	bool ret;

	pthread_mutex_lock(&bus.lock);
	while (!*a && !*b)
		pthread_cond_wait(&bus.changed, &bus.lock);
	ret = *a;
	pthread_mutex_unlock(&bus.lock);
	return ret;
}

static void await_held(void)
{
	await_either(&bus.held, &bus.held);
}

static void admit(unsigned int accesses)
{
	pthread_mutex_lock(&bus.lock);
	bus.admitted = accesses;
	bus.held = false;
	pthread_cond_broadcast(&bus.changed);
	pthread_mutex_unlock(&bus.lock);
}

static void set_hold(bool hold)
{
	pthread_mutex_lock(&bus.lock);
	bus.hold = hold;
	bus.held = false;
	pthread_cond_broadcast(&bus.changed);
	pthread_mutex_unlock(&bus.lock);
}

static uint64_t get(struct gw_endpoint *ep, unsigned int reg, unsigned int width)
{
	uint64_t v = 0;

	assert_int_equal(ep->ops->bar_read(ep, 0, (gw_bar_off){ reg }, width, &v), 0);
	return v;
}

static void put(struct gw_endpoint *ep, unsigned int reg, unsigned int width, uint64_t v)
{
	assert_int_equal(ep->ops->bar_write(ep, 0, (gw_bar_off){ reg }, width, v), 0);
}

static void start(struct gw_endpoint *ep, uint64_t src, uint64_t dst, uint64_t len, uint32_t cmd)
{
	put(ep, PROBE_SRC, 8, src);
	put(ep, PROBE_DST, 8, dst);
	put(ep, PROBE_LEN, 8, len);
	put(ep, PROBE_COMMAND, 4, cmd);
}

static int setup(void **state)
{
	struct gw_endpoint *ep;

	memset(bus.fired, 0, sizeof(bus.fired));
	bus.hold = bus.held = false;
	bus.engine_asleep = bus.quiescer_asleep = bus.quiesced = false;
	bus.fail_times = 0;
	bus.reads = bus.writes = 0;
	for (unsigned int i = 0; i < MEM; i++)
		bus.mem[i] = (uint8_t)(i * 7 + i / 251);
	if (gw_probe_type.make("", NULL, &ep))
		return -1;
	ep->ops->resume(ep);
	put(ep, PROBE_VECTOR, 4, 5);
	*state = ep;
	return 0;
}

static int teardown(void **state)
{
	struct gw_endpoint *ep = *state;

	set_hold(false);	/* where a test has failed */
	ep->ops->quiesce(ep);
	ep->ops->free(ep);
	return 0;
}

static void options_that_are_not_known_are_refused(void **state)
{
	struct gw_endpoint *ep;

	assert_int_equal(gw_probe_type.make("size=1", NULL, &ep), -EINVAL);
	assert_int_equal(gw_probe_type.make("irq=intx", NULL, &ep), -EINVAL);
	assert_int_equal(gw_probe_type.make("irq=msi,irq=msix", NULL, &ep), -EINVAL);
}

static void the_kind_of_interrupt_is_an_option(void **state)
{
	static const struct { const char *opts; unsigned int msix, msi; } kind[] = {
		{ "irq=msix", PROBE_VECTORS, 0 }, { "irq=msi", 0, PROBE_VECTORS },
		{ "irq=none", 0, 0 },
	};
	struct gw_endpoint *ep;

	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(gw_probe_type.make(kind[i].opts, NULL, &ep), 0);
		assert_int_equal(ep->desc.msix_vectors, kind[i].msix);
		assert_int_equal(ep->desc.msi_vectors, kind[i].msi);
		ep->ops->free(ep);
	}
}

static void registers_take_every_width(void **state)
{
	struct gw_endpoint *ep = *state;

	assert_int_equal(get(ep, PROBE_ID, 4), PROBE_ID_VALUE);
	assert_int_equal(get(ep, PROBE_ID + 1, 1), PROBE_ID_VALUE >> 8 & 0xff);
	put(ep, PROBE_SCRATCH8, 1, 0x11);
	put(ep, PROBE_SCRATCH16, 2, 0x2233);
	put(ep, PROBE_SCRATCH32, 4, 0x44556677);
	put(ep, PROBE_SCRATCH64, 8, 0x8899aabbccddeeff);
	assert_int_equal(get(ep, PROBE_WIDTH, 4), 8);
	assert_true(get(ep, PROBE_SCRATCH8, 8) == 0x4455667722330011);
	assert_int_equal(get(ep, PROBE_SCRATCH64 + 4, 4), 0x8899aabb);
	put(ep, PROBE_SCRATCH64 + 2, 2, 0);
	assert_true(get(ep, PROBE_SCRATCH64, 8) == 0x8899aabb0000eeff);
	put(ep, PROBE_ID, 8, 0);		/* read only */
	assert_int_equal(get(ep, PROBE_ID, 4), PROBE_ID_VALUE);
	assert_int_equal(get(ep, PROBE_WRITES, 4), 7);	/* one by setup() */
	put(ep, 0xffc, 4, 1);
	assert_int_equal(get(ep, 0xffc, 4), 0);
}

static void vectors_fire_on_demand(void **state)
{
	struct gw_endpoint *ep = *state;

	put(ep, PROBE_IRQ, 4, 31);
	put(ep, PROBE_IRQ, 1, 3);
	put(ep, PROBE_IRQ, 4, 32);
	put(ep, PROBE_IRQS, 4, 0x80000009);
	for (unsigned int v = 0; v < PROBE_VECTORS; v++)
		assert_int_equal(fired(v), v == 31 || v == 3 ? 2 : v == 0);
	assert_int_equal(get(ep, PROBE_IRQ, 8), 0);
}

static void copy_moves_bytes_and_interrupts(void **state)
{
	struct gw_endpoint *ep = *state;
	const uint64_t len = 100001;

	start(ep, BASE + 3, BASE + 120000, len, PROBE_CMD_COPY);
	await_fired(5, 1);
	assert_int_equal(get(ep, PROBE_STATUS, 4), PROBE_OK);
	assert_int_equal(get(ep, PROBE_DONE, 8), len);
	assert_memory_equal(bus.mem + 3, bus.mem + 120000, len);
}

static void fill_and_sum_agree(void **state)
{
	struct gw_endpoint *ep = *state;
	const uint64_t pattern = 0x0123456789abcdef;
	uint64_t sum = PROBE_SUM_START;

	put(ep, PROBE_PATTERN, 8, pattern);
	start(ep, 0, BASE, 40001, PROBE_CMD_FILL);
	await_fired(5, 1);
	for (unsigned int i = 0; i < 40001; i++) {
		assert_int_equal(bus.mem[i], (uint8_t)(pattern >> 8 * (i % 8)));
		sum = (sum ^ bus.mem[i]) * PROBE_SUM_PRIME;
	}
	start(ep, BASE, 0, 40001, PROBE_CMD_SUM);
	await_fired(5, 2);
	assert_int_equal(get(ep, PROBE_STATUS, 4), PROBE_OK);
	assert_true(get(ep, PROBE_RESULT, 8) == sum);
}

static void nothing_to_do_is_done(void **state)
{
	struct gw_endpoint *ep = *state;

	start(ep, 0, 0, 0, PROBE_CMD_COPY);
	await_fired(5, 1);
	assert_int_equal(get(ep, PROBE_STATUS, 4), PROBE_OK);
	assert_int_equal(bus.reads + bus.writes, 0);
}

static void bad_parameters_fail_with_a_code(void **state)
{
	struct gw_endpoint *ep = *state;

	start(ep, 0, 0, 1, 77);
	await_fired(5, 1);
	assert_int_equal(get(ep, PROBE_STATUS, 4), PROBE_FAILED);
	assert_int_equal(get(ep, PROBE_ERROR, 4), EINVAL);
	start(ep, UINT64_MAX, BASE, 2, PROBE_CMD_COPY);
	await_fired(5, 2);
	assert_int_equal(get(ep, PROBE_ERROR, 4), EOVERFLOW);
	start(ep, BASE, UINT64_MAX, 2, PROBE_CMD_FILL);
	await_fired(5, 3);
	assert_int_equal(get(ep, PROBE_ERROR, 4), EOVERFLOW);
	assert_int_equal(bus.reads + bus.writes, 0);
}

static void a_fault_is_reported_with_how_far_it_came(void **state)
{
	struct gw_endpoint *ep = *state;

	start(ep, BASE + MEM - 20000, BASE, 40000, PROBE_CMD_COPY);
	await_fired(5, 1);
	assert_int_equal(get(ep, PROBE_STATUS, 4), PROBE_FAILED);
	assert_int_equal(get(ep, PROBE_ERROR, 4), EFAULT);
	assert_int_equal(get(ep, PROBE_DONE, 8), 16384);
	start(ep, BASE, BASE + 4096, 16, PROBE_CMD_COPY);
	await_fired(5, 2);
	assert_int_equal(get(ep, PROBE_STATUS, 4), PROBE_OK);
}

static void a_remote_that_is_stopped_delays_and_does_not_fail(void **state)
{
	struct gw_endpoint *ep = *state;

	bus.fail = -ECANCELED;
	bus.fail_times = 3;
	start(ep, BASE, BASE + 100000, 50000, PROBE_CMD_COPY);
	await_fired(5, 1);
	assert_int_equal(get(ep, PROBE_STATUS, 4), PROBE_OK);
	assert_memory_equal(bus.mem, bus.mem + 100000, 50000);
}

static void *quiesce_thread(void *ep)
{
	asleep = &bus.quiescer_asleep;
	((struct gw_endpoint *)ep)->ops->quiesce(ep);
	tell(&bus.quiesced, true);
	return NULL;
}

/* Quiesces it in the middle of a copy's first chunk, which is one read and one write. */
static void quiesce_in_copy(struct gw_endpoint *ep)
{
	bool goes_on;
	pthread_t t;

	set_hold(true);
	start(ep, BASE, BASE + 100000, 100000, PROBE_CMD_COPY);
	await_held();
	assert_int_equal(pthread_create(&t, NULL, quiesce_thread, ep), 0);
	assert_false(await_either(&bus.quiesced, &bus.quiescer_asleep));
	admit(2);
	goes_on = await_either(&bus.held, &bus.engine_asleep);
	set_hold(false);
	pthread_join(t, NULL);
	assert_false(goes_on);
	assert_int_equal(bus.reads + bus.writes, 2);
}

static void quiesce_waits_for_one_chunk_and_resume_goes_on(void **state)
{
	struct gw_endpoint *ep = *state;

	quiesce_in_copy(ep);
	assert_int_equal(get(ep, PROBE_STATUS, 4), PROBE_BUSY);
	assert_int_equal(get(ep, PROBE_DONE, 8), 16384);
	ep->ops->resume(ep);
	await_fired(5, 1);
	assert_int_equal(get(ep, PROBE_STATUS, 4), PROBE_OK);
	assert_memory_equal(bus.mem, bus.mem + 100000, 100000);
}

static void a_command_waits_for_bus_mastering(void **state)
{
	struct gw_endpoint *ep = *state;

	ep->ops->quiesce(ep);
	start(ep, BASE, BASE + 4096, 4096, PROBE_CMD_COPY);
	assert_int_equal(get(ep, PROBE_STATUS, 4), PROBE_BUSY);
	start(ep, 0, 0, 1, PROBE_CMD_COPY);	/* busy: has no effect */
	assert_int_equal(bus.reads, 0);
	ep->ops->resume(ep);
	await_fired(5, 1);
	assert_int_equal(get(ep, PROBE_STATUS, 4), PROBE_OK);
	assert_int_equal(get(ep, PROBE_DONE, 8), 4096);
}

static void a_new_endpoint_has_no_bus_mastering(void **state)
{
	struct gw_endpoint *ep;

	assert_int_equal(gw_probe_type.make(NULL, NULL, &ep), 0);
	start(ep, 0, BASE, 4096, PROBE_CMD_FILL);
	for (int i = 0; i < 10000; i++)		/* each takes the engine's lock */
		assert_int_equal(get(ep, PROBE_STATUS, 4), PROBE_BUSY);
	ep->ops->quiesce(ep);
	assert_int_equal(bus.writes, 0);
	ep->ops->free(ep);
}

static void stop_ends_a_command(void **state)
{
	struct gw_endpoint *ep = *state;

	set_hold(true);
	start(ep, BASE, BASE + 100000, 100000, PROBE_CMD_COPY);
	await_held();
	put(ep, PROBE_COMMAND, 4, PROBE_CMD_STOP);
	set_hold(false);
	await_fired(5, 1);
	assert_int_equal(get(ep, PROBE_STATUS, 4), PROBE_FAILED);
	assert_int_equal(get(ep, PROBE_ERROR, 4), ECANCELED);
}

static void reset_forgets_a_running_command_and_is_counted(void **state)
{
	struct gw_endpoint *ep = *state;

	put(ep, PROBE_SCRATCH32, 4, 1);
	quiesce_in_copy(ep);
	ep->ops->reset(ep);
	assert_int_equal(get(ep, PROBE_RESETS, 4), 1);
	assert_int_equal(get(ep, PROBE_STATUS, 4), PROBE_IDLE);
	assert_int_equal(get(ep, PROBE_SCRATCH32, 4), 0);
	assert_int_equal(get(ep, PROBE_VECTOR, 4), PROBE_NO_VECTOR);
	ep->ops->resume(ep);
	put(ep, PROBE_VECTOR, 4, 6);
	start(ep, 0, 0, 0, PROBE_CMD_SUM);
	await_fired(6, 1);
	assert_int_equal(bus.reads + bus.writes, 2);
	ep->ops->reset(ep);
	assert_int_equal(get(ep, PROBE_RESETS, 4), 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_that_are_not_known_are_refused),
		cmocka_unit_test(the_kind_of_interrupt_is_an_option),
		T(registers_take_every_width),
		T(vectors_fire_on_demand),
		T(copy_moves_bytes_and_interrupts),
		T(fill_and_sum_agree),
		T(nothing_to_do_is_done),
		T(bad_parameters_fail_with_a_code),
		T(a_fault_is_reported_with_how_far_it_came),
		T(a_remote_that_is_stopped_delays_and_does_not_fail),
		T(quiesce_waits_for_one_chunk_and_resume_goes_on),
		T(a_command_waits_for_bus_mastering),
		T(a_new_endpoint_has_no_bus_mastering),
		T(stop_ends_a_command),
		T(reset_forgets_a_running_command_and_is_counted),
	};

	return cmocka_run_group_tests_name("probe", tests, NULL, NULL);
}
