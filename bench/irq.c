/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an interrupt costs from the device to the eventfd that the VMM gave, and on to a thread
 * that waits there and answers: through the simulated dext, its client and the guest's function,
 * beside two bare eventfds. The two take turns in short rounds.
 *
 * Usage: bench-irq [ROUNDS]
 */
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <gangway/guest.h>
#include <gangway/sim.h>

#include "bench.h"

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
	pthread_t thread;
	int wait, answer;
};

static struct {
	struct answerer ours, bare;
} b;

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

static void await(struct answerer *a)
{
	uint64_t v;

	if (read(a->answer, &v, sizeof(v)) != sizeof(v))
		bench_die("eventfd read");
}

static void interrupt_once(void)
{
	gw_endpoint_irq(&endpoint, 0);
	await(&b.ours);
}

static void eventfd_once(void)
{
	const uint64_t one = 1;

	if (write(b.bare.wait, &one, sizeof(one)) != sizeof(one))
		bench_die("eventfd write");
	await(&b.bare);
}

static void start(struct answerer *a)
{
	a->wait = eventfd(0, 0);
	a->answer = eventfd(0, 0);
	if (a->wait < 0 || a->answer < 0 || pthread_create(&a->thread, NULL, answer_main, a))
		bench_die("answerer");
}

static void stop(struct answerer *a)
{
	uint64_t end = 1ull << 32;

	if (write(a->wait, &end, sizeof(end)) != sizeof(end))
		bench_die("eventfd write");
	pthread_join(a->thread, NULL);
	close(a->wait);
	close(a->answer);
}

static void measure(struct gw_device *dev, unsigned int rounds)
{
	int fd;
	struct gw_irq_set set = { .index = GW_IRQ_MSIX, .action = GW_IRQ_TRIGGER,
				  .data = GW_IRQ_EVENTFD, .count = 1, .fds = &fd };

	start(&b.ours);
	start(&b.bare);
	fd = dup(b.ours.wait);
	if (dev->ops->irq_set(dev, &set))
		bench_die("irq_set");
	bench_pair_run(&(struct bench_pair){ .name = "irq", .unit = "us",
		.peer = "bare eventfd ping-pong", .ours.once = interrupt_once,
		.theirs.once = eventfd_once, .per = 1e3, .floor = true }, rounds);
	stop(&b.ours);
	stop(&b.bare);
}

int main(int argc, char **argv)
{
	unsigned int rounds = bench_rounds(argc, argv, 0, "bench-irq [ROUNDS]");
	struct gw_guest_function *guest;
	struct gw_function *fn;
	struct gw_host *host;
	struct gw_device *dev;
	struct gw_dma *dma;
	struct gw_sim *sim;
	const uint16_t command = 0x6;

	bench_pin(BENCH_CALLER);
	if (gw_sim_new(NULL, &sim) || gw_sim_add(sim, &endpoint, NULL, 0, 1, 0) ||
	    gw_dext_host_new(gw_sim_services(sim), NULL, &host) ||
	    host->ops->open(host, "00:01.0", &fn) || gw_dma_new(fn, GW_PLAN_WINDOW, NULL, &dma) ||
	    gw_guest_function_new(fn, dma, NULL, &guest))
		bench_die("simulated host");
	dev = gw_guest_function_device(guest);
	if (dev->ops->attach(dev, NULL, NULL))
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
