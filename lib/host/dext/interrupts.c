/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/dext/interrupts.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "base/thread.h"

/*
 * How it works: one asynchronous wait is with the dext (IRQ_WAIT). Its completion, on whatever
 * thread, becomes the deliverer (IRQ_BUSY): it takes what is pending, hands it to the sink, waits
 * anew, and looks once more at what came in between. A completion that finds a deliverer at work,
 * as one does that runs inside the call that made the new wait, only leaves IRQ_KICK and returns;
 * the deliverer goes round again before it gives IRQ_BUSY up. So nothing recurses and nothing is
 * lost. A deliverer that went round IRQ_INLINE_ROUNDS times hands IRQ_BUSY to the relay thread,
 * so that a storm of interrupts keeps no thread of somebody else's.
 *
 * Once IRQ_STOP is set, IRQ_BUSY and IRQ_WAIT are cleared under the lock, where stop() and fini()
 * wait for that; whoever cleared them does not touch the struct again.
 */

enum {
	IRQ_BUSY = 1,		/* somebody delivers */
	IRQ_KICK = 2,		/* there is something to look at */
	IRQ_STOP = 4,		/* deliver no more */
	IRQ_WAIT = 8,		/* the dext will call irq_done() */
	IRQ_RETRY = 16,		/* forget earlier failures */
};

#define IRQ_INLINE_ROUNDS	16u
#define IRQ_MAX_ERRORS		8u

static void irq_done(void *opaque, uint32_t result);

/* Clear @bits after IRQ_STOP was set; the struct may be gone when this returns. */
static void irq_clear_stopped(struct gw_dext_irq *irq, unsigned int bits)
{
	pthread_mutex_lock(&irq->lock);
	atomic_fetch_and(&irq->state, ~bits);
	pthread_cond_broadcast(&irq->changed);
	pthread_mutex_unlock(&irq->lock);
}

static void irq_await_clear(struct gw_dext_irq *irq, unsigned int bits)
{
	pthread_mutex_lock(&irq->lock);
	while (atomic_load(&irq->state) & bits)
		pthread_cond_wait(&irq->changed, &irq->lock);
	pthread_mutex_unlock(&irq->lock);
}

static void irq_take_page(struct gw_dext_irq *irq, uint64_t pending[GW_IRQ_WORDS])
{
	/* ordered after the wait was made: either we see a bit or the dext sees the wait */
	for (unsigned int i = 0; i < GW_IRQ_WORDS; i++)
		pending[i] = atomic_load(&irq->page->pending[i]) ?
			     atomic_exchange(&irq->page->pending[i], 0) : 0;
}

/* Hand what is pending to the sink. */
static int irq_deliver(struct gw_dext_irq *irq)
{
	uint64_t pending[GW_IRQ_WORDS], any = 0;
	int ret;

	if (irq->page) {
		irq_take_page(irq, pending);
	} else {
		ret = gw_dext_check_irq(irq->client, pending);
		if (ret)
			return ret;
	}
	pthread_mutex_lock(&irq->fire_lock);
	for (unsigned int i = 0; i < GW_IRQ_WORDS; i++) {
		pending[i] &= atomic_load_explicit(&irq->enabled[i], memory_order_relaxed);
		any |= pending[i];
	}
	if (any && irq->sink)
		irq->sink->fire(irq->sink, pending);
	pthread_mutex_unlock(&irq->fire_lock);
	return 0;
}

static void irq_failed(struct gw_dext_irq *irq, int ret)
{
	irq->dead = ret == -ENODEV || ++irq->errors == IRQ_MAX_ERRORS;
	if (ret == -ENODEV)
		gw_dext_set_gone(irq->client);
	else if (irq->dead)
		gw_err_guest(irq->client->log, "%s: interrupts are no longer delivered: %s",
			     irq->client->info.name, strerror(-ret));
}

/*
 * The message tells why the guest's driver fails afterwards; its rate is limited, as a dext may say
 * so all the time.
 */
static void irq_slept(struct gw_dext_irq *irq)
{
	if (!gw_log_may(irq->client->log))
		return;
	gw_warn(irq->client->log, "%s: this machine goes to sleep, and the device forgets what its driver told it",
		irq->client->info.name);
	gw_hint(irq->client->log, "its driver in the guest has to reset it, or be loaded anew; to stay awake "
		"meanwhile: caffeinate -i");
}

/* Have the dext tell us of what comes next. @result is ours again only if that fails. */
static int irq_arm(struct gw_dext_irq *irq)
{
	uint32_t result;

	atomic_fetch_or(&irq->state, IRQ_WAIT);
	result = gw_dext_wait_irq(irq->client, irq_done, irq);
	if (result == GW_IORETURN_SUCCESS)
		return 0;
	irq->result = result;
	atomic_fetch_and(&irq->state, ~IRQ_WAIT);
	return gw_dext_errno(result);
}

/* The last wait is over: deliver, and make the next one. Return: false to try that again. */
static bool irq_renew(struct gw_dext_irq *irq)
{
	bool slept = irq->result == GW_IORETURN_NO_POWER;
	bool failed = irq->result != GW_IORETURN_SUCCESS && !slept;
	int ret;

	if (slept)
		irq_slept(irq);
	if (failed)
		irq_failed(irq, gw_dext_errno(irq->result));
	irq->result = GW_IORETURN_SUCCESS;
	if (irq->dead)
		return true;
	ret = irq_deliver(irq);
	if (ret) {
		irq_failed(irq, ret);
		return irq->dead;
	}
	if (!failed)
		irq->errors = 0;
	if (irq_arm(irq))
		return false;
	irq_deliver(irq);	/* if this fails, the dext still completes the wait */
	return true;
}

static void irq_round(struct gw_dext_irq *irq)
{
	unsigned int s = atomic_fetch_and(&irq->state, ~(IRQ_KICK | IRQ_RETRY));

	if (s & IRQ_STOP)
		return;
	if (s & IRQ_RETRY) {
		irq->errors = 0;
		irq->dead = false;
	}
	if (s & IRQ_WAIT)
		irq_deliver(irq);
	else if (!irq_renew(irq))
		atomic_fetch_or(&irq->state, IRQ_KICK);
}

/* Give IRQ_BUSY up. Return: false if there is more to do; else @irq may be gone. */
static bool irq_leave(struct gw_dext_irq *irq)
{
	unsigned int s = atomic_load(&irq->state);

	do {
		if (s & IRQ_STOP) {
			irq_clear_stopped(irq, IRQ_BUSY);
			return true;
		}
		if (s & IRQ_KICK)
			return false;
	} while (!atomic_compare_exchange_weak(&irq->state, &s, s & ~(unsigned int)IRQ_BUSY));
	return true;
}

/* Deliver as the one who set IRQ_BUSY; @irq may be gone on return. */
static void irq_run(struct gw_dext_irq *irq)
{
	unsigned int rounds = 0;

	do {
		if (rounds++ == IRQ_INLINE_ROUNDS) {
			pthread_mutex_lock(&irq->lock);
			irq->relay_run = true;
			pthread_cond_broadcast(&irq->changed);
			pthread_mutex_unlock(&irq->lock);
			return;
		}
		irq_round(irq);
	} while (!irq_leave(irq));
}

static void *irq_relay(void *opaque)
{
	struct gw_dext_irq *irq = opaque;

	pthread_mutex_lock(&irq->lock);
	for (;;) {
		if (irq->relay_run) {
			irq->relay_run = false;
			pthread_mutex_unlock(&irq->lock);
			sched_yield();	/* in a storm others come first */
			irq_run(irq);
			pthread_mutex_lock(&irq->lock);
		} else if (irq->relay_quit) {
			break;
		} else {
			pthread_cond_wait(&irq->changed, &irq->lock);
		}
	}
	pthread_mutex_unlock(&irq->lock);
	return NULL;
}

static void irq_done(void *opaque, uint32_t result)
{
	struct gw_dext_irq *irq = opaque;
	unsigned int s = atomic_load(&irq->state), next;

	irq->result = result;
	do {
		if (s & IRQ_STOP) {
			irq_clear_stopped(irq, IRQ_WAIT);
			return;
		}
		next = (s & ~(unsigned int)IRQ_WAIT) | IRQ_KICK | IRQ_BUSY;
	} while (!atomic_compare_exchange_weak(&irq->state, &s, next));
	if (!(s & IRQ_BUSY))
		irq_run(irq);
}

void gw_dext_irq_kick(struct gw_dext_irq *irq)
{
	unsigned int s = atomic_load(&irq->state);

	do {
		if (s & IRQ_STOP)
			return;
	} while (!atomic_compare_exchange_weak(&irq->state, &s,
					       s | IRQ_KICK | IRQ_RETRY | IRQ_BUSY));
	if (!(s & IRQ_BUSY))
		irq_run(irq);
}

int gw_dext_irq_init(struct gw_dext_irq *irq, struct gw_dext_client *client)
{
	*irq = (struct gw_dext_irq){ .client = client, .state = IRQ_STOP };
	for (unsigned int i = 0; i < GW_IRQ_WORDS; i++)
		atomic_init(&irq->enabled[i], UINT64_MAX);
	if (pthread_mutex_init(&irq->mask_lock, NULL))
		return -ENOMEM;
	if (pthread_mutex_init(&irq->fire_lock, NULL))
		goto destroy_mask_lock;
	if (pthread_mutex_init(&irq->lock, NULL))
		goto destroy_fire_lock;
	if (pthread_cond_init(&irq->changed, NULL))
		goto destroy_lock;
	return 0;
destroy_lock:
	pthread_mutex_destroy(&irq->lock);
destroy_fire_lock:
	pthread_mutex_destroy(&irq->fire_lock);
destroy_mask_lock:
	pthread_mutex_destroy(&irq->mask_lock);
	return -ENOMEM;
}

static void irq_relay_stop(struct gw_dext_irq *irq)
{
	pthread_mutex_lock(&irq->lock);
	irq->relay_quit = true;
	pthread_cond_broadcast(&irq->changed);
	pthread_mutex_unlock(&irq->lock);
	pthread_join(irq->relay, NULL);
	pthread_mutex_lock(&irq->lock);
	irq->relay_quit = false;
	pthread_mutex_unlock(&irq->lock);
}

/* Which bits of word @i are vectors, of @nr. */
static uint64_t irq_vectors(unsigned int nr, unsigned int i)
{
	if (nr >= 64 * (i + 1))
		return UINT64_MAX;
	return nr > 64 * i ? (1ull << (nr - 64 * i)) - 1 : 0;
}

/* Tell the dext which vectors to drop; all are enabled at first. */
static int irq_push_mask(struct gw_dext_irq *irq) GW_HOLDS(irq->mask_lock)
{
	uint64_t enabled[GW_IRQ_WORDS];

	for (unsigned int i = 0; i < GW_IRQ_WORDS; i++) {
		enabled[i] = atomic_load_explicit(&irq->enabled[i], memory_order_relaxed);
		if (irq->page)
			atomic_store(&irq->page->enabled[i], enabled[i]);
	}
	return irq->page ? 0 : gw_dext_mask_irq(irq->client, enabled);
}

/* Have the dext set interrupts up, and get at the page if it has one. */
static int irq_setup(struct gw_dext_irq *irq, unsigned int *nr) GW_HOLDS(irq->mask_lock)
{
	int ret = gw_dext_setup_irq(irq->client, nr);

	if (ret)
		return ret == -EEXIST ? -EBUSY : ret;
	for (unsigned int i = 0; i < GW_IRQ_WORDS; i++)
		atomic_fetch_and(&irq->enabled[i], irq_vectors(*nr, i));
	ret = gw_dext_map_irq_page(irq->client, &irq->page_map);
	if (!ret)
		irq->page = irq->page_map.addr;
	else if (ret != -ENODEV)
		gw_debug(irq->client->log, "%s: no interrupt page (%s), using calls",
			 irq->client->info.name, strerror(-ret));
	return ret == -ENODEV ? ret : irq_push_mask(irq);
}

static void irq_unmap_page(struct gw_dext_irq *irq)
{
	if (irq->page)
		gw_dext_unmap_irq_page(irq->client, &irq->page_map);
	irq->page = NULL;
}

/* Have the dext set interrupts up, and wait for the first. */
static int irq_begin(struct gw_dext_irq *irq) GW_HOLDS(irq->mask_lock)
{
	unsigned int n = 0;
	int ret = gw_thread_start(&irq->relay, "gw-irq-relay", irq_relay, irq);

	if (ret)
		return ret;
	ret = irq_setup(irq, &n);
	if (ret)
		goto stop_relay;
	atomic_store(&irq->state, IRQ_BUSY);
	ret = irq_arm(irq);
	if (ret)
		goto stop_relay;
	irq->nr = n;
	return 0;
stop_relay:
	atomic_store(&irq->state, IRQ_STOP);
	irq_unmap_page(irq);
	irq_relay_stop(irq);
	return ret;
}

static struct gw_irq_sink *irq_get_sink(struct gw_dext_irq *irq) GW_HOLDS(irq->mask_lock)
{
	GW_READABLE(irq->fire_lock);
	return irq->sink;
}

static void irq_set_sink(struct gw_dext_irq *irq, struct gw_irq_sink *sink) GW_HOLDS(irq->mask_lock)
{
	pthread_mutex_lock(&irq->fire_lock);
	irq->sink = sink;
	pthread_mutex_unlock(&irq->fire_lock);
}

int gw_dext_irq_start(struct gw_dext_irq *irq, struct gw_irq_sink *sink, unsigned int *nr)
{
	bool first = false;
	int ret = 0;

	pthread_mutex_lock(&irq->mask_lock);
	if (irq_get_sink(irq)) {
		ret = -EBUSY;
	} else {
		irq_set_sink(irq, sink);
		first = !irq->nr;
		if (first)
			ret = irq_begin(irq);
		if (ret)
			irq_set_sink(irq, NULL);
		else
			*nr = irq->nr;
	}
	pthread_mutex_unlock(&irq->mask_lock);
	if (first && !ret)
		irq_run(irq);
	return ret;
}

void gw_dext_irq_detach(struct gw_dext_irq *irq)
{
	pthread_mutex_lock(&irq->mask_lock);
	irq_set_sink(irq, NULL);
	pthread_mutex_unlock(&irq->mask_lock);
}

int gw_dext_irq_mask(struct gw_dext_irq *irq, const uint64_t enabled[GW_IRQ_WORDS])
{
	int ret = 0;

	pthread_mutex_lock(&irq->mask_lock);
	for (unsigned int i = 0; i < GW_IRQ_WORDS; i++)
		atomic_store_explicit(&irq->enabled[i],
				      irq->nr ? enabled[i] & irq_vectors(irq->nr, i) : enabled[i],
				      memory_order_relaxed);
	if (irq->nr)
		ret = irq_push_mask(irq);
	pthread_mutex_unlock(&irq->mask_lock);
	/* a delivery that saw the old bits is over once we had the lock */
	pthread_mutex_lock(&irq->fire_lock);
	pthread_mutex_unlock(&irq->fire_lock);
	return ret;
}

void gw_dext_irq_error(struct gw_dext_irq *irq)
{
	struct gw_irq_sink *sink;

	pthread_mutex_lock(&irq->mask_lock);
	sink = irq_get_sink(irq);
	if (irq->nr && sink && sink->error)
		sink->error(sink);
	pthread_mutex_unlock(&irq->mask_lock);
}

void gw_dext_irq_stop(struct gw_dext_irq *irq)
{
	bool started;

	pthread_mutex_lock(&irq->mask_lock);
	started = irq->nr;
	irq->nr = 0;
	pthread_mutex_unlock(&irq->mask_lock);
	if (!started)
		return;
	atomic_fetch_or(&irq->state, IRQ_STOP);
	irq_await_clear(irq, IRQ_BUSY);
	irq_relay_stop(irq);
	irq_unmap_page(irq);
}

void gw_dext_irq_fini(struct gw_dext_irq *irq)
{
	irq_await_clear(irq, IRQ_WAIT);
	pthread_cond_destroy(&irq->changed);
	pthread_mutex_destroy(&irq->lock);
	pthread_mutex_destroy(&irq->fire_lock);
	pthread_mutex_destroy(&irq->mask_lock);
}
