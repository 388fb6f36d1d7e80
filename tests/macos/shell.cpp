/* SPDX-License-Identifier: BSD-3-Clause */
#include "shell.h"

#include <assert.h>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "GangwayDriver.h"
#include "GangwayUserClient.h"
#include "driverkit_state.h"

/* The kernel's part: matching, user clients, messages to their owners, the end of each. */

struct Driver {
	IOPCIDevice *device;
	GangwayDriver *driver;		/* NULL: it did not take the device */
	bool stopped;
};

struct shell_conn {
	Driver *d;
	GangwayUserClient *client;
};

static std::mutex driversLock;		/* functions are matched by whoever looks first */
static std::deque<Driver> drivers;
static QueueState *clientQueue;

QueueState *harnessClientQueue()
{
	return clientQueue;
}

kern_return_t IOService::Create(IOService *provider, const IOPropertyName propertiesKey,
				IOService **result)
{
	auto *client = new GangwayUserClient();
	kern_return_t ret;

	if (strcmp(propertiesKey, "UserClientProperties") != 0 || !client->init())
		return kIOReturnError;
	ret = client->Start(provider);
	if (ret) {
		client->release();
		return ret;
	}
	*result = client;
	return kIOReturnSuccess;
}

static void match(const struct machine_function *f)
{
	Driver d = { new IOPCIDevice(), new GangwayDriver(), false };
	kern_return_t ret = kIOReturnError;

	d.device->init();
	d.device->device = new DeviceState();
	d.device->device->f = *f;
	if (d.driver->init())
		d.driver->self->calls.sync([&] { ret = d.driver->Start(d.device); });
	if (ret) {
		d.driver->release();
		d.driver = nullptr;
	}
	drivers.push_back(d);
}

static struct gw_sim *machine;

void shell_use(struct gw_sim *sim)
{
	machine = sim;
}

/* Functions may be added before the first connection is made. */
static void match_all()
{
	struct machine_function f;

	std::lock_guard<std::mutex> held(driversLock);
	if (!clientQueue)
		clientQueue = new QueueState();
	machine_settle(machine);
	while (machine_function(machine, (unsigned int)drivers.size(), &f))
		match(&f);
}

/* The end of a driver: asynchronous, with calls of clients on the same queue. */
static void stop(Driver *d)
{
	ServiceState *s = d->driver->self;

	if (d->stopped)
		return;
	d->stopped = true;
	s->calls.sync([&] { d->driver->Stop(d->device); });
	{
		std::unique_lock<std::mutex> held(s->lock);

		s->changed.wait(held, [s] { return s->stopped; });
	}
	s->calls.sync([] {});		/* what stopped it may still run */
}

static void unmatch(Driver *d)
{
	DeviceState *device = d->device->device;

	if (d->driver) {
		stop(d);
		d->driver->release();
	}
	machine_on_irq(&device->f, nullptr, nullptr);
	d->device->release();
}

void shell_look_for_gone(void)
{
	for (auto &d : drivers)
		if (d.driver && (d.driver->self->terminated || machine_is_gone(&d.device->device->f)))
			stop(&d);
}

/* Drivers hear of it before the power goes, and after it is back. */
static void power(Driver *d, bool on)
{
	DeviceState *device = d->device->device;

	if (on) {
		machine_power(&device->f, true);
		device->off = false;
	}
	if (d->driver && !d->stopped) {
		ServiceState *s = d->driver->self;

		s->powerChanges = true;
		s->calls.sync([&] {
			d->driver->SetPowerState(on ? kIOServicePowerCapabilityOn :
						 kIOServicePowerCapabilityOff);
		});
		if (s->powerChanges)	/* 20 s, and the name of the driver in the log */
			abort();
	}
	if (!on) {
		device->off = true;
		machine_power(&device->f, false);
	}
}

void shell_vectors(unsigned int nr)
{
	harnessVectors = nr;
}

void shell_power(bool on)
{
	for (auto &d : drivers)
		power(&d, on);
}

long shell_stop(void)
{
	for (auto &d : drivers)
		unmatch(&d);
	drivers.clear();
	delete clientQueue;		/* after what was sent to it */
	clientQueue = nullptr;
	/* queues end by themselves, with the last references to what ran there */
	for (int i = 0; i < 30000 && harnessLive(); i++)
		IOSleep(1);
	return harnessLive();
}

void shell_fault(unsigned int i, const unsigned int words[5])
{
	DeviceState *d;

	{
		std::lock_guard<std::mutex> held(driversLock);

		d = drivers[i].device->device;
	}
	std::lock_guard<std::mutex> held(d->lock);
	d->faults.insert(d->faults.end(), words, words + 5);
	d->changed.notify_all();
}

int shell_open(unsigned int i, struct shell_conn **c, char root[32])
{
	IOUserClient *client = nullptr;
	kern_return_t ret = kIOReturnError;
	Driver *d;

	match_all();
	{
		std::lock_guard<std::mutex> held(driversLock);

		if (i >= drivers.size())
			return -ENOENT;
		d = &drivers[i];
	}
	if (!d->driver || d->driver->self->terminated || machine_is_gone(&d->device->device->f))
		return -ENODEV;
	if (!d->driver->self->registered)
		return -ENODEV;		/* nobody finds it */
	d->driver->self->calls.sync([&] {
		ret = d->driver->NewUserClient(1, &client);
		if (!ret)		/* whoever asks for what there is not yet gets nothing */
			abort();
		ret = d->driver->NewUserClient(0, &client);
	});
	if (ret)
		return -EIO;
	*c = new shell_conn{ d, OSDynamicCast(GangwayUserClient, client) };
	memcpy(root, d->device->device->f.root, 32);
	return 0;
}

unsigned int shell_call(struct shell_conn *c, unsigned int selector, const unsigned long *in,
			unsigned int nr_in, unsigned long *out, unsigned int *nr_out,
			void (*done)(void *opaque, unsigned int result), void *opaque)
{
	IOUserClientMethodArguments args = {};
	OSAction *action = nullptr;
	kern_return_t ret = kIOReturnError;

	if (nr_in > 16 || (nr_out && *nr_out > 16))
		return (unsigned int)kIOReturnBadArgument;
	args.version = 2;
	args.selector = selector;
	args.scalarInput = (const uint64_t *)in;
	args.scalarInputCount = nr_in;
	args.scalarOutput = (uint64_t *)out;
	args.scalarOutputCount = nr_out ? *nr_out : 0;
	if (done) {
		action = new OSAction();
		action->target = nullptr;
		action->completion = done;
		action->opaque = opaque;
		args.completion = action;
	}
	c->d->driver->self->calls.sync([&] {
		ret = c->client->ExternalMethod(selector, &args, nullptr, nullptr, nullptr);
	});
	if (action)
		action->release();
	if (nr_out)
		*nr_out = args.scalarOutputCount;
	return (unsigned int)ret;
}

unsigned int shell_map(struct shell_conn *c, unsigned int type, void **addr, unsigned long *size,
		       int *fd)
{
	IOMemoryDescriptor *memory = nullptr;
	uint64_t options = 0xdeadbeef;		/* the kernel's is uninitialised */
	kern_return_t ret = kIOReturnError;

	c->d->driver->self->calls.sync([&] {
		ret = c->client->CopyClientMemoryForType(type, &options, &memory);
	});
	if (ret)
		return (unsigned int)ret;
	if (options & ~1ull)
		abort();
	*fd = memory->fd;
	*size = memory->length;
	*addr = machine_view(memory->fd, memory->length);
	memory->release();
	return *addr ? 0 : (unsigned int)kIOReturnNoMemory;
}

unsigned int shell_method(struct shell_conn *c, unsigned long selector, bool structure, const unsigned long *in,
			  unsigned int nr_in, unsigned long *out)
{
	OSData data("structure", 9);
	IOUserClientMethodArguments args = {};
	kern_return_t ret = kIOReturnError;

	args.version = 2;
	args.selector = selector;
	args.scalarInput = (const uint64_t *)in;
	args.scalarInputCount = nr_in;
	args.scalarOutput = (uint64_t *)out;
	args.scalarOutputCount = 16;
	args.structureInput = structure ? &data : nullptr;
	c->d->driver->self->calls.sync([&] {
		ret = c->client->ExternalMethod(selector, &args, nullptr, nullptr, nullptr);
	});
	return (unsigned int)ret;
}

unsigned int shell_memory(struct shell_conn *c, unsigned long type)
{
	IOMemoryDescriptor *memory = nullptr;
	uint64_t options = 0xdeadbeef;
	kern_return_t ret = kIOReturnError;

	c->d->driver->self->calls.sync([&] {
		ret = c->client->CopyClientMemoryForType(type, &options, &memory);
	});
	if (options & ~1ull)	/* the kernel's is uninitialised */
		abort();
	return (unsigned int)ret;
}

void shell_stop_client(struct shell_conn *c)
{
	ServiceState *s = c->client->self;

	c->d->driver->self->calls.sync([&] { c->client->Stop(c->d->driver); });
	{
		std::unique_lock<std::mutex> held(s->lock);

		s->changed.wait(held, [s] { return s->stopped; });
	}
}

void shell_drop(struct shell_conn *c)
{
	c->client->release();
	delete c;
}

void shell_close(struct shell_conn *c)
{
	shell_stop_client(c);
	shell_drop(c);
}
