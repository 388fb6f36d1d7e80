/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/os.h"
#include "base/thread.h"
#include "base/util.h"
#include "controller.h"
#include "device.h"
#include "end.h"
#include "event_requests.h"
#include "fetch.h"
#include "reap.h"
#include "ring.h"
#include "start.h"

/*
 * How it works: the worker goes in rounds: it takes results of the ring, fetches commands, posts
 * completions, tells the host. When there is nothing to do, it looks for more for a bounded time,
 * and then sleeps.
 *
 * Nothing is lost on the way to sleep: the worker sets ctl.sleeping before it looks at everything
 * once more, and whoever brings work stores it before looking at ctl.sleeping.
 */
#define AGAIN_NS	1000000u	/* memory out of reach: try this often */
#define LOADED_NS	100000u		/* a yield this long: others need the processor */

/* Return: done. No lock is held, as the bus may be called. */
static bool order_run(struct nvme *nv, enum nvme_order order)
{
	switch (order) {
	case NVME_ORDER_NONE:
		break;
	case NVME_RESUME:
		nv->quiet = false;
		nv->again = true;
		break;
	case NVME_QUIESCE:
	case NVME_RESET:
	case NVME_STOP:
		if (!nv->order_open)
			gw_nvme_cancel_all(nv);
		nv->quiet = true;
		if (nv->nr_ring)
			return false;
		if (order == NVME_RESET)
			gw_nvme_power_on(nv);
		nv->stop = order == NVME_STOP;
		break;
	}
	return true;
}

static void order_look(struct nvme *nv)
{
	enum nvme_order order;

	pthread_mutex_lock(&nv->ctl.lock);
	order = nv->ctl.order;
	pthread_mutex_unlock(&nv->ctl.lock);
	nv->order_open = !order_run(nv, order);
	if (nv->order_open || order == NVME_ORDER_NONE)
		return;
	pthread_mutex_lock(&nv->ctl.lock);
	if (nv->ctl.late_since && nv->ctl.late_said && !nv->ctl.left)
		gw_warn(nv->log, "nvme: backing file answers again, after %" PRIu64 " ms",
			(gw_now_ns() - nv->ctl.late_since) / 1000000);
	nv->ctl.late_since = 0;
	nv->ctl.order = NVME_ORDER_NONE;
	pthread_cond_broadcast(&nv->ctl.done);
	pthread_mutex_unlock(&nv->ctl.lock);
}

static void look(struct nvme *nv)
{
	if (!atomic_exchange(&nv->ctl.attention, false) && !nv->order_open && !nv->disabling &&
	    !nv->shutdown_waits)
		return;
	order_look(nv);
	gw_nvme_control_cc(nv);
}

static void report_doorbells(struct nvme *nv)
{
	uint32_t bad;

	if (!nv->ready || !atomic_load(&nv->regs.bad_doorbells))
		return;
	bad = atomic_exchange(&nv->regs.bad_doorbells, 0);
	if (bad & 1u << NVME_EVENT_BAD_DOORBELL)
		gw_nvme_event(nv, NVME_EVENT_ERROR, NVME_EVENT_BAD_DOORBELL);
	if (bad & 1u << NVME_EVENT_BAD_VALUE)
		gw_nvme_event(nv, NVME_EVENT_ERROR, NVME_EVENT_BAD_VALUE);
}

/* Return: there was something to do */
static bool work_round(struct nvme *nv)
{
	bool did;

	gw_nvme_shadow_begin(nv);
	report_doorbells(nv);
	did = gw_nvme_ring_reap(nv);
	if (did || nv->again) {
		nv->again = false;
		did |= gw_nvme_unpark(nv);
	}
	did |= gw_nvme_fetch(nv);
	gw_nvme_ring_submit(nv);
	did |= gw_nvme_ring_reap(nv);	/* what was in the page cache is done already */
	gw_nvme_events_deliver(nv);
	did |= gw_nvme_post(nv);
	gw_nvme_signal(nv, !gw_nvme_poll_is_on(&nv->poll) && !nv->nap.on);
	gw_nvme_shadow_end(nv);
	return did;
}

static bool something_waits(struct nvme *nv)
{
	bool waits;

	if (atomic_load(&nv->ctl.attention) || gw_nvme_ring_waits(nv) ||
	    (nv->ready && !nv->dead && atomic_load(&nv->regs.bad_doorbells)))
		return true;
	gw_nvme_shadow_begin(nv);
	/* to look at a doorbell can also find it wrong, which is to be told */
	waits = gw_nvme_work_waits(nv);
	waits |= gw_nvme_events_wait(nv);
	gw_nvme_shadow_end(nv);
	return waits;
}

/*
 * Wake-ups that a host pays for if the worker sleeps: its own, and with shadow doorbells that of
 * whoever takes its doorbell, which it would not have to ring otherwise.
 */
static unsigned int wakeups(const struct nvme *nv)
{
	return nv->shadow.on ? 2 : 1;
}

/* Look for work a bounded time, yielding to whoever else can run. Return: found some */
static bool poll_for_work(struct nvme *nv)
{
	struct nvme_poll *p = &nv->poll;
	uint64_t start = gw_now_ns(), last = start, now, look;

	look = gw_nvme_poll_begin(p, start, wakeups(nv));
	if (!look || !nv->ready || nv->quiet || nv->dead || nv->shadow.remote)
		return false;
	do {
		sched_yield();
		now = gw_now_ns();
		if (now - last > LOADED_NS) {
			gw_nvme_poll_loaded(p, now);
			return something_waits(nv);
		}
		if (something_waits(nv)) {
			gw_nvme_poll_paid(p, now);
			return true;
		}
		last = now;
		gw_nvme_shadow_begin(nv);
		gw_nvme_signal(nv, false);
		gw_nvme_shadow_end(nv);
	} while (now - start < look);
	gw_nvme_poll_failed(p, now);
	return false;
}

/* Return: slept a moment, look for work */
static bool nap(struct nvme *nv)
{
	uint64_t ns;

	if (!nv->shadow.on || nv->shadow.remote || !nv->poll.max_ns || !nv->ready || nv->quiet ||
	    nv->dead || !gw_nvme_nap_wanted(&nv->nap, nv->nr_commands, gw_now_ns()))
		return false;
	atomic_store(&nv->ctl.sleeping, true);
	if (!something_waits(nv)) {
		ns = gw_nvme_nap_begin(&nv->nap, nv->nr_commands);
		if (gw_nvme_ring_sleep(nv, ns) < ns || io_uring_cq_ready(&nv->ring))
			gw_nvme_nap_cut(&nv->nap);
	}
	atomic_store(&nv->ctl.sleeping, false);
	return true;
}

static uint64_t sleep_limit(struct nvme *nv)
{
	uint64_t ns = nv->again || nv->ring_dirty ? AGAIN_NS : 0, now;

	if (nv->quiet)
		return 0;
	if (nv->wake_at) {
		now = gw_now_ns();
		if (nv->wake_at <= now)
			return 1;
		if (!ns || nv->wake_at - now < ns)
			ns = nv->wake_at - now;
	}
	return ns;
}

static void go_to_sleep(struct nvme *nv)
{
	uint64_t limit, rung;

	gw_nvme_poll_slept(&nv->poll);
	gw_nvme_shadow_begin(nv);
	gw_nvme_signal(nv, true);
	gw_nvme_shadow_end(nv);
	limit = sleep_limit(nv);
	atomic_store(&nv->ctl.rung, 0);
	atomic_store(&nv->ctl.sleeping, true);
	gw_nvme_want_room(nv, true);
	gw_nvme_shadow_publish(nv);
	if (!something_waits(nv)) {
		gw_nvme_ring_sleep(nv, limit);
		rung = atomic_load(&nv->ctl.rung);
		if (rung)
			gw_nvme_poll_woken(&nv->poll, gw_now_ns(), rung, wakeups(nv));
	}
	atomic_store(&nv->ctl.sleeping, false);
}

struct start {
	struct nvme *nv;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done GW_GUARDED_BY(lock);
	int ret GW_GUARDED_BY(lock);
};

static bool worker_begin(struct start *s)
{
	int ret = gw_nvme_ring_init(s->nv);

	prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);	/* naps are short */
	pthread_mutex_lock(&s->lock);
	s->ret = ret;
	s->done = true;
	pthread_cond_signal(&s->cond);
	pthread_mutex_unlock(&s->lock);
	return !ret;
}

static void *worker(void *arg)
{
	struct start *s = arg;
	struct nvme *nv = s->nv;
	bool left;

	if (!worker_begin(s))
		return NULL;
	while (!nv->stop) {
		look(nv);
		if (nv->stop || work_round(nv) || nap(nv) || poll_for_work(nv))
			continue;
		if (!nv->order_open || nv->nr_ring)
			go_to_sleep(nv);
	}
	io_uring_queue_exit(&nv->ring);
	pthread_mutex_lock(&nv->ctl.lock);
	nv->ctl.ended = true;
	left = nv->ctl.left;
	pthread_mutex_unlock(&nv->ctl.lock);
	if (left)
		gw_nvme_free(nv);
	return NULL;
}

int gw_nvme_worker_start(struct nvme *nv)
{
	struct start s = {
		.nv = nv, .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER,
	};
	int ret;

	ret = gw_thread_start(&nv->thread, "gw-nvme", worker, &s);
	if (ret)
		return ret;
	pthread_mutex_lock(&s.lock);
	while (!s.done)
		pthread_cond_wait(&s.cond, &s.lock);
	ret = s.ret;
	pthread_mutex_unlock(&s.lock);
	if (ret)
		pthread_join(nv->thread, NULL);
	return ret;
}

bool gw_nvme_worker_stop(struct nvme *nv)
{
	if (!gw_nvme_order(nv, NVME_STOP)) {
		pthread_mutex_lock(&nv->ctl.lock);
		nv->ctl.left = !nv->ctl.ended;
		if (nv->ctl.left) {
			nv->log = NULL;		/* it may go before the worker does */
			pthread_detach(nv->thread);
			pthread_mutex_unlock(&nv->ctl.lock);
			return false;
		}
		pthread_mutex_unlock(&nv->ctl.lock);
	}
	pthread_join(nv->thread, NULL);
	return true;
}
