/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/dext/job.h"

#include <errno.h>

#include "base/os.h"
#include "base/thread.h"

void gw_dext_job_put(struct gw_dext_job *job)
{
	if (atomic_fetch_sub(&job->refs, 1) != 1)
		return;
	pthread_cond_destroy(&job->changed);
	pthread_mutex_destroy(&job->lock);
	job->drop(job);
}

static void *job_run(void *opaque)
{
	struct gw_dext_job *job = opaque;

	job->run(job);
	pthread_mutex_lock(&job->lock);
	job->done = true;
	pthread_cond_broadcast(&job->changed);
	pthread_mutex_unlock(&job->lock);
	gw_dext_job_put(job);
	return NULL;
}

int gw_dext_job_start(struct gw_dext_job *job, const char *name)
{
	pthread_t thread;
	int ret = -ENOMEM;

	atomic_init(&job->refs, 2);
	if (pthread_mutex_init(&job->lock, NULL))
		return -ENOMEM;
	job->done = false;
	ret = gw_os_cond_init(&job->changed);
	if (ret)
		goto destroy_lock;
	ret = gw_thread_start(&thread, name, job_run, job);
	if (ret)
		goto destroy_cond;
	pthread_detach(thread);		/* nobody can say when it ends */
	return 0;
destroy_cond:
	pthread_cond_destroy(&job->changed);
destroy_lock:
	pthread_mutex_destroy(&job->lock);
	return ret;
}

int gw_dext_job_wait(struct gw_dext_job *job, uint64_t deadline)
{
	int ret = 0;

	pthread_mutex_lock(&job->lock);
	while (!job->done && !ret)
		ret = gw_os_cond_wait_until(&job->changed, &job->lock, deadline);
	if (job->done)
		ret = 0;
	pthread_mutex_unlock(&job->lock);
	return ret;
}

bool gw_dext_job_done(struct gw_dext_job *job)
{
	bool done;

	pthread_mutex_lock(&job->lock);
	done = job->done;
	pthread_mutex_unlock(&job->lock);
	return done;
}
