/* SPDX-License-Identifier: BSD-3-Clause */
#include "driverkit_state.h"

#include <assert.h>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * DriverKit, played: what Apple's sources say of each call, and a fault where they say that a call
 * does not check. Objects are counted; one that is released too often, or used afterwards, ends the
 * test, and at its end none may be left.
 */

static std::atomic<long> live;

long harnessLive()
{
	return live.load();
}

static void fail(const char *what)
{
	fprintf(stderr, "driverkit: %s\n", what);
	abort();
}

void *harnessNew(size_t size)
{
	live++;
	return calloc(1, size);
}

void harnessDelete(void *ptr)
{
	if (ptr)
		live--;
	::free(ptr);
}

OSObject::OSObject() : refs(1)
{
	live++;
}

OSObject::~OSObject()
{
	live--;
}

bool OSObject::init()
{
	return true;
}

void OSObject::free()
{
	delete this;
}

void OSObject::retain()
{
	if (!__atomic_fetch_add(&refs, 1, __ATOMIC_RELAXED))
		fail("an object is retained that has gone");
}

void OSObject::release()
{
	uint32_t was = __atomic_fetch_sub(&refs, 1, __ATOMIC_ACQ_REL);

	if (!was)
		fail("an object is released too often");
	if (was == 1)
		free();
}

OSData::OSData(const void *bytes, size_t size) : length(size)
{
	assert(size <= sizeof(data));
	memcpy(data, bytes, size);
}

/* Whoever reads the log of a failed test wants to see it. */
int IOLog(const char *format, ...)
{
	va_list args;

	if (!getenv("DRIVERKIT_LOG"))
		return 0;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	return 0;
}

void IOSleep(uint64_t ms)
{
	usleep((useconds_t)ms * 1000);
}

struct IOLock {
	pthread_mutex_t mutex;
};

IOLock *IOLockAlloc(void)
{
	IOLock *lock = (IOLock *)harnessNew(sizeof(*lock));

	pthread_mutex_init(&lock->mutex, nullptr);
	return lock;
}

void IOLockFree(IOLock *lock)
{
	pthread_mutex_destroy(&lock->mutex);
	harnessDelete(lock);
}

void IOLockLock(IOLock *lock)
{
	pthread_mutex_lock(&lock->mutex);
}

void IOLockUnlock(IOLock *lock)
{
	pthread_mutex_unlock(&lock->mutex);
}

/* Blocks: none of the extension's captures what would need more than a copy. */
struct BlockLayout {
	void *isa;
	int flags, reserved;
	void (*invoke)(void *);
	struct { unsigned long reserved, size; } *descriptor;
};

extern "C" {
void *_NSConcreteStackBlock[32];
void *_NSConcreteGlobalBlock[32];
}

void *harnessBlockCopy(void (^block)(void))
{
	auto *from = (BlockLayout *)block;
	auto *copy = (BlockLayout *)harnessNew(from->descriptor->size);

	assert(!(from->flags & (1 << 25)));	/* has copy helpers */
	memcpy((void *)copy, from, from->descriptor->size);
	return copy;
}

void harnessBlockRun(void *copy)
{
	auto *block = (BlockLayout *)copy;

	block->invoke(block);
	harnessDelete(block);
}

/* queues */

QueueState::QueueState()
{
	thread = std::thread([this] {
		std::unique_lock<std::mutex> held(lock);

		for (;;) {
			changed.wait(held, [this] { return ending || !work.empty(); });
			if (work.empty())
				return;
			auto next = std::move(work.front());
			work.pop_front();
			held.unlock();
			next();
			next = nullptr;
			held.lock();
		}
	});
}

QueueState::~QueueState()
{
	{
		std::lock_guard<std::mutex> held(lock);

		ending = true;
		changed.notify_all();
	}
	/* the last reference may go on the queue itself */
	if (thread.get_id() == std::this_thread::get_id())
		thread.detach();
	else
		thread.join();
}

void QueueState::async(std::function<void()> f)
{
	std::lock_guard<std::mutex> held(lock);

	work.push_back(std::move(f));
	changed.notify_all();
}

void QueueState::sync(const std::function<void()> &f)
{
	std::mutex m;
	std::condition_variable c;
	bool done = false;

	if (thread.get_id() == std::this_thread::get_id()) {
		f();
		return;
	}
	async([&] {
		f();
		std::lock_guard<std::mutex> held(m);
		done = true;
		c.notify_all();
	});
	std::unique_lock<std::mutex> held(m);
	c.wait(held, [&] { return done; });
}

kern_return_t IODispatchQueue::Create(const IODispatchQueueName name, uint64_t options,
				      uint64_t priority, IODispatchQueue **queue)
{
	*queue = new IODispatchQueue();
	(*queue)->self = new QueueState();
	return kIOReturnSuccess;
}

void IODispatchQueue::DispatchAsync(void (^block)(void))
{
	auto *copy = harnessBlockCopy(block);

	self->async([copy] { harnessBlockRun(copy); });
}

OSDictionary *OSDictionaryCreate(void)
{
	return new OSDictionary();
}

void OSDictionarySetUInt64Value(OSDictionary *dictionary, const char *key, uint64_t value)
{
	snprintf(dictionary->key, sizeof(dictionary->key), "%s", key);
}

void IODispatchQueue::free()
{
	QueueState *s = self;

	/* not by the queue itself: it would wait for its own end */
	if (s->thread.get_id() == std::this_thread::get_id())
		std::thread([s] { delete s; }).detach();
	else
		delete s;
	OSObject::free();
}

/* actions */

kern_return_t harnessAction(OSObject *target,
			    void (*call)(OSObject *target, OSAction *action, uint64_t a, uint64_t b),
			    size_t size, const char *queue, OSAction **action)
{
	auto *service = OSDynamicCast(IOService, target);
	auto *a = new OSAction();

	if (queue && (!service || service->self->queue != queue))
		fail("a method is to run on a queue that its service was not given");

	assert(size <= sizeof(a->reference));
	memset(a->reference, 0, sizeof(a->reference));
	target->retain();
	a->target = target;
	a->call = call;
	*action = a;
	return kIOReturnSuccess;
}

void *OSAction::GetReference()
{
	return reference;
}

void OSAction::free()
{
	if (target)
		target->release();
	OSObject::free();
}

/* services */

bool IOService::init()
{
	self = new ServiceState();
	return true;
}

void IOService::free()
{
	delete self;
	OSObject::free();
}

kern_return_t IOService::Start(IOService *provider, OSDispatchMethod super)
{
	return super ? kIOReturnSuccess : Start_Impl(provider);
}

kern_return_t IOService::Stop(IOService *provider, OSDispatchMethod super)
{
	if (!super)
		return Stop_Impl(provider);
	std::lock_guard<std::mutex> held(self->lock);
	if (self->stopped)
		fail("a service stops twice");
	self->stopped = true;
	self->changed.notify_all();
	return kIOReturnSuccess;
}

kern_return_t IOService::NewUserClient(uint32_t type, IOUserClient **userClient,
				       OSDispatchMethod super)
{
	return super ? kIOReturnError : NewUserClient_Impl(type, userClient);
}

/* Until a driver calls its super class the machine waits for it. */
kern_return_t IOService::SetPowerState(uint32_t powerFlags, OSDispatchMethod super)
{
	if (!super)
		return SetPowerState_Impl(powerFlags);
	if (!self->powerChanges)
		fail("a change of power is acknowledged that nobody asked for");
	self->powerChanges = false;
	return kIOReturnSuccess;
}

kern_return_t IOService::SetPowerState_Impl(uint32_t powerFlags)
{
	return SetPowerState(powerFlags, SUPERDISPATCH);
}

kern_return_t IOService::Start_Impl(IOService *provider)
{
	return kIOReturnSuccess;
}

kern_return_t IOService::Stop_Impl(IOService *provider)
{
	return Stop(provider, SUPERDISPATCH);
}

kern_return_t IOService::NewUserClient_Impl(uint32_t type, IOUserClient **userClient)
{
	return kIOReturnError;
}

OSContainer *IOService::harnessProperty(const char *name)
{
	return nullptr;
}

kern_return_t IOService::RegisterService()
{
	self->registered = true;
	return kIOReturnSuccess;
}

kern_return_t IOService::Terminate(uint64_t options)
{
	if (options)
		return kIOReturnBadArgument;
	self->terminated = true;
	return kIOReturnSuccess;
}

kern_return_t IOService::SearchProperty(const IOPropertyName name,
					const IORegistryPlaneName plane, uint64_t options,
					OSContainer **property)
{
	*property = harnessProperty(name);
	return *property ? kIOReturnSuccess : kIOReturnNotFound;
}

kern_return_t IOService::SetDispatchQueue(const IODispatchQueueName name, IODispatchQueue *queue)
{
	self->queue = name;
	return kIOReturnSuccess;
}

/* user clients */

kern_return_t IOUserClient::ExternalMethod(uint64_t selector,
					   IOUserClientMethodArguments *arguments,
					   const IOUserClientMethodDispatch *dispatch,
					   OSObject *target, void *reference)
{
	return kIOReturnUnsupported;
}

/* The kernel sends a message; the client's own thread takes it. */
void IOUserClient::AsyncCompletion(OSAction *action, IOReturn status,
				   const IOUserClientAsyncArgumentsArray asyncData,
				   uint32_t asyncDataCount)
{
	auto *completion = action->completion;
	auto *opaque = action->opaque;

	if (!completion)
		fail("an asynchronous call completes twice");
	action->completion = nullptr;
	harnessClientQueue()->async([=] { completion(opaque, (uint32_t)status); });
}

kern_return_t IOUserClient::CreateMemoryDescriptorFromClient(uint64_t options,
							     uint32_t segmentsCount,
							     const IOAddressSegment segments[32],
							     IOMemoryDescriptor **memory)
{
	if (segmentsCount != 1)
		return kIOReturnBadArgument;
	/* without the flag a processor's mapping is a copy, which no user of ours wants */
	if (options != (kIOMemoryDirectionOutIn | kIOMemoryDisableCopyOnWrite))
		fail("client memory is described without kIOMemoryDisableCopyOnWrite");
	*memory = new IOMemoryDescriptor();
	(*memory)->address = segments[0].address;
	(*memory)->length = segments[0].length;
	(*memory)->flags = options;
	(*memory)->fd = -1;
	return kIOReturnSuccess;
}

kern_return_t IOUserClient::CopyClientMemoryForType(uint64_t type, uint64_t *options,
						    IOMemoryDescriptor **memory)
{
	return CopyClientMemoryForType_Impl(type, options, memory);
}

kern_return_t IOUserClient::CopyClientMemoryForType_Impl(uint64_t type, uint64_t *options,
							 IOMemoryDescriptor **memory)
{
	return kIOReturnUnsupported;
}

/* memory */

kern_return_t IOMemoryDescriptor::CreateMapping(uint64_t options, uint64_t at, uint64_t offset,
						uint64_t size, uint64_t alignment,
						IOMemoryMap **map)
{
	if (alignment)
		return kIOReturnBadArgument;
	if (offset > length || size > length - offset)
		return kIOReturnError;
	*map = new IOMemoryMap();
	(*map)->address = address + offset;
	(*map)->of = this;
	retain();
	return kIOReturnSuccess;
}

void IOMemoryMap::free()
{
	of->release();
	OSObject::free();
}

kern_return_t IOBufferMemoryDescriptor::Create(uint64_t options, uint64_t capacity,
					       uint64_t alignment,
					       IOBufferMemoryDescriptor **memory)
{
	uint64_t size = (capacity + 16383) & ~16383ull;
	IOBufferMemoryDescriptor *m;
	void *at;
	int fd;

	if (options > kIOMemoryDirectionOutIn)
		return kIOReturnBadArgument;
	fd = memfd_create("driverkit", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, (off_t)size))
		return kIOReturnNoMemory;
	/* a buffer begins on a page of 16 KiB, the alignment asked for is for smaller ones */
	at = machine_aligned(fd, size, alignment > 16384 ? alignment : 16384);
	if (!at)
		return kIOReturnNoMemory;
	m = new IOBufferMemoryDescriptor();
	m->address = (uint64_t)(uintptr_t)at;
	m->capacity = size;
	m->length = 0;			/* until SetLength */
	m->flags = options;
	m->fd = fd;
	*memory = m;
	return kIOReturnSuccess;
}

kern_return_t IOBufferMemoryDescriptor::GetAddressRange(IOAddressSegment *range)
{
	*range = { address, length };
	return kIOReturnSuccess;
}

kern_return_t IOBufferMemoryDescriptor::SetLength(uint64_t size)
{
	if (size > capacity)
		return kIOReturnBadArgument;
	length = size;
	return kIOReturnSuccess;
}

void IOBufferMemoryDescriptor::free()
{
	munmap((void *)(uintptr_t)address, capacity);
	close(fd);
	OSObject::free();
}

