/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/dext/reset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <gangway/pci.h>

#include "base/lock.h"
#include "base/os.h"
#include "base/util.h"
#include "host/dext/function.h"
#include "host/dext/job.h"

/*
 * How it works: a function level reset takes a tenth of a second, one by the port above more than
 * two, and a VMM that asked for either waits for the answer. So a thread of its own makes the call.
 * What matters at once, that there is no DMA, is done before: bus mastering is off, and stays off
 * because the platform restores what it found. COMMAND is answered from a copy meanwhile, as a VMM
 * sets it up right after a reset; all else waits, for less than a VMM's patience.
 */

#define ACCESS_NS		3000000000ull	/* stock QEMU gives up after 5 s */
#define CLOSE_NS		10000000000ull

struct reset_job {
	struct gw_dext_job job;
	struct gw_dext_function *fn;
};

int gw_dext_reset_init(struct gw_dext_reset *r, void (*free)(struct gw_dext_function *fn))
{
	r->free = free;
	if (pthread_mutex_init(&r->lock, NULL))
		return -ENOMEM;
	if (!gw_os_cond_init(&r->changed))
		return 0;
	pthread_mutex_destroy(&r->lock);
	return -ENOMEM;
}

void gw_dext_reset_fini(struct gw_dext_reset *r)
{
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
}

/* Wait while one runs. */
static int await_locked(struct gw_dext_reset *r, uint64_t deadline) GW_HOLDS(r->lock)
{
	int ret = 0;

	while (!ret && r->state == GW_DEXT_RESET_RUNS)
		ret = gw_os_cond_wait_until(&r->changed, &r->lock, deadline);
	return r->state == GW_DEXT_RESET_RUNS ? -ETIMEDOUT : 0;
}

/* What COMMAND will be afterwards; bus mastering is off on return. */
static int master_off(struct gw_dext_function *fn, uint16_t *command)
{
	uint32_t is;
	int ret = gw_dext_config_read(&fn->client, GW_PCI_COMMAND, 2, &is);

	if (ret)
		return ret;
	*command = (uint16_t)(is & ~GW_PCI_COMMAND_MASTER);
	return is & GW_PCI_COMMAND_MASTER ?
	       gw_dext_config_write(&fn->client, GW_PCI_COMMAND, 2, *command) : 0;
}

/* Once the state changes, whoever waits to close @fn may do so. */
static void reset_over(struct gw_dext_function *fn, int ret)
{
	struct gw_dext_reset *r = &fn->reset;
	uint16_t command;
	bool last;

	if (!ret)
		gw_dext_irq_kick(&fn->irq);
	pthread_mutex_lock(&r->lock);
	if (!ret && r->wanted)
		ret = gw_dext_config_write(&fn->client, GW_PCI_COMMAND, 2, r->command);
	if (ret)
		master_off(fn, &command);	/* who knows how it came back */
	if (ret && r->late) {
		gw_err_guest(fn->f.log, "%s: reset failed: %s; it is off the bus until a later one "
			     "succeeds", fn->f.info.name, strerror(-ret));
		gw_dext_irq_error(&fn->irq);
	}
	r->result = ret;
	atomic_store(&r->state, ret ? GW_DEXT_RESET_FAILED : GW_DEXT_RESET_NONE);
	last = atomic_fetch_sub(&fn->uses, 1) == 1;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	if (last)
		r->free(fn);
}

static void reset_run(struct gw_dext_job *job)
{
	struct gw_dext_function *fn = container_of(job, struct reset_job, job)->fn;

	reset_over(fn, gw_dext_reset(&fn->client));
}

static void reset_drop(struct gw_dext_job *job)
{
	free(container_of(job, struct reset_job, job));
}

/* No reset runs. */
static int start_locked(struct gw_dext_function *fn) GW_HOLDS(fn->reset.lock)
{
	struct reset_job *rj;
	int ret = master_off(fn, &fn->reset.command);

	if (ret == -ENODEV)
		return ret;
	rj = calloc(1, sizeof(*rj));
	if (!rj)
		return -ENOMEM;
	rj->fn = fn;
	rj->job.run = reset_run;
	rj->job.drop = reset_drop;
	fn->reset.wanted = fn->reset.late = false;
	fn->reset.result = 0;
	atomic_store(&fn->reset.state, GW_DEXT_RESET_RUNS);
	atomic_fetch_add(&fn->uses, 1);
	ret = gw_dext_job_start(&rj->job, "gw-dext-reset");
	if (ret) {
		atomic_fetch_sub(&fn->uses, 1);		/* the caller's is left */
		atomic_store(&fn->reset.state, GW_DEXT_RESET_FAILED);
		free(rj);
		return ret;
	}
	gw_dext_job_put(&rj->job);
	return 0;
}

int gw_dext_function_reset(struct gw_function *f)
{
	struct gw_dext_function *fn = container_of(f, struct gw_dext_function, f);
	int ret = 0;

	pthread_mutex_lock(&fn->reset.lock);
	if (fn->reset.state != GW_DEXT_RESET_RUNS)
		ret = start_locked(fn);
	if (!ret)
		fn->reset.late = await_locked(&fn->reset, gw_now_ns() + fn->opts.reset_ms * 1000000ull);
	if (!ret && !fn->reset.late)
		ret = fn->reset.result;
	else if (!ret)
		gw_trace(f->log, "%s: the reset goes on", f->info.name);
	pthread_mutex_unlock(&fn->reset.lock);
	return ret;
}

int gw_dext_reset_await(struct gw_dext_function *fn)
{
	int ret;

	pthread_mutex_lock(&fn->reset.lock);
	ret = await_locked(&fn->reset, gw_now_ns() + CLOSE_NS);
	pthread_mutex_unlock(&fn->reset.lock);
	return ret;
}

static bool off_bus_locked(struct gw_dext_reset *r) GW_HOLDS(r->lock)
{
	return await_locked(r, gw_now_ns() + ACCESS_NS) || r->state == GW_DEXT_RESET_FAILED;
}

bool gw_dext_reset_off_bus(struct gw_dext_function *fn)
{
	bool off;

	if (atomic_load_explicit(&fn->reset.state, memory_order_acquire) == GW_DEXT_RESET_NONE)
		return false;
	pthread_mutex_lock(&fn->reset.lock);
	off = off_bus_locked(&fn->reset);
	pthread_mutex_unlock(&fn->reset.lock);
	return off;
}

bool gw_dext_reset_config_read(struct gw_dext_function *fn, unsigned int off, unsigned int width,
			       uint32_t *val)
{
	struct gw_dext_reset *r = &fn->reset;
	bool taken = true;

	if (atomic_load_explicit(&r->state, memory_order_acquire) == GW_DEXT_RESET_NONE)
		return false;
	pthread_mutex_lock(&r->lock);
	if (r->state == GW_DEXT_RESET_RUNS && off == GW_PCI_COMMAND && width == 2)
		*val = r->command;
	else if (off_bus_locked(r))
		*val = UINT32_MAX >> (32 - 8 * width);
	else
		taken = false;
	pthread_mutex_unlock(&r->lock);
	return taken;
}

bool gw_dext_reset_config_write(struct gw_dext_function *fn, unsigned int off, unsigned int width,
				uint32_t val)
{
	struct gw_dext_reset *r = &fn->reset;
	bool taken = true;

	if (atomic_load_explicit(&r->state, memory_order_acquire) == GW_DEXT_RESET_NONE)
		return false;
	pthread_mutex_lock(&r->lock);
	if (r->state == GW_DEXT_RESET_RUNS && off == GW_PCI_COMMAND && width == 2) {
		r->command = (uint16_t)val;
		r->wanted = true;
	} else {
		taken = off_bus_locked(r);
	}
	pthread_mutex_unlock(&r->lock);
	return taken;
}
