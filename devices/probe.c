/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices/probe.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bitmap.h"
#include "base/lock.h"
#include "base/thread.h"
#include "base/os.h"
#include "base/util.h"

/*
 * How it works: registers are bytes with a mask of those that can be written; an access copies
 * its bytes and then acts on the registers that do something. The DMA engine is a thread which
 * copies in chunks, so that quiesce() has only one chunk to wait for. The thread holds the lock
 * at all times but during the access itself.
 */

#define CHUNK		16384u		/* a multiple of the pattern */
#define RETRY_NS	1000000L

struct probe_job {
	uint32_t command, vector;
	uint64_t src, dst, len, done;
	uint64_t pattern, sum;
};

/**
 * struct probe - the endpoint
 * @buf:     the thread's
 * @wake:    to the thread: there is a job, or an end
 * @quiet:   from the thread: an access is over
 * @paused:  bus mastering is off; the thread starts no access
 * @access:  the thread is in one
 * @active:  there is a job, or the rest of one
 */
struct probe {
	struct gw_endpoint ep;
	pthread_t thread;

	pthread_mutex_t lock;
	pthread_cond_t wake, quiet;
	uint8_t reg[PROBE_REGS_END] GW_GUARDED_BY(lock);
	uint32_t resets GW_GUARDED_BY(lock);
	bool paused GW_GUARDED_BY(lock), access GW_GUARDED_BY(lock), active GW_GUARDED_BY(lock);
	bool stop GW_GUARDED_BY(lock), end GW_GUARDED_BY(lock);
	struct probe_job job GW_GUARDED_BY(lock);

	uint8_t buf[CHUNK];
};

static uint64_t reg_get(const struct probe *p, unsigned int reg, unsigned int width)
	GW_HOLDS(p->lock)
{
	uint64_t v = 0;

	memcpy(&v, p->reg + reg, width);
	return v;
}

static void reg_put(struct probe *p, unsigned int reg, unsigned int width, uint64_t v)
	GW_HOLDS(p->lock)
{
	memcpy(p->reg + reg, &v, width);
}

static bool reg_writable(unsigned int at)
{
	return (at >= PROBE_SCRATCH8 && at < PROBE_WIDTH) ||
	       (at >= PROBE_SRC && at < PROBE_STATUS) || (at >= PROBE_VECTOR && at < PROBE_RESULT);
}

static void regs_reset(struct probe *p) GW_HOLDS(p->lock)
{
	memset(p->reg, 0, sizeof(p->reg));
	reg_put(p, PROBE_ID, 4, PROBE_ID_VALUE);
	reg_put(p, PROBE_VERSION, 4, 1);
	reg_put(p, PROBE_RESETS, 4, p->resets);
	reg_put(p, PROBE_VECTOR, 4, PROBE_NO_VECTOR);
}

/* Read @n bytes of the job's source and do with them what the command is for. */
static int job_chunk(struct probe *p, struct probe_job *j, size_t n)
{
	gw_iova src = { j->src + j->done }, dst = { j->dst + j->done };
	int ret = 0;

	if (j->command == PROBE_CMD_FILL) {
		for (size_t i = 0; i < n; i++)
			p->buf[i] = (uint8_t)(j->pattern >> 8 * (i % 8));
	} else {
		ret = gw_endpoint_dma_read(&p->ep, src, p->buf, n);
	}
	if (ret)
		return ret;
	if (j->command != PROBE_CMD_SUM)
		return gw_endpoint_dma_write(&p->ep, dst, p->buf, n);
	for (size_t i = 0; i < n; i++)
		j->sum = (j->sum ^ p->buf[i]) * PROBE_SUM_PRIME;
	return 0;
}

/* The job is over. Return: the vector to raise. */
static uint32_t job_end(struct probe *p, int ret) GW_HOLDS(p->lock)
{
	p->active = false;
	reg_put(p, PROBE_RESULT, 8, p->job.sum);
	reg_put(p, PROBE_ERROR, 4, (uint32_t)-ret);
	reg_put(p, PROBE_STATUS, 4, ret ? PROBE_FAILED : PROBE_OK);
	return p->job.vector;
}

/* The bus refused for now, without having told us to pause. */
static void job_wait(struct probe *p) GW_HOLDS(p->lock)
{
	gw_os_cond_wait_until(&p->wake, &p->lock, gw_now_ns() + RETRY_NS);
}

/* The lock is let go for the access. Return: a vector to raise or PROBE_NO_VECTOR. */
static uint32_t job_step(struct probe *p) GW_HOLDS(p->lock)
{
	struct probe_job j = p->job;
	size_t n = j.len - j.done < CHUNK ? (size_t)(j.len - j.done) : CHUNK;
	int ret = 0;

	if (p->stop)
		return job_end(p, -ECANCELED);
	if (n) {
		p->access = true;
		pthread_mutex_unlock(&p->lock);
		ret = job_chunk(p, &j, n);
		pthread_mutex_lock(&p->lock);
		p->access = false;
		pthread_cond_broadcast(&p->quiet);
	}
	if (ret == -ECANCELED || ret == -EPERM) {
		/* the remote is stopped or bus mastering off: this chunk is to be done again */
		if (!p->paused)
			job_wait(p);
		return PROBE_NO_VECTOR;
	}
	if (ret)
		return job_end(p, ret);
	j.done += n;
	p->job = j;
	reg_put(p, PROBE_DONE, 8, j.done);
	return j.done == j.len ? job_end(p, 0) : PROBE_NO_VECTOR;
}

static void *probe_thread(void *opaque)
{
	struct probe *p = opaque;
	uint32_t vector;

	pthread_mutex_lock(&p->lock);
	while (!p->end) {
		if (p->paused || !p->active) {
			pthread_cond_wait(&p->wake, &p->lock);
			continue;
		}
		vector = job_step(p);
		if (vector >= PROBE_VECTORS)
			continue;
		pthread_mutex_unlock(&p->lock);
		gw_endpoint_irq(&p->ep, vector);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static int job_check(const struct probe_job *j)
{
	uint64_t last;

	if (j->command > PROBE_CMD_SUM)
		return -EINVAL;
	if (!j->len)
		return 0;
	if (j->command != PROBE_CMD_FILL && __builtin_add_overflow(j->src, j->len - 1, &last))
		return -EOVERFLOW;
	if (j->command != PROBE_CMD_SUM && __builtin_add_overflow(j->dst, j->len - 1, &last))
		return -EOVERFLOW;
	return 0;
}

/* COMMAND was written. Return: a vector to raise or PROBE_NO_VECTOR. */
static uint32_t command_written(struct probe *p) GW_HOLDS(p->lock)
{
	uint32_t command = (uint32_t)reg_get(p, PROBE_COMMAND, 4);
	int ret;

	if (p->active) {
		p->stop |= command == PROBE_CMD_STOP;
		pthread_cond_signal(&p->wake);
		return PROBE_NO_VECTOR;
	}
	if (command == PROBE_CMD_STOP)
		return PROBE_NO_VECTOR;
	p->job = (struct probe_job){
		.command = command,
		.vector = (uint32_t)reg_get(p, PROBE_VECTOR, 4),
		.src = reg_get(p, PROBE_SRC, 8),
		.dst = reg_get(p, PROBE_DST, 8),
		.len = reg_get(p, PROBE_LEN, 8),
		.pattern = reg_get(p, PROBE_PATTERN, 8),
		.sum = PROBE_SUM_START,
	};
	reg_put(p, PROBE_DONE, 8, 0);
	reg_put(p, PROBE_ERROR, 4, 0);
	ret = job_check(&p->job);
	if (ret)
		return job_end(p, ret);
	reg_put(p, PROBE_STATUS, 4, PROBE_BUSY);
	p->stop = false;
	p->active = true;
	pthread_cond_signal(&p->wake);
	return PROBE_NO_VECTOR;
}

static struct probe *to_probe(struct gw_endpoint *ep)
{
	return container_of(ep, struct probe, ep);
}

static int probe_bar_read(struct gw_endpoint *ep, unsigned int bar, gw_bar_off off,
			  unsigned int width, uint64_t *val)
{
	struct probe *p = to_probe(ep);

	*val = 0;
	if (bar || off.v >= PROBE_REGS_END)
		return 0;
	pthread_mutex_lock(&p->lock);
	*val = reg_get(p, (unsigned int)off.v, width);
	pthread_mutex_unlock(&p->lock);
	return 0;
}

static bool covers(unsigned int at, unsigned int width, unsigned int reg)
{
	return at <= reg && reg < at + width;
}

/* The vectors that a write to the interrupt registers raises. */
static uint64_t irqs_written(struct probe *p, unsigned int at, unsigned int width)
	GW_HOLDS(p->lock)
{
	uint64_t vector = reg_get(p, PROBE_IRQ, 4), raise = 0;

	if (covers(at, width, PROBE_IRQ) && vector < PROBE_VECTORS)
		raise |= 1ull << vector;
	raise |= reg_get(p, PROBE_IRQS, 4);
	reg_put(p, PROBE_IRQ, 8, 0);
	return raise;
}

static int probe_bar_write(struct gw_endpoint *ep, unsigned int bar, gw_bar_off off,
			   unsigned int width, uint64_t val)
{
	struct probe *p = to_probe(ep);
	uint32_t end = PROBE_NO_VECTOR;
	unsigned int at, v;
	uint64_t raise;

	if (bar || off.v >= PROBE_REGS_END)
		return 0;
	at = (unsigned int)off.v;
	pthread_mutex_lock(&p->lock);
	for (unsigned int i = 0; i < width; i++)
		if (reg_writable(at + i))
			p->reg[at + i] = (uint8_t)(val >> 8 * i);
	reg_put(p, PROBE_WRITES, 4, reg_get(p, PROBE_WRITES, 4) + 1);
	reg_put(p, PROBE_WIDTH, 4, width);
	raise = irqs_written(p, at, width);
	if (covers(at, width, PROBE_COMMAND))
		end = command_written(p);
	pthread_mutex_unlock(&p->lock);

	if (end < PROBE_VECTORS)
		raise |= 1ull << end;
	gw_bitmap_for_each(v, raise)
		gw_endpoint_irq(ep, v);
	return 0;
}

static void probe_quiesce(struct gw_endpoint *ep)
{
	struct probe *p = to_probe(ep);

	pthread_mutex_lock(&p->lock);
	p->paused = true;
	while (p->access)
		pthread_cond_wait(&p->quiet, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

static void probe_resume(struct gw_endpoint *ep)
{
	struct probe *p = to_probe(ep);

	pthread_mutex_lock(&p->lock);
	p->paused = false;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

static void probe_reset(struct gw_endpoint *ep)
{
	struct probe *p = to_probe(ep);

	pthread_mutex_lock(&p->lock);
	p->active = false;
	p->resets++;
	regs_reset(p);
	pthread_mutex_unlock(&p->lock);
}

static void probe_free(struct gw_endpoint *ep)
{
	struct probe *p;

	if (!ep)
		return;
	p = to_probe(ep);
	pthread_mutex_lock(&p->lock);
	p->end = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	pthread_cond_destroy(&p->quiet);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static const struct gw_endpoint_ops probe_ops = {
	.bar_read = probe_bar_read,
	.bar_write = probe_bar_write,
	.quiesce = probe_quiesce,
	.resume = probe_resume,
	.reset = probe_reset,
	.free = probe_free,
};

static const struct gw_endpoint_desc probe_desc = {
	.vendor = PROBE_VENDOR,
	.device = PROBE_DEVICE,
	.subvendor = PROBE_VENDOR,
	.subdevice = PROBE_DEVICE,
	.class_code = 0xff0000,		/* fits no class */
	.revision = 1,
	.bar = {
		[0] = { .size = 0x1000 },
		[2] = { .size = PROBE_MEM_SIZE, .is_64bit = true, .prefetchable = true,
			.mapped = true },
		[4] = { .size = 0x1000 },
	},
	.msix_vectors = PROBE_VECTORS,
	.msix_bar = 4,
	.msix_table = 0,
	.msix_pba = 0x800,
	.serial = 0x65626f7270000001,
};

static int desc_parse(struct gw_endpoint_desc *desc, const char *opts, struct gw_log *log)
{
	if (!*opts || !strcmp(opts, "irq=msix"))
		return 0;
	if (strcmp(opts, "irq=msi") && strcmp(opts, "irq=none")) {
		gw_err(log, "probe: option '%s' is not known; it takes irq=msix, irq=msi or irq=none",
		       opts);
		return -EINVAL;
	}
	desc->msix_vectors = 0;
	desc->msi_vectors = !strcmp(opts, "irq=msi") ? PROBE_VECTORS : 0;
	return 0;
}

static int probe_new(const char *opts, struct gw_log *log, struct gw_endpoint **ep)
{
	struct gw_endpoint_desc desc = probe_desc;
	struct probe *p;
	int ret;

	ret = desc_parse(&desc, opts ? opts : "", log);
	if (ret)
		return ret;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->ep.ops = &probe_ops;
	p->ep.desc = desc;
	pthread_mutex_init(&p->lock, NULL);
	p->paused = true;	/* bus mastering is off at first */
	regs_reset(p);
	gw_os_cond_init(&p->wake);
	gw_os_cond_init(&p->quiet);
	ret = gw_thread_start(&p->thread, "gw-probe", probe_thread, p);
	if (ret) {
		gw_err(log, "probe: cannot start its thread: %s", strerror(-ret));
		goto free_probe;
	}
	*ep = &p->ep;
	return 0;
free_probe:
	pthread_cond_destroy(&p->quiet);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	free(p);
	return ret;
}

const struct gw_endpoint_type gw_probe_type = {
	.name = "probe",
	.help = "irq=KIND       msix (default, 32 vectors), msi, or none\n",
	.make = probe_new,
};
