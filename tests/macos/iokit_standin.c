/* SPDX-License-Identifier: BSD-3-Clause */
#include "iokit_standin.h"

#include <IOKit/IOKitLib.h>
#include <dispatch/dispatch.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cf_standin.h"
#include "machine.h"

/*
 * Every handle is an object of its own with one reference, as IOKit's are; at the end none may be
 * left. Messages arrive on the queue that the port was given. What a connection was asked
 * asynchronously is forgotten when it closes.
 */

#define INVALID_DEST	0x10000003
#define BAD_HANDLE	((kern_return_t)GW_IORETURN_BAD_ARGUMENT)
#define MAX_OBJECTS	4096u
#define MAX_FUNCTIONS	16u
#define MAX_PORTS	4u

enum kind { FREE, SERVICE, DEVICE, BRIDGE, ROOT, ITERATOR, CONNECT, INTEREST, WATCH };

struct mapping {
	struct mapping *next;
	unsigned int type;
	struct gw_dext_map map;
};

struct connection {
	struct gw_dext_conn *c;
	struct mapping *maps;
	_Atomic unsigned int refs;
	_Atomic bool closed;
};

struct object {
	enum kind kind;
	unsigned int refs;
	unsigned int i, next;		/* which function; of an iterator, the next one */
	struct connection *conn;
	IONotificationPortRef port;	/* of what tells */
	IOServiceInterestCallback interest;
	IOServiceMatchingCallback watch;
	void *refcon;
};

mach_port_t mach_task_self_ = 7;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct object object[MAX_OBJECTS];	/* lock; a handle is an index, 0 is none */
static _Atomic long live;			/* of queues and ports */
static struct gw_sim *sim;
static struct gw_dext_services *backend;
static pthread_mutex_t messages_lock = PTHREAD_MUTEX_INITIALIZER;
/* Its number, from 1 on, is its mach port. */
static struct IONotificationPort {
	bool used;
	dispatch_queue_t queue;		/* NULL: nobody takes any */
} port[MAX_PORTS];			/* messages_lock */

static io_object_t new_object(enum kind kind, unsigned int i)
{
	pthread_mutex_lock(&lock);
	for (unsigned int h = 1; h < MAX_OBJECTS; h++) {
		if (object[h].kind != FREE)
			continue;
		object[h] = (struct object){ .kind = kind, .refs = 1, .i = i };
		pthread_mutex_unlock(&lock);
		return h;
	}
	abort();
}

static struct object *get(io_object_t h, enum kind kind)
{
	if (!h || h >= MAX_OBJECTS || object[h].kind != kind) {
		fprintf(stderr, "iokit: handle %u is not of kind %d\n", h, kind);
		abort();
	}
	return &object[h];
}

kern_return_t IOObjectRetain(io_object_t h)
{
	pthread_mutex_lock(&lock);
	if (!h || h >= MAX_OBJECTS || object[h].kind == FREE)
		abort();
	object[h].refs++;
	pthread_mutex_unlock(&lock);
	return 0;
}

kern_return_t IOObjectRelease(io_object_t h)
{
	pthread_mutex_lock(&lock);
	if (!h || h >= MAX_OBJECTS || object[h].kind == FREE) {
		fprintf(stderr, "iokit: handle %u is released too often\n", h);
		abort();
	}
	if (!--object[h].refs)
		object[h].kind = FREE;
	pthread_mutex_unlock(&lock);
	return 0;
}

/* the registry: user service, PCI device, bridge, root of all */

CFMutableDictionaryRef IOServiceMatching(const char *name)
{
	return (CFMutableDictionaryRef)(uintptr_t)cf_new('m', name, strlen(name), 0);
}

kern_return_t IOServiceGetMatchingServices(mach_port_t mainPort, CFDictionaryRef matching,
					   io_iterator_t *existing)
{
	CFRelease(matching);		/* always */
	*existing = new_object(ITERATOR, 0);
	return 0;
}

static bool function(unsigned int i, struct machine_function *f)
{
	return i < MAX_FUNCTIONS && machine_function(sim, i, f);
}

/* Those that have gone are not found any more. */
io_object_t IOIteratorNext(io_iterator_t iterator)
{
	struct machine_function f;
	unsigned int i;

	for (;;) {
		pthread_mutex_lock(&lock);
		i = get(iterator, ITERATOR)->next++;
		pthread_mutex_unlock(&lock);
		if (!function(i, &f))
			return 0;
		if (!machine_is_gone(&f))
			return new_object(SERVICE, i);
	}
}

boolean_t IOObjectConformsTo(io_object_t h, const io_name_t name)
{
	return !strcmp(name, "IOPCIDevice") &&
	       (object[h].kind == DEVICE || object[h].kind == BRIDGE);
}

kern_return_t IORegistryEntryGetParentEntry(io_registry_entry_t h, const io_name_t plane,
					    io_registry_entry_t *parent)
{
	if (strcmp(plane, kIOServicePlane) != 0 || object[h].kind < SERVICE || object[h].kind > BRIDGE)
		return (kern_return_t)GW_IORETURN_NOT_FOUND;
	*parent = new_object(object[h].kind + 1, object[h].i);
	return 0;
}

kern_return_t IORegistryEntryGetName(io_registry_entry_t h, io_name_t name)
{
	struct machine_function f;

	if (!function(object[h].i, &f))
		return BAD_HANDLE;
	snprintf(name, 128, "%s", object[h].kind == BRIDGE ? f.root : "pci-device");
	return 0;
}

static CFTypeRef device_property(const struct machine_function *f, const char *key)
{
	const uint32_t vendor = f->vendor, device = f->device, class = f->class_code;
	struct gw_core_limits l;
	uint8_t at[3];
	char text[32];

	machine_settle(sim);
	f->platform->address(f->ctx, at);
	f->platform->limits(f->ctx, &l);
	snprintf(text, sizeof(text), "%u:%u:%u(3:3)", at[0], at[1], at[2]);
	if (!strcmp(key, "pcidebug"))
		return cf_new('s', text, strlen(text), 0);
	if (!strcmp(key, "vendor-id"))
		return cf_new('d', &vendor, 4, 0);
	if (!strcmp(key, "device-id"))
		return cf_new('d', &device, 4, 0);
	if (!strcmp(key, "class-code"))
		return cf_new('d', &class, 4, 0);
	if (!strcmp(key, "IOPCIDeviceMapperPageSize"))
		return cf_new('n', "", 0, (int64_t)l.granule);
	if (!strcmp(key, "IOPCIDeviceMemoryMapBase"))
		return cf_new('n', "", 0, (int64_t)(l.iova_first / l.granule));
	if (!strcmp(key, "IOPCIDeviceMemoryMapSize"))
		return cf_new('n', "", 0, (int64_t)((l.iova_last - l.iova_first + 1) / l.granule));
	return NULL;
}

static struct {
	const char *key;		/* NULL: nothing is other than it is */
	char kind;
	const void *data;
	size_t size;
	int64_t number;
} other;

void standin_says(const char *key, char kind, const void *data, size_t size, int64_t number)
{
	other.key = key;
	other.kind = kind;
	other.data = data;
	other.size = size;
	other.number = number;
}

CFTypeRef IORegistryEntryCreateCFProperty(io_registry_entry_t h, CFStringRef key,
					  CFAllocatorRef allocator, IOOptionBits options)
{
	const char *name = cf_text(key);
	struct machine_function f;

	if (!function(object[h].i, &f))
		return NULL;
	if (other.key && !strcmp(name, other.key))
		return cf_new(other.kind, other.data, other.size, other.number);
	if (object[h].kind == SERVICE && !strcmp(name, "IOUserClass"))
		return cf_new('s', "GangwayDriver", 13, 0);
	return object[h].kind == DEVICE ? device_property(&f, name) : NULL;
}

/* connections */

kern_return_t IOServiceOpen(io_service_t service, task_port_t owningTask, uint32_t type,
			    io_connect_t *connect)
{
	struct connection *conn = calloc(1, sizeof(*conn));
	unsigned int i = get(service, SERVICE)->i;
	char root[32];
	int ret = backend->ops->open(backend, i, &conn->c, root);

	if (ret || owningTask != mach_task_self() || type) {
		free(conn);
		return ret == -ENODEV || ret == -ENOENT ? INVALID_DEST :
							  (kern_return_t)GW_IORETURN_ERROR;
	}
	atomic_init(&conn->refs, 1);
	*connect = new_object(CONNECT, i);
	object[*connect].conn = conn;
	return 0;
}

static void connection_put(struct connection *conn)
{
	if (atomic_fetch_sub(&conn->refs, 1) == 1)
		free(conn);
}

kern_return_t IOServiceClose(io_connect_t connect)
{
	struct connection *conn = get(connect, CONNECT)->conn;

	atomic_store(&conn->closed, true);
	conn->c->ops->close(conn->c);
	if (conn->maps)
		abort();		/* the kernel would see to it, but ours unmaps before */
	connection_put(conn);
	return IOObjectRelease(connect);
}

kern_return_t IOConnectCallScalarMethod(mach_port_t connection, uint32_t selector,
					const uint64_t *input, uint32_t inputCnt, uint64_t *output,
					uint32_t *outputCnt)
{
	struct connection *conn = get(connection, CONNECT)->conn;

	if (inputCnt > 16 || *outputCnt > 16)
		return BAD_HANDLE;
	return (kern_return_t)conn->c->ops->call(conn->c, selector, input, inputCnt, output, outputCnt);
}

struct message {
	struct connection *conn;
	mach_port_t port;
	IOAsyncCallback0 callback;
	void *refcon;
	uint32_t result;
};

static void deliver(void *context)
{
	struct message *m = context;

	if (!atomic_load(&m->conn->closed))
		m->callback(m->refcon, (IOReturn)m->result);
	connection_put(m->conn);
	free(m);
}

static void dispatch_async_f(dispatch_queue_t queue, void *context, dispatch_function_t work);

/* Return: whether anybody will take it */
static bool send(IONotificationPortRef to, void *context, dispatch_function_t work)
{
	bool taken;

	pthread_mutex_lock(&messages_lock);
	taken = to->queue;
	if (taken)
		dispatch_async_f(to->queue, context, work);
	pthread_mutex_unlock(&messages_lock);
	return taken;
}

static void completed(void *opaque, uint32_t result)
{
	struct message *m = opaque;

	m->result = result;
	if (send(&port[m->port - 1], m, deliver))
		return;
	connection_put(m->conn);
	free(m);
}

kern_return_t IOConnectCallAsyncScalarMethod(mach_port_t connection, uint32_t selector,
					     mach_port_t wake_port, uint64_t *reference,
					     uint32_t referenceCnt, const uint64_t *input,
					     uint32_t inputCnt, uint64_t *output, uint32_t *outputCnt)
{
	struct connection *conn = get(connection, CONNECT)->conn;
	struct message *m = calloc(1, sizeof(*m));
	uint32_t ret;

	if (!wake_port || wake_port > MAX_PORTS || referenceCnt < 3 || inputCnt || *outputCnt)
		abort();
	m->conn = conn;
	m->port = wake_port;
	m->callback = (IOAsyncCallback0)(uintptr_t)reference[kIOAsyncCalloutFuncIndex];
	m->refcon = (void *)(uintptr_t)reference[kIOAsyncCalloutRefconIndex];
	atomic_fetch_add(&conn->refs, 1);
	ret = conn->c->ops->call_async(conn->c, selector, completed, m);
	if (ret) {
		connection_put(conn);
		free(m);
	}
	return (kern_return_t)ret;
}

kern_return_t IOConnectMapMemory64(io_connect_t connect, uint32_t memoryType, task_port_t intoTask,
				   mach_vm_address_t *atAddress, mach_vm_size_t *ofSize,
				   IOOptionBits options)
{
	struct connection *conn = get(connect, CONNECT)->conn;
	struct mapping *m = calloc(1, sizeof(*m));
	uint32_t ret = conn->c->ops->map(conn->c, memoryType, options & ~kIOMapAnywhere, &m->map);

	if (ret) {
		free(m);
		return (kern_return_t)ret;
	}
	m->type = memoryType;
	m->next = conn->maps;
	conn->maps = m;
	*atAddress = (mach_vm_address_t)(uintptr_t)m->map.addr;
	*ofSize = m->map.size;
	return 0;
}

kern_return_t IOConnectUnmapMemory64(io_connect_t connect, uint32_t memoryType, task_port_t fromTask,
				     mach_vm_address_t atAddress)
{
	struct connection *conn = get(connect, CONNECT)->conn;

	for (struct mapping **at = &conn->maps, *m; (m = *at); at = &m->next) {
		if ((mach_vm_address_t)(uintptr_t)m->map.addr != atAddress || m->type != memoryType)
			continue;
		*at = m->next;
		conn->c->ops->unmap(conn->c, m->type, &m->map);
		free(m);
		return 0;
	}
	abort();
}

/* queues and notifications */

struct item {
	struct item *next;
	dispatch_function_t work;
	void *context;
	bool *done;
};

struct dispatch_queue_s {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct item *first, **last;
	bool ending;
};

static void *queue_run(void *opaque)
{
	dispatch_queue_t q = opaque;
	struct item *it;

	pthread_mutex_lock(&q->lock);
	while (!q->ending || q->first) {
		it = q->first;
		if (!it) {
			pthread_cond_wait(&q->changed, &q->lock);
			continue;
		}
		q->first = it->next;
		if (!q->first)
			q->last = &q->first;
		pthread_mutex_unlock(&q->lock);
		it->work(it->context);
		pthread_mutex_lock(&q->lock);
		if (it->done)
			*it->done = true;
		pthread_cond_broadcast(&q->changed);
		free(it);
	}
	pthread_mutex_unlock(&q->lock);
	return NULL;
}

dispatch_queue_t dispatch_queue_create(const char *label, void *attr)
{
	dispatch_queue_t q = calloc(1, sizeof(*q));

	q->last = &q->first;
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->changed, NULL);
	if (pthread_create(&q->thread, NULL, queue_run, q))
		abort();
	live++;
	return q;
}

void dispatch_release(dispatch_queue_t q)
{
	pthread_mutex_lock(&messages_lock);
	for (unsigned int i = 0; i < MAX_PORTS; i++)
		if (port[i].queue == q)
			port[i].queue = NULL;
	pthread_mutex_unlock(&messages_lock);
	pthread_mutex_lock(&q->lock);
	q->ending = true;
	pthread_cond_broadcast(&q->changed);
	pthread_mutex_unlock(&q->lock);
	pthread_join(q->thread, NULL);
	pthread_cond_destroy(&q->changed);
	pthread_mutex_destroy(&q->lock);
	free(q);
	live--;
}

static void enqueue(dispatch_queue_t q, void *context, dispatch_function_t work, bool *done)
{
	struct item *it = calloc(1, sizeof(*it));

	*it = (struct item){ .work = work, .context = context, .done = done };
	pthread_mutex_lock(&q->lock);
	*q->last = it;
	q->last = &it->next;
	pthread_cond_broadcast(&q->changed);
	while (done && !*done)
		pthread_cond_wait(&q->changed, &q->lock);
	pthread_mutex_unlock(&q->lock);
}

static void dispatch_async_f(dispatch_queue_t q, void *context, dispatch_function_t work)
{
	enqueue(q, context, work, NULL);
}

void dispatch_sync_f(dispatch_queue_t q, void *context, dispatch_function_t work)
{
	bool done = false;

	enqueue(q, context, work, &done);
}

IONotificationPortRef IONotificationPortCreate(mach_port_t mainPort)
{
	IONotificationPortRef found = NULL;

	live++;
	pthread_mutex_lock(&messages_lock);
	for (unsigned int i = 0; i < MAX_PORTS && !found; i++)
		if (!port[i].used)
			found = &port[i];
	if (!found)
		abort();
	found->used = true;
	pthread_mutex_unlock(&messages_lock);
	return found;
}

void IONotificationPortDestroy(IONotificationPortRef notify)
{
	live--;
	pthread_mutex_lock(&messages_lock);
	*notify = (struct IONotificationPort){ .used = false };
	pthread_mutex_unlock(&messages_lock);
}

mach_port_t IONotificationPortGetMachPort(IONotificationPortRef notify)
{
	return (mach_port_t)(notify - port) + 1;
}

void IONotificationPortSetDispatchQueue(IONotificationPortRef notify, dispatch_queue_t queue)
{
	pthread_mutex_lock(&messages_lock);
	notify->queue = queue;
	pthread_mutex_unlock(&messages_lock);
}

kern_return_t IOServiceAddInterestNotification(IONotificationPortRef notifyPort, io_service_t service,
					       const io_name_t interestType,
					       IOServiceInterestCallback callback, void *refCon,
					       io_object_t *notification)
{
	io_object_t h = new_object(INTEREST, get(service, SERVICE)->i);

	object[h].port = notifyPort;
	object[h].interest = callback;
	object[h].refcon = refCon;
	*notification = h;
	return 0;
}

/* What is found is found by an iterator, which also stands for the watch. */
kern_return_t IOServiceAddMatchingNotification(IONotificationPortRef notifyPort,
					       const io_name_t notificationType,
					       CFDictionaryRef matching,
					       IOServiceMatchingCallback callback, void *refCon,
					       io_iterator_t *notification)
{
	CFRelease(matching);
	*notification = new_object(ITERATOR, 0);
	object[*notification].port = notifyPort;
	object[*notification].watch = callback;
	object[*notification].refcon = refCon;
	return 0;
}

/* Tell of it, unless its owner has let go of the notification meanwhile. */
static void tell(void *context)
{
	io_object_t h = (io_object_t)(uintptr_t)context;
	struct object o;

	pthread_mutex_lock(&lock);
	o = object[h];
	pthread_mutex_unlock(&lock);
	if (o.kind == INTEREST)
		o.interest(o.refcon, 0, kIOMessageServiceIsTerminated, NULL);
	else if (o.kind == ITERATOR && o.watch)
		o.watch(o.refcon, h);
}

void standin_changed(void)
{
	struct machine_function f;
	struct object o;

	for (unsigned int h = 1; h < MAX_OBJECTS; h++) {
		pthread_mutex_lock(&lock);
		o = object[h];
		pthread_mutex_unlock(&lock);
		if ((o.kind == INTEREST && function(o.i, &f) && machine_is_gone(&f)) ||
		    (o.kind == ITERATOR && o.watch))
			send(o.port, (void *)(uintptr_t)h, tell);
	}
}

void standin_start(struct gw_sim *s, struct gw_dext_services *services)
{
	sim = s;
	backend = services;
}

long standin_stop(void)
{
	long left = live + cf_left();

	for (unsigned int h = 1; h < MAX_OBJECTS; h++)
		left += object[h].kind != FREE;
	return left;
}
