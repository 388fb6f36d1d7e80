/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/vfio/irqs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/bitmap.h"
#include "base/thread.h"
#include "base/util.h"
#include "host/vfio/uapi.h"

/*
 * How it works: the kernel signals an eventfd for each vector. One that a VMM gave is signalled
 * straight, and nothing here runs. All others are eventfds of ours ("parked"), which a thread
 * reads and fires at the sink. A vector whose eventfd is changed keeps its parked one: what it
 * had counted is still read by the thread, so no edge is lost on the way.
 *
 * The thread also hears ERR, which it hands on, and REQ, when the kernel wants the function back.
 * On the first REQ the sink is told, so that a VMM can let go; once nothing is mapped any more the
 * function is given up, and when the kernel asks again in any case: after ten seconds; but also at
 * once, if whoever waits for the kernel gets a signal, which must not cost a VMM its time.
 */

#define PATIENCE_NS	5000000000ull

/* What an event is, behind the vectors. */
enum { EVENT_WAKE = GW_MAX_VECTORS, EVENT_ERR, EVENT_REQ };

static int irq_set(const struct gw_vfio_irqs *irqs, uint32_t flags, unsigned int index,
		   unsigned int start, unsigned int nr, const int *fds)
{
	size_t data = fds ? nr * sizeof(__s32) : 0;
	struct vfio_irq_set *set = calloc(1, sizeof(*set) + data);
	int ret;

	if (!set)
		return -ENOMEM;
	set->argsz = (uint32_t)(sizeof(*set) + data);
	set->flags = flags | (fds ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE);
	set->index = index;
	set->start = start;
	set->count = nr;
	for (unsigned int i = 0; fds && i < nr; i++)
		memcpy(&set->data[i * sizeof(__s32)], &fds[i], sizeof(__s32));
	ret = ioctl(irqs->device->fd, VFIO_DEVICE_SET_IRQS, set);
	ret = ret < 0 ? -errno : ret;
	free(set);
	return ret;
}

static int trigger(const struct gw_vfio_irqs *irqs, unsigned int index, unsigned int start,
		   unsigned int nr, const int *fds)
{
	return irq_set(irqs, VFIO_IRQ_SET_ACTION_TRIGGER, index, start, nr, fds);
}

static int watch(struct gw_vfio_irqs *irqs, uint32_t event, int *fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = event };
	int ret;

	*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (*fd < 0)
		return -errno;
	if (!epoll_ctl(irqs->epoll, EPOLL_CTL_ADD, *fd, &e))
		return 0;
	ret = -errno;
	close(*fd);
	*fd = -1;
	return ret;
}

/* What an eventfd has counted; it is zero afterwards. */
static uint64_t take(int fd)
{
	uint64_t n = 0;

	return fd >= 0 && read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void poke(int fd)
{
	const uint64_t one = 1;

	/* a counter at its top is readable as well */
	if (write(fd, &one, sizeof(one)) != sizeof(one))
		return;
}

static void irqs_fire(struct gw_vfio_irqs *irqs, unsigned int vector)
{
	uint64_t pending[GW_IRQ_WORDS] = { 0 };
	uint64_t n;

	pthread_mutex_lock(&irqs->lock);
	n = take(irqs->park[vector]);
	pthread_mutex_unlock(&irqs->lock);
	if (!n)
		return;
	gw_bitmap_set(pending, vector);
	pthread_mutex_lock(&irqs->firing);
	if (irqs->sink && gw_bitmap_test(irqs->enabled, vector))
		irqs->sink->fire(irqs->sink, pending);
	pthread_mutex_unlock(&irqs->firing);
}

static void irqs_asked(struct gw_vfio_irqs *irqs)
{
	if (!take(irqs->req))
		return;
	if (irqs->asked++)
		return;
	irqs->asked_ns = gw_now_ns();
	gw_warn(irqs->device->log, "%s: the kernel asks for the function back: it is unbound or removed",
		irqs->device->name);
	pthread_mutex_lock(&irqs->firing);
	if (irqs->sink && irqs->sink->request)
		irqs->sink->request(irqs->sink);
	pthread_mutex_unlock(&irqs->firing);
}

static void irqs_failed(struct gw_vfio_irqs *irqs)
{
	if (!take(irqs->err))
		return;
	gw_err_guest(irqs->device->log, "%s: the function reported an error that it does not recover from "
		     "(dmesg says which); QEMU is told and stops the guest, which has to be started anew",
		     irqs->device->name);
	pthread_mutex_lock(&irqs->firing);
	if (irqs->sink && irqs->sink->error)
		irqs->sink->error(irqs->sink);
	pthread_mutex_unlock(&irqs->firing);
}

static void *irqs_run(void *arg)
{
	struct gw_vfio_irqs *irqs = arg;
	struct epoll_event e[16];
	int nr;

	while (!atomic_load(&irqs->quit)) {
		nr = epoll_wait(irqs->epoll, e, (int)ARRAY_SIZE(e), -1);
		for (int i = 0; i < nr; i++) {
			if (e[i].data.u32 < GW_MAX_VECTORS)
				irqs_fire(irqs, e[i].data.u32);
			else if (e[i].data.u32 == EVENT_WAKE)
				take(irqs->wake);
			else if (e[i].data.u32 == EVENT_REQ)
				irqs_asked(irqs);
			else
				irqs_failed(irqs);
		}
		if (irqs->asked)
			irqs->let_go(irqs, irqs->asked > 1 &&
				     gw_now_ns() - irqs->asked_ns >= irqs->patience);
	}
	return NULL;
}

static unsigned int irq_count(const struct gw_vfio_irqs *irqs, unsigned int index)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = index };

	if (ioctl(irqs->device->fd, VFIO_DEVICE_GET_IRQ_INFO, &info) ||
	    !(info.flags & VFIO_IRQ_INFO_EVENTFD))
		return 0;
	return info.count < GW_MAX_VECTORS ? info.count : GW_MAX_VECTORS;
}

static int irqs_watch_events(struct gw_vfio_irqs *irqs)
{
	int ret = watch(irqs, EVENT_WAKE, &irqs->wake);

	if (!ret && irqs->count[GW_IRQ_ERR]) {
		ret = watch(irqs, EVENT_ERR, &irqs->err);
		/* a function without error reporting has the index and refuses it */
		if (!ret)
			trigger(irqs, VFIO_PCI_ERR_IRQ_INDEX, 0, 1, &irqs->err);
	}
	if (!ret && irqs->count[GW_IRQ_REQ]) {
		ret = watch(irqs, EVENT_REQ, &irqs->req);
		if (!ret)
			ret = trigger(irqs, VFIO_PCI_REQ_IRQ_INDEX, 0, 1, &irqs->req);
	}
	return ret;
}

void gw_vfio_irqs_init(struct gw_vfio_irqs *irqs, const struct gw_vfio_device *device,
		       void (*let_go)(struct gw_vfio_irqs *irqs, bool overdue))
{
	pthread_mutex_init(&irqs->lock, NULL);
	pthread_mutex_init(&irqs->firing, NULL);
	irqs->device = device;
	irqs->let_go = let_go;
	irqs->patience = PATIENCE_NS;
	irqs->index = GW_NR_IRQS;
	irqs->epoll = irqs->wake = irqs->err = irqs->req = -1;
	for (unsigned int v = 0; v < GW_MAX_VECTORS; v++)
		irqs->park[v] = -1;
}

int gw_vfio_irqs_open(struct gw_vfio_irqs *irqs)
{
	int ret;

	/* numbers are those of linux/vfio.h */
	for (unsigned int i = 0; i < GW_NR_IRQS; i++)
		irqs->count[i] = irq_count(irqs, i);
	irqs->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (irqs->epoll < 0)
		return -errno;
	ret = irqs_watch_events(irqs);
	if (!ret)
		ret = gw_thread_start(&irqs->thread, "gw-vfio-irqs", irqs_run, irqs);
	irqs->started = !ret;
	return ret;
}

void gw_vfio_irqs_stop(struct gw_vfio_irqs *irqs)
{
	if (!irqs->started)
		return;
	atomic_store(&irqs->quit, true);
	poke(irqs->wake);
	pthread_join(irqs->thread, NULL);
	irqs->started = false;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void gw_vfio_irqs_fini(struct gw_vfio_irqs *irqs)
{
	GW_ALONE(irqs->lock);	/* the thread has ended */
	for (unsigned int v = 0; v < GW_MAX_VECTORS; v++)
		close_fd(&irqs->park[v]);
	close_fd(&irqs->req);
	close_fd(&irqs->err);
	close_fd(&irqs->wake);
	close_fd(&irqs->epoll);
	pthread_mutex_destroy(&irqs->firing);
	pthread_mutex_destroy(&irqs->lock);
}

void gw_vfio_irqs_poke(struct gw_vfio_irqs *irqs)
{
	poke(irqs->wake);
}

int gw_vfio_irqs_setup(struct gw_vfio_irqs *irqs, struct gw_irq_sink *sink, unsigned int *nr)
{
	int ret = 0;

	pthread_mutex_lock(&irqs->firing);
	if (irqs->sink)
		ret = -EBUSY;
	else
		irqs->sink = sink;
	pthread_mutex_unlock(&irqs->firing);
	*nr = irqs->count[GW_IRQ_MSI] > irqs->count[GW_IRQ_MSIX] ? irqs->count[GW_IRQ_MSI] :
								     irqs->count[GW_IRQ_MSIX];
	return ret;
}

void gw_vfio_irqs_forget_sink(struct gw_vfio_irqs *irqs)
{
	pthread_mutex_lock(&irqs->firing);
	irqs->sink = NULL;
	pthread_mutex_unlock(&irqs->firing);
}

void gw_vfio_irqs_mask(struct gw_vfio_irqs *irqs, const uint64_t enabled[GW_IRQ_WORDS])
{
	pthread_mutex_lock(&irqs->firing);
	memcpy(irqs->enabled, enabled, sizeof(irqs->enabled));
	pthread_mutex_unlock(&irqs->firing);
}

static int irqs_disable(struct gw_vfio_irqs *irqs) GW_HOLDS(irqs->lock)
{
	int ret = 0;

	if (irqs->index != GW_NR_IRQS)
		ret = trigger(irqs, irqs->index, 0, 0, NULL);
	/* what was counted and not yet delivered is of the past */
	for (unsigned int v = 0; v < irqs->nr; v++)
		close_fd(&irqs->park[v]);
	irqs->index = GW_NR_IRQS;
	irqs->nr = 0;
	return ret;
}

/* Every vector is parked at first. */
static int irqs_enable(struct gw_vfio_irqs *irqs, enum gw_irq index, unsigned int nr)
	GW_HOLDS(irqs->lock)
{
	int ret = 0;

	if (irqs->index != GW_NR_IRQS)
		return irqs->index == index && irqs->nr == nr ? 0 : -EBUSY;
	if (nr > irqs->count[index])
		return -EINVAL;
	irqs->index = index;
	for (; !ret && irqs->nr < nr; irqs->nr++)
		ret = watch(irqs, irqs->nr, &irqs->park[irqs->nr]);
	if (!ret)
		ret = trigger(irqs, index, 0, nr, irqs->park);
	if (ret > 0) {
		gw_err_guest(irqs->device->log, "%s: the machine has %d interrupt vectors left for it, it "
			     "wants %u; other devices have the rest: unbind some that are not needed",
			     irqs->device->name, ret, nr);
		ret = -ENOSPC;
	}
	if (ret)
		irqs_disable(irqs);
	return ret;
}

int gw_vfio_irqs_enable(struct gw_vfio_irqs *irqs, enum gw_irq index, unsigned int nr)
{
	int ret = 0;

	if (index > GW_IRQ_MSIX)
		return -EINVAL;
	pthread_mutex_lock(&irqs->lock);
	if (nr)
		ret = irqs_enable(irqs, index, nr);
	else if (irqs->index == index)
		ret = irqs_disable(irqs);
	pthread_mutex_unlock(&irqs->lock);
	return ret;
}

int gw_vfio_irqs_disable(struct gw_vfio_irqs *irqs)
{
	int ret;

	pthread_mutex_lock(&irqs->lock);
	ret = irqs_disable(irqs);
	pthread_mutex_unlock(&irqs->lock);
	return ret;
}

int gw_vfio_irqs_eventfd(struct gw_vfio_irqs *irqs, enum gw_irq index, unsigned int vector, int fd)
{
	int ret;

	pthread_mutex_lock(&irqs->lock);
	if (irqs->index != index)
		ret = -EPROTO;
	else if (vector >= irqs->nr)
		ret = -EINVAL;
	else
		ret = trigger(irqs, index, vector, 1, fd >= 0 ? &fd : &irqs->park[vector]);
	pthread_mutex_unlock(&irqs->lock);
	return ret;
}

int gw_vfio_irqs_intx_mask(struct gw_vfio_irqs *irqs, bool masked)
{
	return irq_set(irqs, masked ? VFIO_IRQ_SET_ACTION_MASK : VFIO_IRQ_SET_ACTION_UNMASK,
		       VFIO_PCI_INTX_IRQ_INDEX, 0, 1, NULL);
}

/* The kernel has room for one, and takes no other until it is given up. */
int gw_vfio_irqs_intx_unmask_fd(struct gw_vfio_irqs *irqs, int fd)
{
	const int none = -1;
	int ret;

	pthread_mutex_lock(&irqs->lock);
	if (irqs->index != GW_IRQ_INTX)
		ret = -EPROTO;
	else
		ret = irq_set(irqs, VFIO_IRQ_SET_ACTION_UNMASK, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, &none);
	if (!ret && fd >= 0)
		ret = irq_set(irqs, VFIO_IRQ_SET_ACTION_UNMASK, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, &fd);
	pthread_mutex_unlock(&irqs->lock);
	return ret;
}
