/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a trapped register read costs: a REGION_READ of 4 bytes through the server with a device
 * that does nothing, beside a bare ping-pong of as many bytes between two threads. Both sides
 * sleep, or both spin. The two take turns in short rounds, so that whatever else the machine
 * does meets both; printed are the medians of all rounds.
 *
 * Usage: bench-trap [ROUNDS [READS]]
 */
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <gangway/vfio_user.h>

#include "base/util.h"
#include "vfio_user/wire.h"

#define REQUEST	32
#define REPLY	36
#define SPIN_US	200

static int attach(struct gw_device *d, struct gw_remote *remote)
{
	return 0;
}

static void detach(struct gw_device *d)
{
}

static void region_info(struct gw_device *d, unsigned int region, struct gw_region_info *info)
{
	info->size = 4096;
	info->flags = GW_REGION_F_READ | GW_REGION_F_WRITE;
}

static int region_read(struct gw_device *d, unsigned int region, uint64_t off, void *buf,
		       size_t len)
{
	memset(buf, 0x5a, len);
	return 0;
}

static const struct gw_device_ops ops = {
	.attach = attach,
	.detach = detach,
	.region_info = region_info,
	.region_read = region_read,
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static bool take(int fd, void *buf, size_t len, bool spin)
{
	ssize_t n;

	do {
		n = recv(fd, buf, len, spin ? MSG_DONTWAIT : 0);
	} while (n < 0 && spin);
	return n == (ssize_t)len;
}

struct bare {
	int fd;
	bool spin;
};

static void *bare_main(void *opaque)
{
	struct bare *b = opaque;
	char buf[REPLY] = { 0 };

	while (take(b->fd, buf, REQUEST, b->spin))
		if (send(b->fd, buf, REPLY, 0) != REPLY)
			break;
	return NULL;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t median(uint64_t *v, size_t nr)
{
	qsort(v, nr, sizeof(*v), compare);
	return v[nr / 2];
}

/* The median time of @reads round trips. */
static uint64_t rounds_of(int fd, bool spin, uint64_t *v, size_t reads)
{
	struct {
		uint16_t id, cmd;
		uint32_t size, flags, err;
		uint64_t off;
		uint32_t region, count;
	} m = { 1, GW_VU_REGION_READ, REQUEST, 0, 0, 0, 0, 4 };
	char buf[REPLY];
	uint64_t begun;

	_Static_assert(sizeof(m) == REQUEST, "a message");
	for (size_t i = 0; i < reads; i++) {
		begun = gw_now_ns();
		if (send(fd, &m, sizeof(m), 0) != sizeof(m) || !take(fd, buf, REPLY, spin))
			die("round trip");
		v[i] = gw_now_ns() - begun;
	}
	return median(v, reads);
}

static int greet(const char *path)
{
	static const uint8_t hello[] = { 1, 0, GW_VU_VERSION, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
					 0, 0, 0, 0 };
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char buf[256];

	strcpy(a.sun_path, path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) ||
	    send(fd, hello, sizeof(hello), 0) < 0 || recv(fd, buf, sizeof(buf), 0) < 20)
		die(path);
	return fd;
}

/*
 * Two threads on one processor wake each other in a quarter of the time that two on two take. A
 * VMM and its server usually have two, and so have ours and the bare ones: threads are started
 * on the second processor we may use, and we ourselves stay on the first.
 */
static void use_cpu(int nth)
{
	static cpu_set_t all;
	cpu_set_t one;
	int cpu = -1;

	if (!CPU_COUNT(&all) && sched_getaffinity(0, sizeof(all), &all))
		die("sched_getaffinity");
	if (CPU_COUNT(&all) < 2)
		return;
	do {
		cpu++;
		nth -= CPU_ISSET(cpu, &all) ? 1 : 0;
	} while (nth >= 0);
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		die("sched_setaffinity");
}

static uint64_t bare_round(bool spin, uint64_t *v, size_t reads)
{
	struct bare peer = { .spin = spin };
	pthread_t thread;
	uint64_t ns;
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv))
		die("socketpair");
	peer.fd = sv[1];
	use_cpu(1);
	if (pthread_create(&thread, NULL, bare_main, &peer))
		die("pthread_create");
	use_cpu(0);
	ns = rounds_of(sv[0], spin, v, reads);
	close(sv[0]);
	pthread_join(thread, NULL);
	close(sv[1]);
	return ns;
}

static uint64_t our_round(bool spin, uint64_t *v, size_t reads)
{
	struct gw_vfio_user_options opt = { .spin_us = spin ? SPIN_US : 0 };
	struct gw_device dev = { .ops = &ops };
	struct gw_vfio_user *server;
	char path[64];
	uint64_t ns;
	int fd;

	snprintf(path, sizeof(path), "/tmp/bench-trap.%d", getpid());
	use_cpu(1);
	if (gw_vfio_user_listen(path, &dev, &opt, NULL, &server))
		die(path);
	use_cpu(0);
	fd = greet(path);
	ns = rounds_of(fd, spin, v, reads);
	close(fd);
	gw_vfio_user_close(server);
	return ns;
}

static void measure(const char *name, bool spin, size_t rounds, size_t reads)
{
	uint64_t *v = calloc(reads, sizeof(*v)), *ours = calloc(rounds, sizeof(*v)),
		 *bare = calloc(rounds, sizeof(*v)), a, b;

	if (!v || !ours || !bare)
		die("calloc");
	for (size_t i = 0; i < rounds; i++) {
		bare[i] = bare_round(spin, v, reads);
		ours[i] = our_round(spin, v, reads);
	}
	a = median(ours, rounds);
	b = median(bare, rounds);
	printf("%-20s %6llu ns  bare %6llu ns  %.2fx\n", name, (unsigned long long)a,
	       (unsigned long long)b, (double)a / (double)b);
	free(v);
	free(ours);
	free(bare);
}

int main(int argc, char **argv)
{
	size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : 21;
	size_t reads = argc > 2 ? strtoul(argv[2], NULL, 0) : 1000;

	if (!rounds || !reads) {
		fprintf(stderr, "usage: %s [ROUNDS [READS]]\n", argv[0]);
		return 2;
	}
	measure("trap-read-asleep", false, rounds, reads);
	measure("trap-read-spinning", true, rounds, reads);
	return 0;
}
