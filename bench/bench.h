/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * What the benchmark programs share: rounds and their medians, rows, daemons with a plain vfio-user
 * client, and what a bare exchange with another process costs.
 */

#define BENCH_MAX_ROUNDS	1000u
#define BENCH_ONCES		200u	/* in one round */

/** A row of the table. A floor of 0 is left out; the ratio is such that larger is better. */
struct bench_row {
	const char *name, *unit, *peer;
	double value, peer_value, ratio, floor;
};

/** bench_row_print() - one JSON object on a line of standard output */
void bench_row_print(const struct bench_row *row);

/** bench_die() - say what failed, with errno, and exit */
void bench_die(const char *what) __attribute__((noreturn));

/** The two sides of what is measured; each has a processor of its own if there are two. */
enum bench_side { BENCH_CALLER, BENCH_ANSWERER };

/**
 * bench_pin() - keep the calling thread, and what it starts, on one side's processor
 *
 * A wake-up on the same processor costs a fraction of one across, so where the scheduler happens
 * to put two threads would decide every comparison.
 */
void bench_pin(enum bench_side side);

/**
 * bench_rounds() - how many are asked for: the last word of the command line, 25 without it
 * @words: what has to stand before it; otherwise the program ends with @usage
 */
unsigned int bench_rounds(int argc, char **argv, int words, const char *usage);

/** bench_median() - sorts @v */
uint64_t bench_median(uint64_t *v, size_t nr);

/** bench_round() - do it BENCH_ONCES times. Return: the median, ns */
uint64_t bench_round(void (*once)(void));

/** Something to measure: either what bench_round() does, or a round that knows what it took. */
struct bench_what {
	void (*once)(void);
	uint64_t (*round)(void);
};

/**
 * Something beside its peer. They take turns, a round of each, so that whatever else the machine
 * does meets both; a row has the medians of the rounds.
 */
struct bench_pair {
	const char *name, *unit, *peer;
	struct bench_what ours, theirs;
	double per;		/* so much of what a round took is one @unit */
	bool floor;		/* nothing can take less than the peer */
};

/** bench_pair_run() - measure, and print the row */
void bench_pair_run(const struct bench_pair *p, unsigned int rounds);

/** A vfio-user client that waits for each reply, asleep or spinning. */
struct bench_client {
	int fd;
	bool spin;
};

/**
 * bench_send() / bench_recv() - the bare exchange that a request is made of
 * @fd: sent along, or -1
 */
void bench_send(int sock, const void *buf, size_t len, int fd);
void bench_recv(int sock, void *buf, size_t len, bool spin);

/**
 * bench_request() - send a command, take its reply
 * @body, @len: what follows the header
 * @reply:      room for @reply_len bytes behind the reply's header, which must be just as long
 */
void bench_request(struct bench_client *c, uint16_t command, const void *body, size_t len, int fd,
		   void *reply, size_t reply_len);

/** bench_read() - the first register of BAR 0, four bytes; it is trapped */
void bench_read(struct bench_client *c);

/** The bytes of that, there and back. */
#define BENCH_READ_REQUEST	32u
#define BENCH_READ_REPLY	36u

/** A process that answers so many bytes with so many: what an exchange costs at least. */
struct bench_echo {
	pid_t pid;
	int fd;
	size_t request, reply;
	bool spin;
};

struct bench_echo bench_echo_start(size_t request, size_t reply, bool spin);
void bench_echo_exchange(struct bench_echo *e);
void bench_echo_stop(struct bench_echo *e);

/** A gangway daemon of the build under test, and its client. */
struct bench_daemon {
	pid_t pid;
	struct bench_client client;
};

/**
 * bench_daemon_start() - "gangway serve" with @args, up to a NULL
 * @spin: how its client, which has agreed on the version, waits
 */
struct bench_daemon bench_daemon_start(const char *gangway, const char *const *args, bool spin);
void bench_daemon_stop(struct bench_daemon *d);

#endif
