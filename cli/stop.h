/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_STOP_H
#define CLI_STOP_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#include <gangway/log.h>

/**
 * struct stop - sees to it that a signal ends the program, whatever its main thread waits for
 *
 * A call to a host cannot be called back, so the main thread may be in one for as long as the host
 * likes. Once the process has gone, the host takes everything back by itself.
 */
struct stop {
	pthread_t thread;
	struct gw_log *log;
	sigset_t signals;
	int wake[2];			/* closing it ends the thread */
	const char *file;		/* to be removed by who ends at once, or NULL */
	int ms;				/* until the end; -1: until a signal comes */
	bool runs;
};

/**
 * stop_while_opening() - a signal ends the program within a second, until stop_done()
 * @signals: blocked already
 * @file:    what must not be left behind, if it does not exist yet; or NULL
 */
void stop_while_opening(struct stop *s, const sigset_t *signals, const char *file,
			struct gw_log *log);

/** stop_while_closing() - as much time is left, then the program ends; or with one more signal */
void stop_while_closing(struct stop *s, const sigset_t *signals, int ms, struct gw_log *log);

/** stop_done() - signals are the main thread's again; one that just came is still pending */
void stop_done(struct stop *s);

#endif
