/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Functions of the machine through the host vfio, beside what the kernel itself does: a trapped
 * register read beside a bare ping-pong of as many bytes and the access itself, and the memory of
 * a BAR, mapped by the descriptor that gangway hands out and by sysfs' resource file. They take
 * turns, each for so short a time that what else the machine does is in few samples.
 *
 * bench/run has this run in a guest, whose functions QEMU emulates; root, with iomem=relaxed.
 *
 * Usage: bench-vfio GANGWAY EDU IVSHMEM [ROUNDS]; two functions that vfio-pci has
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gangway/device.h>

#include "base/util.h"
#include "bench.h"
#include "vfio_user/wire.h"

#define EACH		100u		/* of each kind in one round */
#define REGISTERS	4096u		/* of edu's BAR 0 */
#define PIECE		0x8000u		/* words of ivshmem's BAR 2 */

static void *map_fd(int fd, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		bench_die("mmap");
	return p;
}

static void *map_resource(const char *bdf, unsigned int bar, size_t size)
{
	char path[PATH_MAX];
	void *p;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource%u", bdf, bar);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		bench_die(path);
	p = map_fd(fd, size);
	close(fd);
	return p;
}

/* Memory decoding on. */
static void start_function(struct bench_client *c)
{
	static const struct {
		uint64_t off;
		uint32_t region, count;
		uint16_t command;
	} __attribute__((packed)) write2 = { 4, GW_REGION_CONFIG, 2, 2 };
	uint8_t reply[16];

	bench_request(c, GW_VU_REGION_WRITE, &write2, sizeof(write2), -1, reply, sizeof(reply));
}

static uint64_t *samples(unsigned int nr)
{
	uint64_t *t = calloc(nr, sizeof(*t));

	if (!t)
		bench_die("calloc");
	return t;
}

enum { TRAPPED, BARE, ACCESS, NOTHING, NR_KINDS };

/*
 * Once each, @nr times, in ns. Where the clock is a device that is emulated too, a look at it
 * takes longer than the access: that is what NOTHING is for.
 */
static void take_turns(struct bench_client *c, struct bench_echo *e, const volatile uint32_t *reg,
		       uint64_t *t[NR_KINDS], unsigned int nr)
{
	uint64_t begun;

	for (unsigned int i = 0; i < nr; i++) {
		for (unsigned int k = 0; k < NR_KINDS; k++) {
			begun = gw_now_ns();
			if (k == TRAPPED)
				bench_read(c);
			else if (k == BARE)
				bench_echo_exchange(e);
			else if (k == ACCESS)
				(void)*reg;
			t[k][i] = gw_now_ns() - begun;
		}
	}
}

static void trap_read(const char *gangway, const char *edu, unsigned int rounds)
{
	const char *const args[] = { edu, NULL };
	struct bench_daemon d = bench_daemon_start(gangway, args, false);
	struct bench_echo e = bench_echo_start(BENCH_READ_REQUEST, BENCH_READ_REPLY, false);
	const uint32_t *reg = map_resource(edu, 0, REGISTERS);
	unsigned int nr = rounds * EACH;
	uint64_t *t[NR_KINDS];
	double us[NR_KINDS], a, b;

	start_function(&d.client);
	for (unsigned int k = 0; k < NR_KINDS; k++)
		t[k] = samples(nr);
	take_turns(&d.client, &e, reg, t, nr);
	for (unsigned int k = 0; k < NR_KINDS; k++) {
		us[k] = (double)bench_median(t[k], nr) / 1e3;
		free(t[k]);
	}
	fprintf(stderr, "trapped %.1f us, ping-pong %.1f us, access %.1f us, clock %.1f us\n",
		us[TRAPPED], us[BARE], us[ACCESS], us[NOTHING]);
	a = us[TRAPPED] - us[NOTHING];
	b = us[BARE] + us[ACCESS] - 2 * us[NOTHING];
	bench_row_print(&(struct bench_row){ "vfio-trap-read", "us", "bare ping-pong + the access",
					     a, b, b / a, b });
	munmap((void *)(uintptr_t)reg, REGISTERS);
	bench_echo_stop(&e);
	bench_daemon_stop(&d);
}

#define AREAS	32	/* bytes: the capability that says what may be mapped, of one area */

/* The descriptor of BAR 2, which comes with a reply that has room for what may be mapped. */
static int bar_fd(struct bench_client *c)
{
	struct {
		uint16_t id, command;
		uint32_t size, flags, error, argsz, region_flags, index, caps;
		uint64_t bar_size, off;
		uint8_t areas[AREAS];
	} m = { 1, GW_VU_GET_REGION_INFO, sizeof(m) - AREAS, 0, 0, 32 + AREAS, 0, 2, 0, 0, 0, { 0 } };
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { &m, sizeof(m) };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			     .msg_controllen = sizeof(control) };
	int fd;

	bench_send(c->fd, &m, sizeof(m) - AREAS, -1);
	if (recvmsg(c->fd, &mh, MSG_WAITALL) != sizeof(m) || m.error || !CMSG_FIRSTHDR(&mh)) {
		fprintf(stderr, "the BAR cannot be mapped\n");
		exit(1);
	}
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&mh)), sizeof(fd));
	return fd;
}

/* Read and write words. Return: ns. */
static uint64_t memory_piece(volatile uint32_t *p)
{
	uint64_t begun = gw_now_ns();

	for (unsigned int i = 0; i < PIECE; i++)
		p[i] ^= i;
	return gw_now_ns() - begun;
}

static void bar_mapped(const char *gangway, const char *ivshmem, unsigned int rounds)
{
	const char *const args[] = { ivshmem, "--host-option", "bar-resource=on", NULL };
	struct bench_daemon d = bench_daemon_start(gangway, args, false);
	unsigned int nr = rounds * EACH;
	uint64_t *t[2] = { samples(nr), samples(nr) };
	double a, b;
	void *p[2];

	start_function(&d.client);
	p[0] = map_fd(bar_fd(&d.client), PIECE * 4);
	p[1] = map_resource(ivshmem, 2, PIECE * 4);
	for (unsigned int i = 0; i < 2 * nr; i++) {
		unsigned int who = (i ^ i / 2) & 1;	/* who begins changes from round to round */

		t[who][i / 2] = memory_piece(p[who]);
	}
	a = (double)bench_median(t[0], nr) / PIECE;
	b = (double)bench_median(t[1], nr) / PIECE;
	free(t[0]);
	free(t[1]);
	bench_row_print(&(struct bench_row){ "vfio-bar-mapped", "ns", "sysfs' resource file", a, b,
					     b / a, b });
	bench_daemon_stop(&d);
}

int main(int argc, char **argv)
{
	unsigned int rounds = bench_rounds(argc, argv, 3, "bench-vfio GANGWAY EDU IVSHMEM [ROUNDS]");

	bench_pin(BENCH_CALLER);
	trap_read(argv[1], argv[2], rounds);
	bar_mapped(argv[1], argv[3], rounds);
	return 0;
}
