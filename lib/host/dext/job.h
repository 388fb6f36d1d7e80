/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_HOST_DEXT_JOB_H
#define GW_HOST_DEXT_JOB_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/lock.h"

/**
 * struct gw_dext_job - work that may never end, done by a thread of its own
 * @run:  the work
 * @drop: the last reference has gone, of whoever started it and of the thread: free all
 *
 * A call to a dext cannot be called back. So whoever must not wait for ever has a thread make it,
 * waits for a while, and else leaves the thread alone with what it needs.
 */
struct gw_dext_job {
	void (*run)(struct gw_dext_job *job);
	void (*drop)(struct gw_dext_job *job);

	/* private */
	_Atomic unsigned int refs;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool done GW_GUARDED_BY(lock);
};

/**
 * gw_dext_job_start() - begin
 * @job: @run and @drop are set; from now on it goes by gw_dext_job_put()
 *
 * Return: 0; -ENOMEM or -errno of pthread_create(3), and then @run is never called and @job still
 * the caller's alone.
 */
int gw_dext_job_start(struct gw_dext_job *job, const char *name);

/** gw_dext_job_wait() - until @deadline, in ns as gw_now_ns() has them. Return: 0; -ETIMEDOUT */
int gw_dext_job_wait(struct gw_dext_job *job, uint64_t deadline);

/** gw_dext_job_done() - whether the work has ended */
bool gw_dext_job_done(struct gw_dext_job *job);

/** gw_dext_job_put() - the caller is through with a job that was started */
void gw_dext_job_put(struct gw_dext_job *job);

#endif
