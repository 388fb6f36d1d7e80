/* SPDX-License-Identifier: BSD-3-Clause */
#include <gangway/iokit.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/IOKitLib.h>
#include <dispatch/dispatch.h>

#include "base/lock.h"
#include "base/util.h"
#include "host/dext/registry.h"

/*
 * How it works: the five calls over IOKit. This file only translates, but for one thing: a wait
 * ends once, whoever ends it. IOKit forgets what was asked asynchronously when a connection closes,
 * and the kernel may still have a message under way. So a wait has a number, and whoever finishes
 * it takes it from a list by that number: the message, the news that the service has gone, or
 * close.
 */

#define MACH_SEND_INVALID_DEST	0x10000003u	/* the other side has gone */
#define MAX_SERVICES		256u

struct iokit {
	struct gw_dext_services base;
	struct gw_log *log;
	IONotificationPortRef port;
	dispatch_queue_t queue;		/* where all messages arrive */
	void (*changed)(void *opaque);
	void *opaque;
	io_iterator_t came, went;

	pthread_mutex_t lock;
	io_service_t service[MAX_SERVICES] GW_GUARDED_BY(lock);	/* as of the last look */
	unsigned int nr GW_GUARDED_BY(lock);
};

struct conn {
	struct gw_dext_conn base;
	struct iokit *io;
	io_connect_t connect;
	io_object_t interest;		/* 0: none */
	_Atomic bool terminated;
};

struct wait {
	struct wait *next;
	uint64_t id;
	struct conn *conn;
	void (*done)(void *opaque, uint32_t result);
	void *opaque;
};

/*
 * All waits of all connections: a message comes with a number, maybe after its connection has gone.
 */
static pthread_mutex_t waits_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t last_wait GW_GUARDED_BY(waits_lock);
static struct wait *waits GW_GUARDED_BY(waits_lock);

static struct conn *to_conn(struct gw_dext_conn *c)
{
	return container_of(c, struct conn, base);
}

static uint32_t result_of(struct conn *c, kern_return_t ret)
{
	uint32_t result = (uint32_t)ret;

	if (result == MACH_SEND_INVALID_DEST || (result && atomic_load(&c->terminated)))
		return GW_IORETURN_NO_DEVICE;
	return result;
}

/* Take a wait off the list: that of @id, or any of @conn. NULL: somebody else has finished it. */
static struct wait *wait_take(uint64_t id, const struct conn *conn)
{
	struct wait **at, *w;

	pthread_mutex_lock(&waits_lock);
	for (at = &waits; (w = *at); at = &w->next)
		if (conn ? w->conn == conn : w->id == id)
			break;
	if (w)
		*at = w->next;
	pthread_mutex_unlock(&waits_lock);
	return w;
}

static void wait_finish(struct wait *w, uint32_t result)
{
	if (!w)
		return;
	w->done(w->opaque, result);
	free(w);
}

/* More than one if messages of earlier ones are still under way. */
static void waits_finish(struct conn *c, uint32_t result)
{
	struct wait *w;

	while ((w = wait_take(0, c)))
		wait_finish(w, result);
}

static void wait_message(void *refcon, IOReturn result)
{
	wait_finish(wait_take((uint64_t)(uintptr_t)refcon, NULL), (uint32_t)result);
}

static uint32_t conn_call(struct gw_dext_conn *base, uint32_t selector, const uint64_t *in,
			  unsigned int nr_in, uint64_t *out, unsigned int *nr_out)
{
	struct conn *c = to_conn(base);
	uint32_t nr = nr_out ? *nr_out : 0;
	kern_return_t ret = IOConnectCallScalarMethod(c->connect, selector, in, nr_in, out, &nr);

	if (nr_out)
		*nr_out = nr;
	return result_of(c, ret);
}

static struct wait *wait_new(struct conn *c, void (*done)(void *opaque, uint32_t result),
			     void *opaque)
{
	struct wait *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	*w = (struct wait){ .conn = c, .done = done, .opaque = opaque };
	pthread_mutex_lock(&waits_lock);
	w->id = ++last_wait;
	w->next = waits;
	waits = w;
	pthread_mutex_unlock(&waits_lock);
	return w;
}

static uint32_t conn_call_async(struct gw_dext_conn *base, uint32_t selector,
				void (*done)(void *opaque, uint32_t result), void *opaque)
{
	uint64_t reference[kIOAsyncCalloutCount] = { 0 }, id;
	struct conn *c = to_conn(base);
	struct wait *w = wait_new(c, done, opaque);
	uint32_t none = 0, ret;

	if (!w)
		return GW_IORETURN_NO_MEMORY;
	id = w->id;		/* the wait may be over before the call returns */
	reference[kIOAsyncCalloutFuncIndex] = (uint64_t)(uintptr_t)wait_message;
	reference[kIOAsyncCalloutRefconIndex] = id;
	ret = result_of(c, IOConnectCallAsyncScalarMethod(c->connect, selector,
							  IONotificationPortGetMachPort(c->io->port),
							  reference, kIOAsyncCalloutCount, NULL, 0,
							  NULL, &none));
	if (!ret)
		return ret;
	w = wait_take(id, NULL);
	if (!w)		/* a message has finished it, so the wait was made */
		return GW_IORETURN_SUCCESS;
	free(w);
	return ret;
}

/* The number that asks for write combining is the same here and there. */
static uint32_t conn_map(struct gw_dext_conn *base, unsigned int type, uint32_t options,
			 struct gw_dext_map *map)
{
	struct conn *c = to_conn(base);
	mach_vm_address_t addr = 0;
	mach_vm_size_t size = 0;
	uint32_t ret = result_of(c, IOConnectMapMemory64(c->connect, type, mach_task_self(), &addr,
							 &size, kIOMapAnywhere | options));

	*map = (struct gw_dext_map){ .addr = (void *)(uintptr_t)addr, .size = size, .fd = -1 };
	return ret;
}

static void conn_unmap(struct gw_dext_conn *base, unsigned int type, const struct gw_dext_map *map)
{
	IOConnectUnmapMemory64(to_conn(base)->connect, type, mach_task_self(),
			       (mach_vm_address_t)(uintptr_t)map->addr);
}

static void nothing(void *context)
{
}

static void conn_close(struct gw_dext_conn *base)
{
	struct conn *c = to_conn(base);

	if (c->interest)
		IOObjectRelease(c->interest);
	IOServiceClose(c->connect);
	waits_finish(c, GW_IORETURN_ABORTED);
	/* news of this service may be on its way through the queue */
	dispatch_sync_f(c->io->queue, NULL, nothing);
	free(c);
}

static const struct gw_dext_conn_ops conn_ops = {
	.call = conn_call,
	.call_async = conn_call_async,
	.map = conn_map,
	.unmap = conn_unmap,
	.close = conn_close,
};

static void service_message(void *refcon, io_service_t service, uint32_t type, void *argument)
{
	struct conn *c = refcon;

	if (type != kIOMessageServiceIsTerminated)
		return;
	atomic_store(&c->terminated, true);
	waits_finish(c, GW_IORETURN_NO_DEVICE);
}

/* Look anew which extensions there are. */
static void look_locked(struct iokit *io) GW_HOLDS(io->lock)
{
	io_iterator_t all = 0;
	io_service_t s;

	while (io->nr)
		IOObjectRelease(io->service[--io->nr]);
	if (IOServiceGetMatchingServices(kIOMainPortDefault, IOServiceMatching("IOUserService"), &all))
		return;
	while ((s = IOIteratorNext(all))) {
		if (io->nr < MAX_SERVICES && gw_registry_is_ours(s))
			io->service[io->nr++] = s;
		else
			IOObjectRelease(s);
	}
	IOObjectRelease(all);
}

/* The @i-th, to be released. A look begins with the first. */
static int service_get(struct iokit *io, unsigned int i, bool look, io_service_t *s)
{
	int ret = -ENOENT;

	pthread_mutex_lock(&io->lock);
	if (look && !i)
		look_locked(io);
	if (i < io->nr) {
		*s = io->service[i];
		IOObjectRetain(*s);
		ret = 0;
	}
	pthread_mutex_unlock(&io->lock);
	return ret;
}

static int services_describe(struct gw_dext_services *s, unsigned int i,
			     struct gw_dext_description *d)
{
	io_service_t service;
	int ret = service_get(container_of(s, struct iokit, base), i, true, &service);

	if (ret)
		return ret;
	gw_registry_describe(service, d);
	IOObjectRelease(service);
	return 0;
}

static int connect(struct iokit *io, io_service_t service, struct gw_dext_conn **out)
{
	struct conn *c = calloc(1, sizeof(*c));
	uint32_t ret;

	if (!c)
		return -ENOMEM;
	c->base.ops = &conn_ops;
	c->io = io;
	ret = (uint32_t)IOServiceOpen(service, mach_task_self(), 0, &c->connect);
	if (ret) {
		free(c);
		return ret == MACH_SEND_INVALID_DEST ? -ENODEV : gw_dext_errno(ret);
	}
	/* without it a removal is noticed by the next call */
	if (IOServiceAddInterestNotification(io->port, service, kIOGeneralInterest, service_message, c,
					     &c->interest))
		c->interest = 0;
	*out = &c->base;
	return 0;
}

static int services_open(struct gw_dext_services *s, unsigned int i, struct gw_dext_conn **c,
			 char root[GW_ROOT_SIZE])
{
	struct iokit *io = container_of(s, struct iokit, base);
	struct gw_dext_description d = { .root = "" };
	io_service_t service;
	int ret = service_get(io, i, false, &service);

	if (ret)
		return ret;
	gw_registry_describe(service, &d);
	memcpy(root, d.root, sizeof(d.root));
	ret = connect(io, service, c);
	IOObjectRelease(service);
	return ret;
}

static const struct gw_dext_services_ops services_ops = {
	.open = services_open, .describe = services_describe,
};

/* An iterator that was run empty tells of the next change. */
static void drain(io_iterator_t iterator)
{
	io_service_t s;

	while ((s = IOIteratorNext(iterator)))
		IOObjectRelease(s);
}

static void services_changed(void *refcon, io_iterator_t iterator)
{
	struct iokit *io = refcon;

	drain(iterator);
	io->changed(io->opaque);
}

static void watch(struct iokit *io, const char *what, io_iterator_t *iterator)
{
	if (IOServiceAddMatchingNotification(io->port, what, IOServiceMatching("IOUserService"),
					     services_changed, io, iterator))
		*iterator = 0;
	else
		drain(*iterator);
}

int gw_iokit_new(void (*changed)(void *opaque), void *opaque, struct gw_log *log,
		 struct gw_dext_services **services)
{
	struct iokit *io = calloc(1, sizeof(*io));

	if (!io || pthread_mutex_init(&io->lock, NULL)) {
		free(io);
		return -ENOMEM;
	}
	io->base.ops = &services_ops;
	io->base.other_process = true;
	io->log = log;
	io->changed = changed;
	io->opaque = opaque;
	io->port = IONotificationPortCreate(kIOMainPortDefault);
	io->queue = dispatch_queue_create("gangway.iokit", NULL);
	if (!io->port || !io->queue) {
		gw_iokit_free(&io->base);
		return -ENOMEM;
	}
	IONotificationPortSetDispatchQueue(io->port, io->queue);
	if (changed) {
		watch(io, kIOMatchedNotification, &io->came);
		watch(io, kIOTerminatedNotification, &io->went);
	}
	*services = &io->base;
	return 0;
}

void gw_iokit_free(struct gw_dext_services *services)
{
	struct iokit *io;

	if (!services)
		return;
	io = container_of(services, struct iokit, base);
	if (io->came)
		IOObjectRelease(io->came);
	if (io->went)
		IOObjectRelease(io->went);
	if (io->port)
		IONotificationPortDestroy(io->port);
	if (io->queue) {
		dispatch_sync_f(io->queue, NULL, nothing);
		dispatch_release(io->queue);
	}
	GW_ALONE(io->lock);	/* no message comes any more */
	while (io->nr)
		IOObjectRelease(io->service[--io->nr]);
	pthread_mutex_destroy(&io->lock);
	free(io);
}
