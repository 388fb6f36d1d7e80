/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_MACOS_DRIVERKIT_H
#define TESTS_MACOS_DRIVERKIT_H

/*
 * Declarations of our own of what the driver extension uses of DriverKit and PCIDriverKit, in place of
 * Apple's headers, for compiling and running it elsewhere. Each names where Apple publishes the
 * interface: (xnu) is iokit/DriverKit of the kernel's sources, (pci) PCIDriverKit of IOPCIFamily's,
 * (doc) the public documentation of DriverKit.
 *
 * Methods that cross into the kernel there are plain methods here. What a class keeps for the harness
 * is in @self.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <DriverKit/IOLib.h>

typedef int kern_return_t;
typedef kern_return_t IOReturn;
typedef uint32_t IOOptionBits;
typedef const char *IOPropertyName;
typedef const char *IORegistryPlaneName;
typedef const char *IODispatchQueueName;

/* (xnu) IOReturn.h */
#define kIOReturnSuccess	0
#define kIOReturnError		((IOReturn)0xe00002bc)
#define kIOReturnNoMemory	((IOReturn)0xe00002bd)
#define kIOReturnBadArgument	((IOReturn)0xe00002c2)
#define kIOReturnUnsupported	((IOReturn)0xe00002c7)
#define kIOReturnNotOpen	((IOReturn)0xe00002cd)
#define kIOReturnBusy		((IOReturn)0xe00002d5)
#define kIOReturnNotReady	((IOReturn)0xe00002d8)
#define kIOReturnNotFound	((IOReturn)0xe00002f0)

/* What .iig files are marked with; (doc) IMPL and SUPERDISPATCH of implementations. */
#define LOCAL
#define LOCALONLY
#define KERNEL
#define TARGET
#define TYPE(x)
#define QUEUENAME(x)
typedef const void *OSDispatchMethod;
#define SUPERDISPATCH ((OSDispatchMethod)1)
#define IMPL(cls, method) cls::method##_Impl(cls##_##method##_Args)

/* (doc) IOLib.h */
#define IONewZero(type, count)	static_cast<type *>(harnessNew(sizeof(type) * (count)))
#define IOSafeDeleteNULL(ptr, type, count) \
	do { harnessDelete(ptr); (ptr) = nullptr; } while (0)
#define OSSafeReleaseNULL(ptr) \
	do { if (ptr) (ptr)->release(); (ptr) = nullptr; } while (0)
void *harnessNew(size_t size);
void harnessDelete(void *ptr);
class OSObject;
class OSAction;
kern_return_t harnessAction(OSObject *target, void (*call)(OSObject *target, OSAction *action, uint64_t a,
						   uint64_t b), size_t size, const char *queue,
			    OSAction **action);
/* (xnu) OSObject.iig */
class OSObject
{
public:
	OSObject();
	virtual bool init();
	virtual void free();
	void retain();
	void release();

protected:
	virtual ~OSObject();

private:
	uint32_t refs;
};

#define OSDynamicCast(type, object) dynamic_cast<type *>(object)

class OSContainer : public OSObject {};

/* (doc) OSNumber, OSData */
class OSNumber : public OSContainer
{
public:
	explicit OSNumber(uint64_t v) : value(v) {}
	uint64_t unsigned64BitValue() { return value; }

private:
	uint64_t value;
};

class OSData : public OSContainer
{
public:
	OSData(const void *bytes, size_t size);
	size_t getLength() { return length; }
	const void *getBytesNoCopy() { return data; }

private:
	size_t length;
	uint8_t data[64];
};

/* (xnu) OSDictionary.iig, (doc) OSCollections.h: one name that is set is all that matters */
class OSDictionary : public OSContainer
{
public:
	char key[64];
};
OSDictionary *OSDictionaryCreate(void);
void OSDictionarySetUInt64Value(OSDictionary *dictionary, const char *key, uint64_t value);

class IOService;
class IOUserClient;
class IOMemoryDescriptor;

/* (xnu) IODispatchQueue.iig */
class IODispatchQueue : public OSObject
{
public:
	static kern_return_t Create(const IODispatchQueueName name, uint64_t options,
				    uint64_t priority, IODispatchQueue **queue);
	void DispatchAsync(void (^block)(void));
	void free() override;

	struct QueueState *self;
};

/* (xnu) OSAction.iig */
class OSAction : public OSObject
{
public:
	void *GetReference();
	void free() override;

	OSObject *target;
	void (*call)(OSObject *target, OSAction *action, uint64_t a, uint64_t b);
	void (*completion)(void *opaque, uint32_t result);
	void *opaque;
	uint64_t reference[4];
};

/* (xnu) IOService.iig */
#define kIOServiceSearchPropertyParents	1
#define kIOServicePowerCapabilityOff	0
#define kIOServicePowerCapabilityOn	2
class IOService : public OSObject
{
public:
	bool init() override;
	void free() override;
	kern_return_t Start(IOService *provider, OSDispatchMethod super = nullptr);
	kern_return_t Stop(IOService *provider, OSDispatchMethod super = nullptr);
	kern_return_t NewUserClient(uint32_t type, IOUserClient **userClient,
				    OSDispatchMethod super = nullptr);
	kern_return_t SetPowerState(uint32_t powerFlags, OSDispatchMethod super = nullptr);
	kern_return_t Create(IOService *provider, const IOPropertyName propertiesKey,
			     IOService **result);
	kern_return_t RegisterService();
	kern_return_t Terminate(uint64_t options);
	kern_return_t SearchProperty(const IOPropertyName name, const IORegistryPlaneName plane,
				     uint64_t options, OSContainer **property);
	kern_return_t SetDispatchQueue(const IODispatchQueueName name, IODispatchQueue *queue);

	struct ServiceState *self;

	/* what subclasses implement; the plain names above lead here */
	virtual kern_return_t Start_Impl(IOService *provider);
	virtual kern_return_t Stop_Impl(IOService *provider);
	virtual kern_return_t SetPowerState_Impl(uint32_t powerFlags);
	virtual kern_return_t NewUserClient_Impl(uint32_t type, IOUserClient **userClient);
	virtual OSContainer *harnessProperty(const char *name);
};

/* (xnu) IOInterruptDispatchSource.iig */
#define kIOInterruptTypePCIMessaged	0x00010000
#define kIOInterruptTypePCIMessagedX	0x00020000
class IOInterruptDispatchSource : public OSObject
{
public:
	static kern_return_t Create(IOService *provider, uint32_t index, IODispatchQueue *queue,
				    IOInterruptDispatchSource **source);
	static kern_return_t GetInterruptType(IOService *provider, uint32_t index,
					      uint64_t *interruptType);
	kern_return_t SetHandler(OSAction *action);
	kern_return_t SetEnable(bool enable);
	kern_return_t Cancel(void (^handler)(void));
	void free() override;

	struct SourceState *self;
};

/* (xnu) IOMemoryDescriptor.iig, IOBufferMemoryDescriptor.iig, IOMemoryMap.iig */
#define kIOMemoryDirectionIn		1u
#define kIOMemoryDirectionOut		2u
#define kIOMemoryDirectionOutIn		3u
#define kIOMemoryDisableCopyOnWrite	0x10u

struct IOAddressSegment {
	uint64_t address;
	uint64_t length;
};

class IOMemoryMap : public OSObject
{
public:
	uint64_t GetAddress() { return address; }
	void free() override;

	uint64_t address;
	IOMemoryDescriptor *of;
};

class IOMemoryDescriptor : public OSObject
{
public:
	kern_return_t CreateMapping(uint64_t options, uint64_t address, uint64_t offset,
				    uint64_t length, uint64_t alignment, IOMemoryMap **map);

	uint64_t address, length;
	uint64_t flags;
	int fd;				/* -1: a client's memory */
};

class IOBufferMemoryDescriptor : public IOMemoryDescriptor
{
public:
	static kern_return_t Create(uint64_t options, uint64_t capacity, uint64_t alignment,
				    IOBufferMemoryDescriptor **memory);
	kern_return_t GetAddressRange(IOAddressSegment *range);
	kern_return_t SetLength(uint64_t length);
	void free() override;

	uint64_t capacity;
};

/* (xnu) IODMACommand.iig */
struct IODMACommandSpecification {
	uint64_t options;
	uint64_t maxAddressBits;
	uint64_t _resv[16];
};

#define kIODMACommandCreateNoOptions		0
#define kIODMACommandPrepareForDMANoOptions	0
#define kIODMACommandCompleteDMANoOptions	0
#define kIODMACommandSpecificationNoOptions	0

class IODMACommand : public OSObject
{
public:
	static kern_return_t Create(IOService *device, uint64_t options,
				    const IODMACommandSpecification *specification,
				    IODMACommand **command);
	kern_return_t PrepareForDMA(uint64_t options, IOMemoryDescriptor *memory, uint64_t offset,
				    uint64_t length, uint64_t *flags, uint32_t *segmentsCount,
				    IOAddressSegment segments[32]);
	kern_return_t CompleteDMA(uint64_t options);
	void free() override;

	struct CommandState *self;
};

/* (xnu) IOUserClient.iig */
struct IOUserClientMethodArguments {
	uint64_t version;
	uint64_t selector;
	OSAction *completion;
	const uint64_t *scalarInput;
	uint32_t scalarInputCount;
	OSData *structureInput;
	IOMemoryDescriptor *structureInputDescriptor;
	uint64_t *scalarOutput;
	uint32_t scalarOutputCount;
	OSData *structureOutput;
	IOMemoryDescriptor *structureOutputDescriptor;
	uint64_t structureOutputMaximumSize;
	uint64_t __reserved[30];
};

struct IOUserClientMethodDispatch;
typedef uint64_t IOUserClientAsyncArgumentsArray[16];

class IOUserClient : public IOService
{
public:
	virtual kern_return_t ExternalMethod(uint64_t selector,
					     IOUserClientMethodArguments *arguments,
					     const IOUserClientMethodDispatch *dispatch,
					     OSObject *target, void *reference);
	void AsyncCompletion(OSAction *action, IOReturn status,
			     const IOUserClientAsyncArgumentsArray asyncData,
			     uint32_t asyncDataCount);
	kern_return_t CreateMemoryDescriptorFromClient(uint64_t options, uint32_t segmentsCount,
						       const IOAddressSegment segments[32],
						       IOMemoryDescriptor **memory);
	kern_return_t CopyClientMemoryForType(uint64_t type, uint64_t *options,
					      IOMemoryDescriptor **memory);
	virtual kern_return_t CopyClientMemoryForType_Impl(uint64_t type, uint64_t *options,
							   IOMemoryDescriptor **memory);
};

/* (pci) IOPCIDevice.iig */
#define kIOPCIDeviceResetTypeHotReset		0x01
#define kIOPCIDeviceResetTypeFunctionReset	0x10
#define kIOPCIDeviceResetOptionNone		0

class IOPCIDevice : public IOService
{
public:
	kern_return_t Open(IOService *forClient, IOOptionBits options);
	void Close(IOService *forClient, IOOptionBits options);
	void ConfigurationRead32(uint64_t offset, uint32_t *readData);
	void ConfigurationRead16(uint64_t offset, uint16_t *readData);
	void ConfigurationRead8(uint64_t offset, uint8_t *readData);
	void ConfigurationWrite32(uint64_t offset, uint32_t data);
	void ConfigurationWrite16(uint64_t offset, uint16_t data);
	void ConfigurationWrite8(uint64_t offset, uint8_t data);
	void MemoryRead64(uint8_t memoryIndex, uint64_t offset, uint64_t *readData);
	void MemoryRead32(uint8_t memoryIndex, uint64_t offset, uint32_t *readData);
	void MemoryRead16(uint8_t memoryIndex, uint64_t offset, uint16_t *readData);
	void MemoryRead8(uint8_t memoryIndex, uint64_t offset, uint8_t *readData);
	void MemoryWrite64(uint8_t memoryIndex, uint64_t offset, uint64_t data);
	void MemoryWrite32(uint8_t memoryIndex, uint64_t offset, uint32_t data);
	void MemoryWrite16(uint8_t memoryIndex, uint64_t offset, uint16_t data);
	void MemoryWrite8(uint8_t memoryIndex, uint64_t offset, uint8_t data);
	kern_return_t GetBusDeviceFunction(uint8_t *bus, uint8_t *device, uint8_t *function);
	kern_return_t GetBARInfo(uint8_t barIndex, uint8_t *memoryIndex, uint64_t *barSize,
				 uint8_t *barType);
	kern_return_t ConfigureInterrupts(uint32_t interruptType, uint32_t numRequired,
					  uint32_t numRequested, IOOptionBits options);
	kern_return_t Reset(IOOptionBits type, IOOptionBits options);
	kern_return_t SetProperties(OSDictionary *properties);
	kern_return_t _CopyDeviceMemoryWithIndex(uint64_t memoryIndex, IOMemoryDescriptor **memory,
						 IOService *forClient);
	OSContainer *harnessProperty(const char *name) override;
	void free() override;

	struct DeviceState *device;
};

#endif
