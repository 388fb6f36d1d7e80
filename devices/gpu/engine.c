/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/lock.h"
#include "base/thread.h"

/*
 * How it works: the thread takes one step at a time, without the lock: fetch a command, or move a
 * chunk of one, or write a fence. So quiesce() has one step to wait for, and a step whose ring was
 * stopped meanwhile is dropped, which @epoch tells.
 */

#define RETRY_NS	1000000L
#define NO_VECTOR	UINT32_MAX

static uint64_t reg_get(const struct gpu_engine *e, unsigned int reg, unsigned int width)
	GW_HOLDS(e->lock)
{
	uint64_t v = 0;

	memcpy(&v, e->reg + reg, width);
	return v;
}

static void reg_put(struct gpu_engine *e, unsigned int reg, unsigned int width, uint64_t v)
	GW_HOLDS(e->lock)
{
	memcpy(e->reg + reg, &v, width);
}

static void regs_reset(struct gpu_engine *e) GW_HOLDS(e->lock)
{
	memset(e->reg, 0, sizeof(e->reg));
	reg_put(e, GPU_ENGINE_ID, 4, GPU_ENGINE_ID_VALUE);
	reg_put(e, GPU_ENGINE_VERSION, 4, 1);
	reg_put(e, GPU_ENGINE_MEMORY, 8, e->reach.memory);
}

/* The ring ends, here and now. */
static void ring_stop(struct gpu_engine *e, unsigned int status, int err) GW_HOLDS(e->lock)
{
	e->epoch++;
	e->has_command = false;
	reg_put(e, GPU_ENGINE_STATUS, 4, status);
	reg_put(e, GPU_ENGINE_ERROR, 4, (uint32_t)-err);
}

/* ENABLE was written. */
static void ring_enable(struct gpu_engine *e) GW_HOLDS(e->lock)
{
	uint64_t entries = reg_get(e, GPU_RING_ENTRIES, 4);
	uint64_t base = reg_get(e, GPU_RING_BASE, 8), last;
	bool bad = !entries || entries > GPU_RING_MAX || entries & (entries - 1) ||
		   base % GPU_COMMAND_SIZE ||
		   __builtin_add_overflow(base, entries * GPU_COMMAND_SIZE - 1, &last);

	ring_stop(e, GPU_STOPPED, 0);
	reg_put(e, GPU_RING_HEAD, 4, 0);
	reg_put(e, GPU_RING_TAIL, 4, 0);
	if (!reg_get(e, GPU_RING_ENABLE, 4))
		return;
	if (bad)
		ring_stop(e, GPU_FAILED, -EINVAL);
	else
		reg_put(e, GPU_ENGINE_STATUS, 4, GPU_RUNNING);
}

/* More commands than the ring has cannot have been written. */
static void ring_tail(struct gpu_engine *e) GW_HOLDS(e->lock)
{
	uint32_t head = (uint32_t)reg_get(e, GPU_RING_HEAD, 4);
	uint32_t tail = (uint32_t)reg_get(e, GPU_RING_TAIL, 4);

	if (reg_get(e, GPU_ENGINE_STATUS, 4) == GPU_RUNNING &&
	    (uint32_t)(tail - head) > reg_get(e, GPU_RING_ENTRIES, 4))
		ring_stop(e, GPU_FAILED, -EOVERFLOW);
}

static bool has_work(const struct gpu_engine *e) GW_HOLDS(e->lock)
{
	return !e->paused && reg_get(e, GPU_ENGINE_STATUS, 4) == GPU_RUNNING &&
	       reg_get(e, GPU_RING_HEAD, 4) != reg_get(e, GPU_RING_TAIL, 4);
}

/* A step, without the lock. Return: as gw_gpu_command_step(). */
static int work(struct gpu_engine *e, struct gpu_command *c, bool fetched, uint64_t at,
		uint64_t fence)
{
	uint8_t bytes[GPU_COMMAND_SIZE];
	int ret;

	if (fetched && c->op != GPU_OP_FENCE)
		return gw_gpu_command_step(c, &e->reach, e->buf);
	if (fetched)
		return fence ? e->reach.dma_write(e->ep, fence, &c->value, sizeof(c->value)) : 0;
	ret = e->reach.dma_read(e->ep, at, bytes, sizeof(bytes));
	if (!ret)
		ret = gw_gpu_command_parse(bytes, e->reach.memory, c);
	return ret ? ret : 1;
}

/* @c is done. Return: a vector to raise, or NO_VECTOR. */
static uint32_t complete(struct gpu_engine *e, const struct gpu_command *c) GW_HOLDS(e->lock)
{
	e->has_command = false;
	reg_put(e, GPU_RING_HEAD, 4, reg_get(e, GPU_RING_HEAD, 4) + 1);
	if (c->op != GPU_OP_FENCE)
		return NO_VECTOR;
	reg_put(e, GPU_FENCE, 8, c->value);
	return c->flags & GPU_CMD_IRQ ? c->vector : NO_VECTOR;
}

/* The bus refused the access for now, and no call tells when it will not. */
static void wait_a_little(struct gpu_engine *e) GW_HOLDS(e->lock)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += RETRY_NS;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	pthread_cond_timedwait(&e->wake, &e->lock, &until);
}

/* The lock is let go for the work. Return: a vector to raise, or NO_VECTOR. */
static uint32_t step(struct gpu_engine *e) GW_HOLDS(e->lock)
{
	uint64_t slot = reg_get(e, GPU_RING_HEAD, 4) & (reg_get(e, GPU_RING_ENTRIES, 4) - 1);
	uint64_t at = reg_get(e, GPU_RING_BASE, 8) + slot * GPU_COMMAND_SIZE;
	uint64_t fence = reg_get(e, GPU_FENCE_BASE, 8);
	unsigned int epoch = e->epoch;
	struct gpu_command c = e->command;
	bool fetched = e->has_command;
	int ret;

	e->busy = true;
	pthread_mutex_unlock(&e->lock);
	ret = work(e, &c, fetched, at, fence);
	pthread_mutex_lock(&e->lock);
	e->busy = false;
	pthread_cond_broadcast(&e->quiet);
	if (epoch != e->epoch)
		return NO_VECTOR;
	if (ret == -EPERM || ret == -ECANCELED) {
		if (!e->paused)
			wait_a_little(e);
		return NO_VECTOR;
	}
	if (ret < 0) {
		ring_stop(e, GPU_FAILED, ret);
		return 0;
	}
	e->command = c;
	e->has_command = true;
	return ret ? NO_VECTOR : complete(e, &c);
}

static void *engine_thread(void *opaque)
{
	struct gpu_engine *e = opaque;
	uint32_t vector;

	pthread_mutex_lock(&e->lock);
	while (!e->end) {
		if (!has_work(e)) {
			pthread_cond_wait(&e->wake, &e->lock);
			continue;
		}
		vector = step(e);
		if (vector == NO_VECTOR)
			continue;
		pthread_mutex_unlock(&e->lock);
		gw_endpoint_irq(e->ep, vector);
		pthread_mutex_lock(&e->lock);
	}
	pthread_mutex_unlock(&e->lock);
	return NULL;
}

uint64_t gw_gpu_engine_read(struct gpu_engine *e, unsigned int off, unsigned int width)
{
	uint64_t v;

	pthread_mutex_lock(&e->lock);
	v = reg_get(e, off, width);
	pthread_mutex_unlock(&e->lock);
	return v;
}

static bool writable(const struct gpu_engine *e, unsigned int at) GW_HOLDS(e->lock)
{
	if (at >= GPU_RING_BASE && at < GPU_RING_ENABLE)	/* fixed while the ring is in use */
		return reg_get(e, GPU_ENGINE_STATUS, 4) != GPU_RUNNING;
	return (at >= GPU_RING_ENABLE && at < GPU_RING_HEAD) ||
	       (at >= GPU_FENCE_BASE && at < GPU_FENCE);
}

static bool covers(unsigned int at, unsigned int width, unsigned int reg)
{
	return at <= reg && reg < at + width;
}

void gw_gpu_engine_write(struct gpu_engine *e, unsigned int off, unsigned int width, uint64_t val)
{
	pthread_mutex_lock(&e->lock);
	for (unsigned int i = 0; i < width; i++)
		if (writable(e, off + i))
			e->reg[off + i] = (uint8_t)(val >> 8 * i);
	if (covers(off, width, GPU_RING_ENABLE))
		ring_enable(e);
	if (covers(off, width, GPU_RING_TAIL))
		ring_tail(e);
	pthread_cond_signal(&e->wake);
	pthread_mutex_unlock(&e->lock);
}

void gw_gpu_engine_quiesce(struct gpu_engine *e)
{
	pthread_mutex_lock(&e->lock);
	e->paused = true;
	while (e->busy)
		pthread_cond_wait(&e->quiet, &e->lock);
	pthread_mutex_unlock(&e->lock);
}

void gw_gpu_engine_resume(struct gpu_engine *e)
{
	pthread_mutex_lock(&e->lock);
	e->paused = false;
	pthread_cond_signal(&e->wake);
	pthread_mutex_unlock(&e->lock);
}

void gw_gpu_engine_reset(struct gpu_engine *e)
{
	pthread_mutex_lock(&e->lock);
	ring_stop(e, GPU_STOPPED, 0);
	regs_reset(e);
	pthread_mutex_unlock(&e->lock);
}

void gw_gpu_engine_set_memory(struct gpu_engine *e, uint64_t bytes)
{
	pthread_mutex_lock(&e->lock);
	while (e->busy)
		pthread_cond_wait(&e->quiet, &e->lock);
	e->reach.memory = bytes;
	reg_put(e, GPU_ENGINE_MEMORY, 8, bytes);
	pthread_mutex_unlock(&e->lock);
}

static int reach_dma_read(void *ep, uint64_t iova, void *buf, size_t len)
{
	return gw_endpoint_dma_read(ep, (gw_iova){ iova }, buf, len);
}

static int reach_dma_write(void *ep, uint64_t iova, const void *buf, size_t len)
{
	return gw_endpoint_dma_write(ep, (gw_iova){ iova }, buf, len);
}

static void cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

int gw_gpu_engine_init(struct gpu_engine *e, struct gw_endpoint *ep, const struct gpu_reach *reach)
{
	int ret;

	e->ep = ep;
	e->reach = *reach;
	e->reach.dma_read = reach_dma_read;
	e->reach.dma_write = reach_dma_write;
	e->reach.opaque = ep;
	pthread_mutex_init(&e->lock, NULL);
	e->paused = true;	/* bus mastering is off at first */
	regs_reset(e);
	cond_init(&e->wake);
	cond_init(&e->quiet);
	ret = gw_thread_start(&e->thread, "gw-gpu", engine_thread, e);
	e->started = !ret;
	return ret;
}

void gw_gpu_engine_fini(struct gpu_engine *e)
{
	if (e->started) {
		pthread_mutex_lock(&e->lock);
		e->end = true;
		pthread_cond_signal(&e->wake);
		pthread_mutex_unlock(&e->lock);
		pthread_join(e->thread, NULL);
	}
	pthread_cond_destroy(&e->quiet);
	pthread_cond_destroy(&e->wake);
	pthread_mutex_destroy(&e->lock);
}
