/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an interrupt costs from the device to the eventfd that the VMM gave, and on to a thread
 * that waits there and answers: through the simulated dext, its client and the guest's function,
 * beside two bare eventfds. The two take turns in short rounds.
 *
 * Usage: bench-irq [ROUNDS]
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <gangway/guest.h>
#include <gangway/sim.h>

#include "base/util.h"
#include "bench.h"

#define IRQS		200u		/* in one round */
#define MAX_ROUNDS	1000u

static void nothing(struct gw_endpoint *ep)
{
}

static int read_zero(struct gw_endpoint *ep, unsigned int bar, gw_bar_off off, unsigned int width,
		     uint64_t *val)
{
	*val = 0;
	return 0;
}

static int write_nothing(struct gw_endpoint *ep, unsigned int bar, gw_bar_off off,
			 unsigned int width, uint64_t val)
{
	return 0;
}

static const struct gw_endpoint_ops endpoint_ops = {
	.bar_read = read_zero,
	.bar_write = write_nothing,
	.quiesce = nothing,
	.resume = nothing,
	.reset = nothing,
	.free = nothing,
};

static struct gw_endpoint endpoint = {
	.ops = &endpoint_ops,
	.desc = { .vendor = 0x1234, .device = 0x6777, .class_code = 0xff0000,
		  .bar[0].size = 4096, .msix_vectors = 1, .msix_bar = 0, .msix_table = 0,
		  .msix_pba = 2048 },
};

/* The other side: waits at one eventfd, answers at the other. */
struct answerer {
	int wait, answer;
};

static void *answer_main(void *opaque)
{
	struct answerer *a = opaque;
	uint64_t v;

	bench_pin(BENCH_ANSWERER);
	for (;;) {
		if (read(a->wait, &v, sizeof(v)) != sizeof(v))
			bench_die("eventfd read");
		if (v >= 1ull << 32)
			return NULL;
		v = 1;
		if (write(a->answer, &v, sizeof(v)) != sizeof(v))
			bench_die("eventfd write");
	}
}

static uint64_t round_of(struct answerer *a, bool device)
{
	uint64_t v[IRQS], begun, one = 1;

	for (unsigned int i = 0; i < IRQS; i++) {
		begun = gw_now_ns();
		if (device)
			gw_endpoint_irq(&endpoint, 0);
		else if (write(a->wait, &one, sizeof(one)) != sizeof(one))
			bench_die("eventfd write");
		if (read(a->answer, &one, sizeof(one)) != sizeof(one))
			bench_die("eventfd read");
		one = 1;
		v[i] = gw_now_ns() - begun;
	}
	return bench_median(v, IRQS);
}

static void start(struct answerer *a, pthread_t *thread)
{
	a->wait = eventfd(0, 0);
	a->answer = eventfd(0, 0);
	if (a->wait < 0 || a->answer < 0 || pthread_create(thread, NULL, answer_main, a))
		bench_die("answerer");
}

static void stop(struct answerer *a, pthread_t thread)
{
	uint64_t end = 1ull << 32;

	if (write(a->wait, &end, sizeof(end)) != sizeof(end))
		bench_die("eventfd write");
	pthread_join(thread, NULL);
	close(a->wait);
	close(a->answer);
}

static void measure(struct gw_device *dev, unsigned int rounds)
{
	uint64_t ours[MAX_ROUNDS], bare[MAX_ROUNDS], x, y;
	struct answerer a, b;
	pthread_t ta, tb;
	int fd;

	start(&a, &ta);
	start(&b, &tb);
	fd = dup(a.wait);
	struct gw_irq_set set = { .index = GW_IRQ_MSIX, .action = GW_IRQ_TRIGGER,
				  .data = GW_IRQ_EVENTFD, .count = 1, .fds = &fd };

	if (dev->ops->irq_set(dev, &set))
		bench_die("irq_set");
	for (unsigned int i = 0; i < rounds; i++) {
		ours[i] = round_of(&a, true);
		bare[i] = round_of(&b, false);
	}
	x = bench_median(ours, rounds);
	y = bench_median(bare, rounds);
	bench_row_print(&(struct bench_row){ "irq", "us", "bare eventfd ping-pong", (double)x / 1e3,
					     (double)y / 1e3, (double)y / (double)x, (double)y / 1e3 });
	stop(&a, ta);
	stop(&b, tb);
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 1 ? (unsigned int)atoi(argv[1]) : 25;
	struct gw_guest_function *guest;
	struct gw_function *fn;
	struct gw_host *host;
	struct gw_device *dev;
	struct gw_dma *dma;
	struct gw_sim *sim;
	const uint16_t command = 0x6;

	if (!rounds || rounds > MAX_ROUNDS) {
		fprintf(stderr, "Usage: bench-irq [ROUNDS]\n");
		return 2;
	}
	bench_pin(BENCH_CALLER);
	if (gw_sim_new(NULL, &sim) || gw_sim_add(sim, &endpoint, NULL, 0, 1, 0) ||
	    gw_dext_host_new(gw_sim_services(sim), NULL, &host) ||
	    host->ops->open(host, "00:01.0", &fn) || gw_dma_new(fn, GW_PLAN_WINDOW, NULL, &dma) ||
	    gw_guest_function_new(fn, dma, NULL, &guest))
		bench_die("simulated host");
	dev = gw_guest_function_device(guest);
	if (dev->ops->attach(dev, NULL))
		bench_die("attach");
	/* a message is a write of the device's: it needs bus mastering */
	if (dev->ops->region_write(dev, GW_REGION_CONFIG, 4, &command, sizeof(command)))
		bench_die("COMMAND");
	measure(dev, rounds);
	dev->ops->detach(dev);
	gw_guest_function_free(guest);
	gw_dma_free(dma);
	fn->ops->close(fn);
	host->ops->free(host);
	gw_sim_free(sim);
	return 0;
}
