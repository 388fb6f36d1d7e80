/* SPDX-License-Identifier: BSD-3-Clause */
/* The eventfds of a VMM: full, filled by its threads, replaced. */
#include "function_irq_rig.h"

#include <poll.h>
#include <pthread.h>

static void a_replaced_eventfd_takes_over(void **state)
{
	struct guest *g = *state;
	int a = event(), b = event();

	give(g, GW_IRQ_MSI, 0, a);
	fire(g, 0);
	give(g, GW_IRQ_MSI, 0, b);
	fire(g, 0);
	assert_int_equal(counted(a), 1);
	assert_int_equal(counted(b), 1);
	close(a);
	close(b);
}

/* The VMM can let the counter run up to the top, and may have left the eventfd blocking. */
static void a_full_eventfd_does_not_block_delivery(void **state)
{
	const uint64_t top = UINT64_MAX - 1;
	struct guest *g = *state;
	int fd = eventfd(0, EFD_CLOEXEC), calm = event();

	assert_int_equal(write(fd, &top, sizeof(top)), sizeof(top));
	assert_int_equal(write(calm, &top, sizeof(top)), sizeof(top));
	give(g, GW_IRQ_MSIX, 0, fd);
	give(g, GW_IRQ_MSIX, 1, calm);
	for (int i = 0; i < 100; i++) {
		fire(g, 0);
		fire(g, 1);
	}
	assert_true(counted(fd) == UINT64_MAX);
	assert_true(counted(calm) == UINT64_MAX);
	fire(g, 0);
	assert_int_equal(counted(fd), 1);
	assert_int_equal(g->f->warnings, 0);
	close(fd);
	close(calm);
}

static void events_are_signalled_however_many(void **state)
{
	struct guest *g = *state;
	int fd = event();

	give(g, GW_IRQ_MSIX, 0, fd);
	for (int i = 0; i < 1000; i++)
		fire(g, 0);
	assert_int_equal(counted(fd), 1000);
	close(fd);
}

/*
 * A VMM whose eventfd blocks: one thread fills the counter whenever it is empty, the other empties
 * it after each event. Who writes between the two would sleep until the next event, for ever.
 */
struct attack {
	int fd;
	pthread_t fills, empties;
	_Atomic unsigned int events;
	_Atomic bool end, ended;
};

static void *attack_fill(void *opaque)
{
	const uint64_t top = UINT64_MAX - 1;
	struct attack *a = opaque;

	while (!a->end)
		assert_int_equal(write(a->fd, &top, sizeof(top)), sizeof(top));
	a->ended = true;
	return NULL;
}

static void *attack_empty(void *opaque)
{
	struct attack *a = opaque;
	unsigned int seen = 0;

	for (; !a->ended; sched_yield()) {
		if (seen == a->events && !a->end)
			continue;
		seen = a->events;
		if (poll(&(struct pollfd){ .fd = a->fd, .events = POLLIN }, 1, 0) == 1)
			counted(a->fd);
	}
	return NULL;
}

static void attack_begin(struct attack *a)
{
	*a = (struct attack){ .fd = eventfd(0, EFD_CLOEXEC) };
	assert_int_equal(pthread_create(&a->fills, NULL, attack_fill, a), 0);
	assert_int_equal(pthread_create(&a->empties, NULL, attack_empty, a), 0);
}

static void attack_end(struct attack *a)
{
	a->end = true;
	pthread_join(a->fills, NULL);
	pthread_join(a->empties, NULL);
	close(a->fd);
}

static void a_vmm_that_fills_its_eventfd_holds_no_interrupt_up(void **state)
{
	struct guest *g = *state;
	struct attack a;

	attack_begin(&a);
	give(g, GW_IRQ_MSIX, 0, a.fd);
	for (int i = 0; i < 200000; i++, a.events++)
		fire(g, 0);
	off(g, GW_IRQ_MSIX);
	attack_end(&a);
}

static void a_vmm_that_fills_its_eventfd_holds_no_notice_up(void **state)
{
	struct guest *g = *state;
	struct attack a;
	int copy;

	attack_begin(&a);
	copy = fcntl(a.fd, F_DUPFD_CLOEXEC, 0);
	assert_int_equal(set(g, GW_IRQ_REQ, GW_IRQ_TRIGGER, GW_IRQ_EVENTFD, 0, 1, NULL, &copy), 0);
	for (int i = 0; i < 200000; i++, a.events++)
		g->f->sink->request(g->f->sink);
	attack_end(&a);
}

struct firing {
	struct guest *g;
	_Atomic bool end;
	_Atomic uint64_t rounds;
};

static void *fire_all(void *opaque)
{
	const uint64_t all[GW_IRQ_WORDS] = { 0xff };
	struct firing *f = opaque;

	while (!f->end) {
		f->g->f->sink->fire(f->g->f->sink, all);
		f->rounds++;
	}
	return NULL;
}

static void eventfds_come_and_go_while_threads_fire(void **state)
{
	struct guest *g = *state;
	struct firing f = { .g = g };
	struct gw_guest_stats stats;
	pthread_t t[2];
	int fd = event();

	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&t[i], NULL, fire_all, &f), 0);
	for (int round = 0; round < 500; round++) {
		for (uint32_t v = 0; v < FAKE_MSIX; v++)
			give(g, GW_IRQ_MSIX, v, fd);
		set(g, GW_IRQ_MSIX, GW_IRQ_MASK, GW_IRQ_NONE, 0, 4, NULL, NULL);
		set(g, GW_IRQ_MSIX, GW_IRQ_TRIGGER, GW_IRQ_EVENTFD, 0, 8, NULL, NULL);
		set(g, GW_IRQ_MSIX, GW_IRQ_UNMASK, GW_IRQ_NONE, 0, 4, NULL, NULL);
		if (round % 2)
			off(g, GW_IRQ_MSIX);
		gw_guest_function_stats(g->gf, &stats);
	}
	give(g, GW_IRQ_MSIX, 0, fd);
	for (uint64_t was = f.rounds; f.rounds < was + 4;)
		sched_yield();
	f.end = true;
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	assert_true(counted(fd) > 0);
	off(g, GW_IRQ_MSIX);
	fire(g, 0);
	assert_int_equal(counted(fd), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_replaced_eventfd_takes_over),
		T(a_full_eventfd_does_not_block_delivery),
		T(events_are_signalled_however_many),
		T(a_vmm_that_fills_its_eventfd_holds_no_interrupt_up),
		T(a_vmm_that_fills_its_eventfd_holds_no_notice_up),
		T(eventfds_come_and_go_while_threads_fire),
	};

	return cmocka_run_group_tests_name("guest eventfds", tests, NULL, NULL);
}
