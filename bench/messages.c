/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a message to the daemon costs, beside a bare ping-pong of as many bytes with another
 * process: a trapped register read, with both sides asleep or both spinning, and a map with an
 * unmap. The two take turns in short rounds, so that whatever else the machine does meets both.
 *
 * Usage: bench-messages GANGWAY [ROUNDS]
 */
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "vfio_user/wire.h"

#define MEM	(64ull << 20)
#define MAP	(1ull << 20)
#define HEADER	16u

static struct {
	struct bench_daemon d;
	struct bench_echo e;
	int mem;
} b;

static void read_once(void)
{
	bench_read(&b.d.client);
}

static void exchange_once(void)
{
	bench_echo_exchange(&b.e);
}

/* The one that waits must not spin on the other's processor. */
static uint64_t read_spinning(void)
{
	uint64_t ns;

	kill(b.e.pid, SIGSTOP);
	ns = bench_round(read_once);
	kill(b.e.pid, SIGCONT);
	usleep(2000);	/* longer than the daemon spins */
	return ns;
}

static void trap_read(const char *gangway, const char *name, bool spin, unsigned int rounds)
{
	static const char *const asleep[] = { "sim:probe", "--host-option", "caller-iova=on", NULL };
	static const char *const spinning[] = { "sim:probe", "--host-option", "caller-iova=on",
						"--spin", "1000", NULL };

	b.d = bench_daemon_start(gangway, spin ? spinning : asleep, spin);
	b.e = bench_echo_start(BENCH_READ_REQUEST, BENCH_READ_REPLY, spin);
	bench_pair_run(&(struct bench_pair){ .name = name, .unit = "us",
		.peer = "bare socket ping-pong", .ours.once = read_once,
		.ours.round = spin ? read_spinning : NULL, .theirs.once = exchange_once,
		.per = 1e3, .floor = true }, rounds);
	bench_echo_stop(&b.e);
	bench_daemon_stop(&b.d);
}

static void map_once(void)
{
	struct { uint32_t argsz, flags; uint64_t off, iova, size; } map = { 32, 3, 0, MAP, MAP };
	struct { uint32_t argsz, flags; uint64_t iova, size; } unmap = { 24, 0, MAP, MAP };
	uint8_t reply[sizeof(unmap)];

	bench_request(&b.d.client, GW_VU_DMA_MAP, &map, sizeof(map), b.mem, reply, 0);
	bench_request(&b.d.client, GW_VU_DMA_UNMAP, &unmap, sizeof(unmap), -1, reply, sizeof(reply));
}

static void exchange_twice(void)
{
	bench_echo_exchange(&b.e);
	bench_echo_exchange(&b.e);
}

static void dma_map_unmap(const char *gangway, unsigned int rounds)
{
	static const char *const args[] = { "sim:probe", "--host-option", "caller-iova=on", NULL };

	b.mem = memfd_create("bench", MFD_CLOEXEC);
	if (b.mem < 0 || ftruncate(b.mem, MEM))
		bench_die("memfd");
	b.d = bench_daemon_start(gangway, args, false);
	b.e = bench_echo_start(HEADER + 24, HEADER + 24, false);
	bench_pair_run(&(struct bench_pair){ .name = "dma-map-unmap", .unit = "us",
		.peer = "two bare socket ping-pongs", .ours.once = map_once,
		.theirs.once = exchange_twice, .per = 1e3, .floor = true }, rounds);
	bench_echo_stop(&b.e);
	bench_daemon_stop(&b.d);
	close(b.mem);
}

int main(int argc, char **argv)
{
	unsigned int rounds = bench_rounds(argc, argv, 1, "bench-messages GANGWAY [ROUNDS]");

	bench_pin(BENCH_CALLER);
	trap_read(argv[1], "trap-read-asleep", false, rounds);
	trap_read(argv[1], "trap-read-spinning", true, rounds);
	dma_map_unmap(argv[1], rounds);
	return 0;
}
