/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_VFIO_USER_JOB_H
#define TESTS_UNIT_VFIO_USER_JOB_H

#include "vfio_user_peer.h"

/* One transfer, made by a thread of its own as a device's worker would. */
struct job {
	pthread_t thread;
	struct gw_remote *r;
	bool write;
	uint64_t addr;
	uint8_t *buf;
	size_t len;
	int ret;
};

static inline void *job_run(void *opaque)
{
	struct job *j = opaque;
	gw_vmm_addr at = { j->addr };

	j->ret = j->write ? j->r->ops->write(j->r, at, j->buf, j->len) :
			    j->r->ops->read(j->r, at, j->buf, j->len);
	return NULL;
}

static inline void job_start(struct peer *p, struct job *j, bool write, uint64_t addr, void *buf,
			     size_t len)
{
	*j = (struct job){ .r = p->remote, .write = write, .addr = addr, .buf = buf, .len = len };
	assert_int_equal(pthread_create(&j->thread, NULL, job_run, j), 0);
}

static inline int job_end(struct job *j)
{
	pthread_join(j->thread, NULL);
	return j->ret;
}

#endif
