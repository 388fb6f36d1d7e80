/* SPDX-License-Identifier: BSD-3-Clause */
#include "vu.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How long a trapped register read takes, beside messages of the same sizes that do nothing. */

#define ROUNDS		20u
#define EACH		10u
#define ASK_SIZE	32u		/* of a REGION_READ */
#define ANSWER_SIZE	36u

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t median(uint64_t *t)
{
	qsort(t, ROUNDS, sizeof(*t), by_size);
	return t[ROUNDS / 2] / EACH;
}

static void answer_all(int sock)
{
	char ask[ASK_SIZE], answer[ANSWER_SIZE] = { 0 };

	while (recv(sock, ask, sizeof(ask), MSG_WAITALL) == sizeof(ask))
		if (send(sock, answer, sizeof(answer), MSG_NOSIGNAL) != sizeof(answer))
			break;
	_exit(0);
}

static void ping(int sock)
{
	char ask[ASK_SIZE] = { 0 }, answer[ANSWER_SIZE];

	must(send(sock, ask, sizeof(ask), MSG_NOSIGNAL) == sizeof(ask) &&
	     recv(sock, answer, sizeof(answer), MSG_WAITALL) == sizeof(answer), "ping-pong");
}

/* The two take turns. */
int timing_test(struct vu *v, int argc, char **argv)
{
	uint64_t trap[ROUNDS], bare[ROUNDS], start;
	int pair[2];
	pid_t child;

	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair), "socketpair: %s", strerror(errno));
	child = fork();
	if (!child) {
		close(pair[0]);
		answer_all(pair[1]);
	}
	close(pair[1]);
	vu_start(v);
	for (unsigned int r = 0; r < ROUNDS; r++) {
		start = now_ns();
		for (unsigned int i = 0; i < EACH; i++)
			vu_read32(v, 0, 0);
		trap[r] = now_ns() - start;
		start = now_ns();
		for (unsigned int i = 0; i < EACH; i++)
			ping(pair[0]);
		bare[r] = now_ns() - start;
	}
	close(pair[0]);
	waitpid(child, NULL, 0);
	say("%llu %llu", (unsigned long long)median(trap), (unsigned long long)median(bare));
	return 0;
}
