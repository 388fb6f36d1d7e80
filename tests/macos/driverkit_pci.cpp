/* SPDX-License-Identifier: BSD-3-Clause */
#include "driverkit_state.h"

#include <assert.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

/*
 * PCIDriverKit, played on the simulated bus: sessions, config space that is all ones without one,
 * register access that nobody checks, interrupts that are configured once, preparing that truncates.
 */

static void fail(const char *what)
{
	fprintf(stderr, "driverkit: %s\n", what);
	abort();
}

void *machine_aligned(int fd, uint64_t size, uint64_t align)
{
	uint64_t room = size + align;
	void *base = mmap(nullptr, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t at;

	if (base == MAP_FAILED)
		return nullptr;
	at = ((uint64_t)(uintptr_t)base + align - 1) & ~(align - 1);
	munmap(base, at - (uint64_t)(uintptr_t)base);
	munmap((void *)(uintptr_t)(at + size), (uint64_t)(uintptr_t)base + room - at - size);
	base = mmap((void *)(uintptr_t)at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	return base == MAP_FAILED ? nullptr : base;
}

/* interrupts */

kern_return_t IOInterruptDispatchSource::Create(IOService *provider, uint32_t index,
						IODispatchQueue *queue,
						IOInterruptDispatchSource **source)
{
	auto *device = OSDynamicCast(IOPCIDevice, provider);
	auto *s = new IOInterruptDispatchSource();

	assert(device && index < device->device->nr_irqs);
	s->self = new SourceState();
	s->self->device = device;
	s->self->index = index;
	s->self->queue = queue;
	device->retain();
	queue->retain();
	std::lock_guard<std::mutex> held(device->device->lock);
	device->device->sources.push_back(s);
	*source = s;
	return kIOReturnSuccess;
}

kern_return_t IOInterruptDispatchSource::GetInterruptType(IOService *provider, uint32_t index,
							  uint64_t *interruptType)
{
	auto *device = OSDynamicCast(IOPCIDevice, provider);

	if (!device || index >= device->device->nr_irqs)
		return kIOReturnError;
	*interruptType = device->device->irq_type;
	return kIOReturnSuccess;
}

kern_return_t IOInterruptDispatchSource::SetHandler(OSAction *action)
{
	std::lock_guard<std::mutex> held(self->lock);

	action->retain();
	if (self->handler)
		self->handler->release();
	self->handler = action;
	return kIOReturnSuccess;
}

kern_return_t IOInterruptDispatchSource::SetEnable(bool enable)
{
	std::lock_guard<std::mutex> held(self->lock);

	if (self->cancelled)
		return kIOReturnError;
	self->enabled = enable;
	return kIOReturnSuccess;
}

/* It ends on its queue, after what is under way there. */
kern_return_t IOInterruptDispatchSource::Cancel(void (^handler)(void))
{
	auto *copy = harnessBlockCopy(handler);

	{
		std::lock_guard<std::mutex> held(self->lock);

		if (self->cancelled)
			fail("a source is cancelled twice");
		self->cancelled = true;
		self->enabled = false;
	}
	self->queue->self->async([this, copy] {
		OSAction *was = self->handler;

		self->handler = nullptr;
		if (was)
			was->release();
		harnessBlockRun(copy);
	});
	return kIOReturnSuccess;
}

void IOInterruptDispatchSource::free()
{
	DeviceState *d = self->device->device;

	if (self->handler && !self->cancelled) {
		self->handler->release();
	} else if (!self->cancelled && self->enabled) {
		fail("a source is released before it was cancelled");
	}
	{
		std::lock_guard<std::mutex> held(d->lock);

		for (size_t i = 0; i < d->sources.size(); i++)
			if (d->sources[i] == this)
				d->sources.erase(d->sources.begin() + (long)i);
	}
	self->queue->release();
	self->device->release();
	delete self;
	OSObject::free();
}

/* An interrupt has arrived: the handler runs on the source's queue. */
static void fire(IOInterruptDispatchSource *source)
{
	SourceState *s = source->self;

	std::lock_guard<std::mutex> held(s->lock);
	if (!s->enabled || !s->handler)
		return;
	source->retain();
	s->queue->self->async([source, s] {
		OSAction *action = nullptr;
		uint64_t count = 0;

		{
			std::lock_guard<std::mutex> inner(s->lock);

			if (!s->cancelled && s->handler) {
				action = s->handler;
				action->retain();
				count = ++s->count;
			}
		}
		if (action) {
			action->call(action->target, action, count, 0);
			action->release();
		}
		source->release();
	});
}

static void on_irq(void *opaque, unsigned int v)
{
	auto *d = (DeviceState *)opaque;

	std::lock_guard<std::mutex> held(d->lock);
	for (auto *s : d->sources)
		if (s->self->index == v)
			fire(s);
}

/* DMA */

kern_return_t IODMACommand::Create(IOService *device, uint64_t options,
				   const IODMACommandSpecification *specification,
				   IODMACommand **command)
{
	if (options || specification->options)
		return kIOReturnBadArgument;
	auto *c = new IODMACommand();
	c->self = new CommandState();
	c->self->device = OSDynamicCast(IOPCIDevice, device);
	assert(c->self->device);
	device->retain();
	*command = c;
	return kIOReturnSuccess;
}

kern_return_t IODMACommand::PrepareForDMA(uint64_t options, IOMemoryDescriptor *memory,
					  uint64_t offset, uint64_t length, uint64_t *flags,
					  uint32_t *segmentsCount, IOAddressSegment segments[32])
{
	struct machine_function *f = &self->device->device->f;
	struct gw_core_prepared out = {};
	struct gw_core_request req = {};
	uint32_t ret;

	if (!memory || options)
		return kIOReturnBadArgument;
	if (self->memory)
		return kIOReturnBusy;
	if (offset > memory->length || (length && length > memory->length - offset))
		return kIOReturnBadArgument;
	req.addr = memory->address + offset;
	req.size = length ? length : memory->length - offset;
	self->mapping = harnessNew(f->platform->mapping_size);
	ret = f->platform->dma_prepare(f->ctx, self->mapping, &req, &out);
	if (ret) {
		harnessDelete(self->mapping);
		return (kern_return_t)ret;
	}
	self->memory = memory;
	memory->retain();
	if (*segmentsCount > out.nr)
		*segmentsCount = out.nr;
	for (uint32_t i = 0; i < *segmentsCount; i++)
		segments[i] = { out.seg[i].iova, out.seg[i].size };
	*flags = memory->flags & kIOMemoryDirectionOutIn;
	return kIOReturnSuccess;
}

kern_return_t IODMACommand::CompleteDMA(uint64_t options)
{
	struct machine_function *f = &self->device->device->f;

	if (!self->memory)
		return kIOReturnNotReady;
	f->platform->dma_complete(f->ctx, self->mapping);
	harnessDelete(self->mapping);
	self->memory->release();
	self->memory = nullptr;
	return kIOReturnSuccess;
}

void IODMACommand::free()
{
	CompleteDMA(0);
	self->device->release();
	delete self;
	OSObject::free();
}

/* the device */

kern_return_t IOPCIDevice::Open(IOService *forClient, IOOptionBits options)
{
	std::lock_guard<std::mutex> held(device->lock);

	if (device->off)
		fail("a session is begun while the device sleeps: 10 s are lost");
	if (device->opener)
		return kIOReturnNotOpen;
	device->opener = forClient;
	return (kern_return_t)device->f.platform->open(device->f.ctx);
}

void IOPCIDevice::Close(IOService *forClient, IOOptionBits options)
{
	std::lock_guard<std::mutex> held(device->lock);

	if (device->opener != forClient)
		return;
	device->opener = nullptr;
	device->changed.notify_all();
	device->f.platform->close(device->f.ctx);
}

/* The driver may wait for faults until it goes itself. */
void IOPCIDevice::free()
{
	delete device;
	IOService::free();
}

kern_return_t IOPCIDevice::SetProperties(OSDictionary *properties)
{
	std::unique_lock<std::mutex> held(device->lock);

	if (strcmp(properties->key, "pci-get-dart-error") != 0)
		return kIOReturnUnsupported;
	device->changed.wait(held, [this] { return !device->opener || !device->faults.empty(); });
	return device->opener ? kIOReturnSuccess : kIOReturnNotOpen;
}

/* They are marked as read. */
static OSContainer *take_faults(DeviceState *d)
{
	std::lock_guard<std::mutex> held(d->lock);
	size_t nr = d->faults.size() < 15 ? d->faults.size() : 15;	/* a played OSData holds 64 bytes */
	auto *data = new OSData(d->faults.data(), nr * sizeof(uint32_t));

	d->faults.erase(d->faults.begin(), d->faults.begin() + (long)nr);
	return data;
}

void IOPCIDevice::ConfigurationRead32(uint64_t offset, uint32_t *readData)
{
	*readData = device->f.platform->config_read(device->f.ctx, (unsigned int)offset, 4);
}

void IOPCIDevice::ConfigurationRead16(uint64_t offset, uint16_t *readData)
{
	*readData = (uint16_t)device->f.platform->config_read(device->f.ctx, (unsigned int)offset, 2);
}

void IOPCIDevice::ConfigurationRead8(uint64_t offset, uint8_t *readData)
{
	*readData = (uint8_t)device->f.platform->config_read(device->f.ctx, (unsigned int)offset, 1);
}

void IOPCIDevice::ConfigurationWrite32(uint64_t offset, uint32_t data)
{
	device->f.platform->config_write(device->f.ctx, (unsigned int)offset, 4, data);
}

void IOPCIDevice::ConfigurationWrite16(uint64_t offset, uint16_t data)
{
	device->f.platform->config_write(device->f.ctx, (unsigned int)offset, 2, data);
}

void IOPCIDevice::ConfigurationWrite8(uint64_t offset, uint8_t data)
{
	device->f.platform->config_write(device->f.ctx, (unsigned int)offset, 1, data);
}

/* Beyond a BAR the extension faults, and so do we: the machine asserts. */
static uint64_t memory_read(DeviceState *d, uint8_t index, uint64_t offset, unsigned int width)
{
	uint64_t val = UINT64_MAX;

	if (!d->opener || d->off)
		fail("registers are read without a session, or without power");
	d->f.platform->mmio_read(d->f.ctx, index, offset, width, &val);
	return val;
}

static void memory_write(DeviceState *d, uint8_t index, uint64_t offset, unsigned int width,
			 uint64_t val)
{
	if (!d->opener || d->off)
		fail("registers are written without a session, or without power");
	d->f.platform->mmio_write(d->f.ctx, index, offset, width, val);
}

void IOPCIDevice::MemoryRead64(uint8_t memoryIndex, uint64_t offset, uint64_t *readData)
{
	*readData = memory_read(device, memoryIndex, offset, 8);
}

void IOPCIDevice::MemoryRead32(uint8_t memoryIndex, uint64_t offset, uint32_t *readData)
{
	*readData = (uint32_t)memory_read(device, memoryIndex, offset, 4);
}

void IOPCIDevice::MemoryRead16(uint8_t memoryIndex, uint64_t offset, uint16_t *readData)
{
	*readData = (uint16_t)memory_read(device, memoryIndex, offset, 2);
}

void IOPCIDevice::MemoryRead8(uint8_t memoryIndex, uint64_t offset, uint8_t *readData)
{
	*readData = (uint8_t)memory_read(device, memoryIndex, offset, 1);
}

void IOPCIDevice::MemoryWrite64(uint8_t memoryIndex, uint64_t offset, uint64_t data)
{
	memory_write(device, memoryIndex, offset, 8, data);
}

void IOPCIDevice::MemoryWrite32(uint8_t memoryIndex, uint64_t offset, uint32_t data)
{
	memory_write(device, memoryIndex, offset, 4, data);
}

void IOPCIDevice::MemoryWrite16(uint8_t memoryIndex, uint64_t offset, uint16_t data)
{
	memory_write(device, memoryIndex, offset, 2, data);
}

void IOPCIDevice::MemoryWrite8(uint8_t memoryIndex, uint64_t offset, uint8_t data)
{
	memory_write(device, memoryIndex, offset, 1, data);
}

kern_return_t IOPCIDevice::GetBusDeviceFunction(uint8_t *bus, uint8_t *dev, uint8_t *function)
{
	uint8_t at[3];

	device->f.platform->address(device->f.ctx, at);
	*bus = at[0];
	*dev = at[1];
	*function = at[2];
	return kIOReturnSuccess;
}

/* The kernel writes all three. */
kern_return_t IOPCIDevice::GetBARInfo(uint8_t barIndex, uint8_t *memoryIndex, uint64_t *barSize,
				      uint8_t *barType)
{
	struct gw_core_bar info = {};
	uint32_t ret;

	if (barIndex >= GW_DEXT_NR_BARS)
		return kIOReturnBadArgument;
	ret = device->f.platform->bar(device->f.ctx, barIndex, &info);
	*memoryIndex = (uint8_t)info.index;
	*barSize = info.size;
	*barType = (uint8_t)info.type;
	return (kern_return_t)ret;
}

unsigned int harnessVectors;

kern_return_t IOPCIDevice::ConfigureInterrupts(uint32_t interruptType, uint32_t numRequired,
					       uint32_t numRequested, IOOptionBits options)
{
	unsigned int nr = numRequested;
	uint32_t ret;

	if (device->off)
		fail("interrupts are configured of a device that has no power");
	if (!numRequired || numRequired > numRequested || options)
		return kIOReturnBadArgument;
	if (device->nr_irqs)
		return device->irq_type == interruptType && device->nr_irqs >= numRequired ?
		       kIOReturnSuccess : kIOReturnUnsupported;
	if (harnessVectors && harnessVectors < numRequired)
		return kIOReturnUnsupported;
	if (harnessVectors && harnessVectors < nr)
		nr = harnessVectors;
	ret = device->f.platform->irq_configure(device->f.ctx,
						interruptType == kIOInterruptTypePCIMessagedX ?
						GW_CORE_IRQ_MSIX : GW_CORE_IRQ_MSI, &nr);
	if (ret)
		return (kern_return_t)ret;
	device->irq_type = interruptType;
	device->nr_irqs = nr;
	machine_on_irq(&device->f, on_irq, device);
	return kIOReturnSuccess;
}

kern_return_t IOPCIDevice::Reset(IOOptionBits type, IOOptionBits options)
{
	if (device->off)
		fail("a device is reset that has no power");
	if ((type != kIOPCIDeviceResetTypeFunctionReset && type != kIOPCIDeviceResetTypeHotReset) ||
	    options)
		return kIOReturnBadArgument;
	return (kern_return_t)device->f.platform->reset(device->f.ctx,
							type == kIOPCIDeviceResetTypeFunctionReset);
}

class BarMemory : public IOMemoryDescriptor {};

kern_return_t IOPCIDevice::_CopyDeviceMemoryWithIndex(uint64_t memoryIndex,
						      IOMemoryDescriptor **memory,
						      IOService *forClient)
{
	if (device->opener != forClient)
		return kIOReturnNotOpen;
	for (unsigned int bar = 0; bar < GW_DEXT_NR_BARS; bar++) {
		struct gw_core_memory mem = {};
		struct gw_core_bar info = {};
		uint32_t ret = device->f.platform->bar(device->f.ctx, bar, &info);

		if (ret || info.index != memoryIndex)
			continue;
		ret = device->f.platform->bar_memory(device->f.ctx, bar, &mem);
		if (ret)
			return (kern_return_t)ret;
		*memory = new BarMemory();
		(*memory)->address = (uint64_t)(uintptr_t)mem.addr;
		(*memory)->length = mem.size;
		(*memory)->flags = 3;
		(*memory)->fd = mem.fd;
		return kIOReturnSuccess;
	}
	return kIOReturnBadArgument;
}

/* What the registry says of it, and of the DART. */
OSContainer *IOPCIDevice::harnessProperty(const char *name)
{
	const uint32_t code = device->f.class_code;
	struct gw_core_limits l;

	if (!strcmp(name, "class-code"))
		return new OSData(&code, sizeof(code));
	if (!strcmp(name, "pci-dart-error-data"))
		return take_faults(device);
	device->f.platform->limits(device->f.ctx, &l);
	if (!strcmp(name, "IOPCIDeviceMapperPageSize"))
		return new OSNumber(l.granule);
	if (!strcmp(name, "IOPCIDeviceMemoryMapBase"))
		return new OSNumber(l.iova_first / l.granule);
	if (!strcmp(name, "IOPCIDeviceMemoryMapSize"))
		return new OSNumber((l.iova_last - l.iova_first + 1) / l.granule);
	return nullptr;
}
