/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_GPU_ENGINE_H
#define DEVICES_GPU_ENGINE_H

#include <pthread.h>
#include <stdbool.h>

#include <gangway/endpoint.h>

#include "base/lock.h"
#include "command.h"

/**
 * struct gpu_engine - registers, and a thread that works on the ring
 * @buf:     the thread's
 * @wake:    to the thread: there is work, or an end
 * @quiet:   from the thread: a piece of work is over
 * @paused:  bus mastering is off; the thread starts nothing
 * @busy:    the thread is at a piece of work
 * @epoch:   one more whenever the ring is stopped: what was begun before does not count
 */
struct gpu_engine {
	struct gw_endpoint *ep;		/* fixed, as is @reach */
	struct gpu_reach reach;
	pthread_t thread;
	bool started;

	pthread_mutex_t lock;
	pthread_cond_t wake, quiet;
	uint8_t reg[GPU_ENGINE_REGS] GW_GUARDED_BY(lock);
	bool paused GW_GUARDED_BY(lock), busy GW_GUARDED_BY(lock), end GW_GUARDED_BY(lock);
	unsigned int epoch GW_GUARDED_BY(lock);
	bool has_command GW_GUARDED_BY(lock);
	struct gpu_command command GW_GUARDED_BY(lock);

	uint8_t buf[GPU_CHUNK];
};

/**
 * gw_gpu_engine_init() - @reach: its DMA calls are filled in here
 *
 * Return: 0; -errno of starting the thread. gw_gpu_engine_fini() is fine then.
 */
int gw_gpu_engine_init(struct gpu_engine *e, struct gw_endpoint *ep, const struct gpu_reach *reach);
void gw_gpu_engine_fini(struct gpu_engine *e);

/** gw_gpu_engine_set_memory() - there is another amount of memory now. No ring is in use */
void gw_gpu_engine_set_memory(struct gpu_engine *e, uint64_t bytes);

/** gw_gpu_engine_read() - @off below GPU_ENGINE_REGS; @width as of a BAR access */
uint64_t gw_gpu_engine_read(struct gpu_engine *e, unsigned int off, unsigned int width);
void gw_gpu_engine_write(struct gpu_engine *e, unsigned int off, unsigned int width, uint64_t val);

/* What the bus asks of an endpoint. */
void gw_gpu_engine_quiesce(struct gpu_engine *e);
void gw_gpu_engine_resume(struct gpu_engine *e);
void gw_gpu_engine_reset(struct gpu_engine *e);

#endif
