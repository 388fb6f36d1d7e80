/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_VFIO_RIG_H
#define TESTS_UNIT_VFIO_RIG_H

#include "fake_vfio.h"

#include <pthread.h>
#include <sys/mman.h>

#include "base/util.h"

/* An open function, memory for it to reach, and a sink that notes what it is told. */

#define PAGE	4096u

struct rig {
	struct gw_host *host;
	struct gw_function *f;
	struct gw_irq_sink sink;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t fired;
	unsigned int requests, errors;
	char *mem;
};

static inline void rig_fire(struct gw_irq_sink *sink, const uint64_t pending[GW_IRQ_WORDS])
{
	struct rig *r = container_of(sink, struct rig, sink);

	pthread_mutex_lock(&r->lock);
	r->fired |= pending[0];
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static inline void rig_told(struct rig *r, unsigned int *what)
{
	pthread_mutex_lock(&r->lock);
	(*what)++;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static inline void rig_request(struct gw_irq_sink *sink)
{
	struct rig *r = container_of(sink, struct rig, sink);

	rig_told(r, &r->requests);
}

static inline void rig_error(struct gw_irq_sink *sink)
{
	struct rig *r = container_of(sink, struct rig, sink);

	rig_told(r, &r->errors);
}

static inline struct gw_host *host_new(bool hide)
{
	const struct gw_vfio_options opt = { .tree = fake.tree, .hide_caller_iova = hide };
	struct gw_host *host;

	assert_int_equal(gw_vfio_host_new(&opt, &fake.sink, &host), 0);
	return host;
}

static inline struct rig *rig_open(bool hide)
{
	struct rig *r = malloc(sizeof(*r));

	assert_non_null(r);
	*r = (struct rig){ .sink = { rig_fire, rig_request, rig_error } };
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	r->host = host_new(hide);
	assert_int_equal(r->host->ops->open(r->host, "01:00.0", &r->f), 0);
	r->mem = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(r->mem != MAP_FAILED);
	return r;
}

static inline void rig_close(struct rig *r)
{
	r->f->ops->close(r->f);
	r->host->ops->free(r->host);
	munmap(r->mem, 64 * PAGE);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static inline int setup(void **state, bool hide)
{
	int ret = fake_setup(state);

	if (!ret)
		*state = rig_open(hide);
	return ret;
}

static inline int setup_open(void **state)
{
	return setup(state, false);
}

static inline int teardown_open(void **state)
{
	int ret;

	rig_close(*state);
	ret = fake_teardown(state);
	assert_int_equal(fake.nr_maps, 0);
	return ret;
}

static inline int map(struct rig *r, unsigned int page, uint64_t iova, unsigned int pages,
		      struct gw_mapping *m)
{
	struct gw_memory mem = { .addr = r->mem + page * PAGE };
	gw_iova want = { iova };

	return r->f->ops->dma_map(r->f, &mem, pages * PAGE, &want, m);
}

static inline int unmap(struct rig *r, const struct gw_mapping *m)
{
	return r->f->ops->dma_unmap(r->f, m->handle);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fake_setup, fake_teardown)
#define OPEN(f) cmocka_unit_test_setup_teardown(f, setup_open, teardown_open)

#endif
