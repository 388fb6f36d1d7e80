/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What mapping memory through the companion's ring costs. ring-map-cold: one mapping made and
 * undone by a guest that waits for each, while the daemon polls, through the simulated dext and its
 * client; beside a shared cache line that goes to the other processor and back as often.
 * ring-entry: what the daemon does for an entry of a long batch besides the host's own work;
 * beside copying the entries alone. The two take turns in short rounds.
 *
 * Usage: bench-companion [ROUNDS]
 */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <gangway/companion.h>
#include <gangway/sim.h>

#include "base/util.h"
#include "bench.h"
#include <gangway/devices.h>
#include "config/vendor.h"

#define PAIRS		200u		/* in one round */
#define SHIFT		GW_RING_MAX_SHIFT
#define SIZE		(1u << SHIFT)
#define RAM_GPA		0x40000000ull
#define RAM_SIZE	(64ull << 20)
#define RING_AT		(32ull << 20)

static struct {
	struct gw_sim *sim;
	struct gw_host *host;
	struct gw_function *fn;
	struct gw_dma *dma;
	struct gw_guest_function *guest;
	struct gw_companion *companion;
	struct gw_device *dev;
	uint8_t *ram;

	struct gw_ring *hdr;
	struct gw_ring_sqe *sq;
	struct gw_ring_cqe *cq;
	uint32_t sq_tail, cq_head;
} b;

static void put(unsigned int reg, uint32_t val)
{
	if (b.dev->ops->region_write(b.dev, 0, reg, &val, 4))
		bench_die("register");
}

static void ring_start(void)
{
	uint32_t on;

	b.hdr = (struct gw_ring *)(b.ram + RING_AT);
	b.sq = (struct gw_ring_sqe *)(b.ram + RING_AT + GW_RING_HEADER_BYTES);
	b.cq = (struct gw_ring_cqe *)(b.sq + SIZE);
	memset(b.hdr, 0, sizeof(*b.hdr));
	b.hdr->cq_event = UINT32_MAX;
	b.sq_tail = b.cq_head = 0;
	put(GW_REG_RING_GPA_LO, (uint32_t)(RAM_GPA + RING_AT));
	put(GW_REG_RING_SHIFT, SHIFT);
	put(GW_REG_RING_ENABLE, 1);
	if (b.dev->ops->region_read(b.dev, 0, GW_REG_RING_ENABLE, &on, 4) || on != 1)
		bench_die("ring");
}

static void entry(uint16_t op, uint64_t addr, uint64_t len)
{
	b.sq[b.sq_tail++ & (SIZE - 1)] = (struct gw_ring_sqe){ .op = op, .addr = addr, .len = len };
}

/* Show the entries, and ring if that is asked for. Return: whether it was. */
static bool push(uint32_t nr)
{
	__atomic_store_n(&b.hdr->sq_tail, b.sq_tail, __ATOMIC_RELEASE);
	__sync_synchronize();
	if (b.sq_tail - __atomic_load_n(&b.hdr->sq_event, __ATOMIC_RELAXED) - 1 >= nr)
		return false;
	put(GW_REG_RING_DOORBELL, 1);
	return true;
}

static struct gw_ring_cqe take(void)
{
	struct gw_ring_cqe cqe;

	while (__atomic_load_n(&b.hdr->cq_tail, __ATOMIC_ACQUIRE) == b.cq_head)
		;
	cqe = b.cq[b.cq_head++ & (SIZE - 1)];
	__atomic_store_n(&b.hdr->cq_head, b.cq_head, __ATOMIC_RELEASE);
	if (cqe.status)
		bench_die("entry");
	return cqe;
}

/*
 * Only what was polled counts: with a doorbell this thread would do the work itself. On a machine
 * that is not idle the poller gives way now and then, and comes back after a doorbell.
 */
static uint64_t cold_round(void)
{
	uint64_t v[PAIRS], begun, handle;
	bool rung;

	for (unsigned int i = 0, tries = 0; i < PAIRS; i += !rung) {
		if (tries++ == 10000 * PAIRS)
			bench_die("the ring is not polled; is the machine busy?");
		begun = gw_now_ns();
		entry(GW_RING_MAP, RAM_GPA + i * 16384ull, 16384);
		rung = push(1);
		handle = take().handle;
		entry(GW_RING_UNMAP, handle, 0);
		rung |= push(1);
		take();
		v[i] = gw_now_ns() - begun;
	}
	return bench_median(v, PAIRS);
}

/* The other processor answers each number with itself. */
static struct {
	_Alignas(64) _Atomic uint64_t ask;
	_Alignas(64) _Atomic uint64_t answer;
} line;

static void *echo_main(void *opaque)
{
	uint64_t seen = 0, v;

	bench_pin(BENCH_ANSWERER);
	while (seen != UINT64_MAX) {
		v = atomic_load_explicit(&line.ask, memory_order_acquire);
		if (v == seen)
			continue;
		seen = v;
		atomic_store_explicit(&line.answer, v, memory_order_release);
	}
	return NULL;
}

static uint64_t line_round(void)
{
	uint64_t v[PAIRS], begun, at = 0;
	pthread_t thread;

	atomic_store(&line.ask, 0);
	atomic_store(&line.answer, 0);
	if (pthread_create(&thread, NULL, echo_main, NULL))
		bench_die("thread");
	for (unsigned int i = 0; i < PAIRS; i++) {
		begun = gw_now_ns();
		for (unsigned int j = 0; j < 2; j++) {
			atomic_store_explicit(&line.ask, ++at, memory_order_release);
			while (atomic_load_explicit(&line.answer, memory_order_acquire) != at)
				;
		}
		v[i] = gw_now_ns() - begun;
	}
	atomic_store(&line.ask, UINT64_MAX);
	pthread_join(thread, NULL);
	return bench_median(v, PAIRS);
}

static void measure_cold(unsigned int rounds)
{
	ring_start();
	bench_pair_run(&(struct bench_pair){ .name = "ring-map-cold", .unit = "us",
		.peer = "shared cache line ping-pong", .ours.round = cold_round,
		.theirs.round = line_round, .per = 1e3, .floor = true }, rounds);
}

/* A host whose own work is next to nothing. */
static int null_map(struct gw_function *f, const struct gw_memory *mem, uint64_t size,
		    const gw_iova *want, struct gw_mapping *map)
{
	map->handle = 1;
	map->nr_segments = 1;
	map->seg[0] = (struct gw_segment){ { 1ull << 40 }, size };
	return 0;
}

static int null_unmap(struct gw_function *f, uint64_t handle)
{
	return 0;
}

/* Nanoseconds an entry, of a full ring of maps and one of unmaps. */
static uint64_t entry_round(void)
{
	static uint64_t handle[SIZE];
	uint64_t begun, ns;

	for (uint32_t i = 0; i < SIZE; i++)
		entry(GW_RING_MAP, RAM_GPA + i * 4096ull * 4, 4096 * 4);
	begun = gw_now_ns();
	push(SIZE);
	ns = gw_now_ns() - begun;
	for (uint32_t i = 0; i < SIZE; i++)
		handle[i] = take().handle;
	for (uint32_t i = 0; i < SIZE; i++)
		entry(GW_RING_UNMAP, handle[i], 0);
	begun = gw_now_ns();
	push(SIZE);
	ns += gw_now_ns() - begun;
	for (uint32_t i = 0; i < SIZE; i++)
		take();
	return ns * 10 / (2 * SIZE);	/* tenths, as they are few */
}

static uint64_t copy_round(void)
{
	uint64_t begun = gw_now_ns();
	struct gw_ring_sqe sqe;
	struct gw_ring_cqe cqe = { 0 };

	for (uint32_t n = 0; n < 2; n++) {
		for (uint32_t i = 0; i < SIZE; i++) {
			sqe = *(volatile struct gw_ring_sqe *)&b.sq[i];
			cqe.tag = sqe.tag;
			cqe.iova = sqe.addr;
			*(volatile struct gw_ring_cqe *)&b.cq[i] = cqe;
		}
	}
	return (gw_now_ns() - begun) * 10 / (2 * SIZE);
}

static void measure_entry(unsigned int rounds)
{
	struct gw_function_ops ops = *b.fn->ops;
	const struct gw_function_ops *was = b.fn->ops;

	ops.dma_map = null_map;
	ops.dma_unmap = null_unmap;
	b.fn->ops = &ops;
	ring_start();
	bench_pair_run(&(struct bench_pair){ .name = "ring-entry", .unit = "ns",
		.peer = "copying the entries", .ours.round = entry_round,
		.theirs.round = copy_round, .per = 10, .floor = true }, rounds);
	b.fn->ops = was;
}

static void memory_open(void)
{
	struct gw_slice s = { .at.v = RAM_GPA, .size = RAM_SIZE,
			      .prot = GW_PROT_READ | GW_PROT_WRITE };
	struct gw_device *fn = gw_guest_function_device(b.guest);
	int fd = memfd_create("ram", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)RAM_SIZE))
		bench_die("memfd");
	b.ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (b.ram == MAP_FAILED)
		bench_die("mmap");
	if (fn->ops->attach(fn, NULL, NULL) || b.dev->ops->attach(b.dev, NULL, NULL) ||
	    fn->ops->dma_map(fn, &s, fd) || b.dev->ops->dma_map(b.dev, &s, fd))
		bench_die("attach");
	close(fd);
}

static void open_all(unsigned int poll_us)
{
	const struct gw_companion_options opt = { .guest_bdf = GW_COMPANION_NO_BDF,
						  .poll_us = poll_us };
	struct gw_endpoint *ep = NULL;

	for (const struct gw_endpoint_type *const *t = gw_endpoint_types; *t; t++)
		if (!strcmp((*t)->name, "probe") && (*t)->make("", NULL, &ep))
			bench_die("probe");
	if (!ep || gw_sim_new(NULL, &b.sim) || gw_sim_add(b.sim, ep, NULL, 0, 1, 0) ||
	    gw_dext_host_new(gw_sim_services(b.sim), NULL, &b.host) ||
	    b.host->ops->open(b.host, "00:01.0", &b.fn) ||
	    gw_dma_new(b.fn, GW_PLAN_PARAVIRT, NULL, &b.dma) ||
	    gw_guest_function_new(b.fn, b.dma, NULL, &b.guest))
		bench_die("simulated host");
	/* the poller stays where it is started */
	bench_pin(BENCH_ANSWERER);
	if (gw_companion_new(b.guest, &opt, NULL, &b.companion))
		bench_die("companion");
	bench_pin(BENCH_CALLER);
	b.dev = gw_companion_device(b.companion);
	memory_open();
}

static void close_all(void)
{
	struct gw_device *fn = gw_guest_function_device(b.guest);

	b.dev->ops->detach(b.dev);
	fn->ops->detach(fn);
	gw_companion_free(b.companion);
	gw_guest_function_free(b.guest);
	gw_dma_free(b.dma);
	b.fn->ops->close(b.fn);
	b.host->ops->free(b.host);
	gw_sim_free(b.sim);
	munmap(b.ram, RAM_SIZE);
}

int main(int argc, char **argv)
{
	unsigned int rounds = bench_rounds(argc, argv, 0, "bench-companion [ROUNDS]");

	open_all(1000);
	measure_cold(rounds);
	close_all();
	open_all(0);		/* all is done in the doorbell, and so in this thread */
	measure_entry(rounds);
	close_all();
	return 0;
}
