/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a message to the daemon costs, beside a bare ping-pong of as many bytes with another
 * process: a trapped register read, with both sides asleep or both spinning, and a map with an
 * unmap. The two take turns in short rounds, so that whatever else the machine does meets both.
 *
 * Usage: bench-messages GANGWAY [ROUNDS]
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/util.h"
#include "bench.h"
#include "vfio_user/wire.h"

#define READS		200u		/* in one round */
#define MAX_ROUNDS	1000u
#define HEADER		16u

/* Median time of a register read. */
static uint64_t read_round(struct bench_client *c)
{
	static const struct { uint64_t off; uint32_t region, count; } read4 = { 0, 0, 4 };
	uint64_t v[READS], begun;
	uint8_t reply[20];

	for (unsigned int i = 0; i < READS; i++) {
		begun = gw_now_ns();
		bench_request(c, GW_VU_REGION_READ, &read4, sizeof(read4), -1, reply, sizeof(reply));
		v[i] = gw_now_ns() - begun;
	}
	return bench_median(v, READS);
}

/* Median time of @nr bare exchanges. */
static uint64_t echo_round(struct bench_echo *e, size_t request, size_t reply, unsigned int nr, bool spin)
{
	uint64_t v[READS], begun;
	char buf[512] = { 0 };

	for (unsigned int i = 0; i < READS; i++) {
		begun = gw_now_ns();
		for (unsigned int k = 0; k < nr; k++) {
			bench_send(e->fd, buf, request, -1);
			bench_recv(e->fd, buf, reply, spin);
		}
		v[i] = gw_now_ns() - begun;
	}
	return bench_median(v, READS);
}

static void trap_read(const char *gangway, const char *name, bool spin, unsigned int rounds)
{
	static const char *const asleep[] = { "sim:probe", "--host-option", "caller-iova=on", NULL };
	static const char *const spinning[] = { "sim:probe", "--host-option", "caller-iova=on",
						"--spin", "1000", NULL };
	struct bench_daemon d = bench_daemon_start(gangway, spin ? spinning : asleep);
	struct bench_client c = bench_client_open(d.socket, spin);
	struct bench_echo e = bench_echo_start(HEADER + 16, HEADER + 20, spin);
	uint64_t ours[MAX_ROUNDS], bare[MAX_ROUNDS], a, b;

	for (unsigned int i = 0; i < rounds; i++) {
		/* the one that waits must not spin on the other's processor */
		if (spin)
			kill(e.pid, SIGSTOP);
		ours[i] = read_round(&c);
		if (spin) {
			kill(e.pid, SIGCONT);
			usleep(2000);	/* longer than the daemon spins */
		}
		bare[i] = echo_round(&e, HEADER + 16, HEADER + 20, 1, spin);
	}
	a = bench_median(ours, rounds);
	b = bench_median(bare, rounds);
	bench_row_print(&(struct bench_row){ name, "us", "bare socket ping-pong", (double)a / 1e3,
					     (double)b / 1e3, (double)b / (double)a, (double)b / 1e3 });
	bench_echo_stop(&e);
	close(c.fd);
	bench_daemon_stop(&d);
}

static uint64_t map_round(struct bench_client *c, int mem)
{
	struct { uint32_t argsz, flags; uint64_t off, iova, size; } map = { 32, 3, 0, 1 << 20,
									    1 << 20 };
	struct { uint32_t argsz, flags; uint64_t iova, size; } unmap = { 24, 0, 1 << 20, 1 << 20 };
	uint64_t v[READS], begun;
	uint8_t reply[24];

	for (unsigned int i = 0; i < READS; i++) {
		begun = gw_now_ns();
		bench_request(c, GW_VU_DMA_MAP, &map, sizeof(map), mem, reply, 0);
		bench_request(c, GW_VU_DMA_UNMAP, &unmap, sizeof(unmap), -1, reply, sizeof(unmap));
		v[i] = gw_now_ns() - begun;
	}
	return bench_median(v, READS);
}

static void dma_map_unmap(const char *gangway, unsigned int rounds)
{
	static const char *const args[] = { "sim:probe", "--host-option", "caller-iova=on", NULL };
	struct bench_daemon d = bench_daemon_start(gangway, args);
	struct bench_client c = bench_client_open(d.socket, false);
	struct bench_echo e = bench_echo_start(HEADER + 24, HEADER + 24, false);
	uint64_t ours[MAX_ROUNDS], bare[MAX_ROUNDS], a, b;
	int mem = memfd_create("bench", MFD_CLOEXEC);

	if (mem < 0 || ftruncate(mem, 64 << 20))
		bench_die("memfd");
	for (unsigned int i = 0; i < rounds; i++) {
		ours[i] = map_round(&c, mem);
		bare[i] = echo_round(&e, HEADER + 24, HEADER + 24, 2, false);
	}
	a = bench_median(ours, rounds);
	b = bench_median(bare, rounds);
	bench_row_print(&(struct bench_row){ "dma-map-unmap", "us", "two bare socket ping-pongs",
					     (double)a / 1e3, (double)b / 1e3, (double)b / (double)a,
					     (double)b / 1e3 });
	close(mem);
	bench_echo_stop(&e);
	close(c.fd);
	bench_daemon_stop(&d);
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 2 ? (unsigned int)atoi(argv[2]) : 25;

	if (argc < 2 || !rounds || rounds > MAX_ROUNDS) {
		fprintf(stderr, "Usage: bench-messages GANGWAY [ROUNDS]\n");
		return 2;
	}
	bench_pin(BENCH_CALLER);
	trap_read(argv[1], "trap-read-asleep", false, rounds);
	trap_read(argv[1], "trap-read-spinning", true, rounds);
	dma_map_unmap(argv[1], rounds);
	return 0;
}
