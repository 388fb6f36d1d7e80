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
	const char *left;		/* a file or folder to be removed by who ends at once, or
					 * NULL */
	bool folder;
	void (*first)(void);		/* what ends before that is removed, or NULL */
	int ms;				/* until the end; -1: until a signal comes */
	int base;			/* exit status; plus the signal's number, if not 0 */
	bool runs;
};

/**
 * stop_while_opening() - a signal ends the program within a second, until stop_done()
 * @s:    @signals, which are blocked already, @log and @base are set, and @left: what must not be
 *        left behind. A file that exists already stays
 */
void stop_while_opening(struct stop *s);

/** stop_while_closing() - @s->ms are left, then the program ends; or with one more signal */
void stop_while_closing(struct stop *s);

/** stop_done() - signals are the main thread's again; one that just came is still pending */
void stop_done(struct stop *s);

#endif
