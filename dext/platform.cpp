/* SPDX-License-Identifier: BSD-3-Clause */
#include "platform.h"

#include <DriverKit/IOLib.h>
#include <DriverKit/OSCollections.h>

#include "GangwayDriver.h"
#include "faults.h"
#include "interrupts.h"
#include "memory.h"

/*
 * How it works: a table of operations for the core, each of which asks PCIDriverKit for one thing.
 * Those for memory and interrupts are in memory.cpp and interrupts.cpp. They run in the thread in
 * which the core was called; the core sees to it that the device is open when one needs that.
 */

#define MIB		(1024ull * 1024)
#define GRANULE		16384ull
#define MAX_MAPS	65536ull
#define MAX_BYTES	(1536 * MIB)

/* A property of the device or of what it hangs on. */
static bool number(IOService *provider, const char *key, uint64_t *val)
{
	OSContainer *property = nullptr;
	kern_return_t ret = provider->SearchProperty(key, "IOService", kIOServiceSearchPropertyParents,
						     &property);
	OSNumber *n = ret == kIOReturnSuccess ? OSDynamicCast(OSNumber, property) : nullptr;

	if (n)
		*val = n->unsigned64BitValue();
	OSSafeReleaseNULL(property);
	return n != nullptr;
}

uint32_t platformClassCode(IOService *provider)
{
	OSContainer *property = nullptr;
	kern_return_t ret = provider->SearchProperty("class-code", "IOService", 0, &property);
	OSData *data = ret == kIOReturnSuccess ? OSDynamicCast(OSData, property) : nullptr;
	uint32_t code = 0;

	if (data && data->getLength() >= sizeof(code))
		__builtin_memcpy(&code, data->getBytesNoCopy(), sizeof(code));
	OSSafeReleaseNULL(property);
	return code & 0xffffff;
}

static uint32_t deviceOpen(void *ctx)
{
	Platform *p = (Platform *)ctx;
	kern_return_t ret = p->device->Open(p->driver, 0);

	/* out of memory comes with the session open */
	if (ret == kIOReturnNoMemory)
		p->device->Close(p->driver, 0);
	if (ret == kIOReturnSuccess)
		faultsWatch(p);
	return (uint32_t)ret;
}

/* A BAR's descriptor is the session's, so the next one asks for it anew. */
static void deviceClose(void *ctx)
{
	Platform *p = (Platform *)ctx;

	for (unsigned int i = 0; i < GW_DEXT_NR_BARS; i++)
		OSSafeReleaseNULL(p->bar[i]);
	p->device->Close(p->driver, 0);
}

static void deviceAddress(void *ctx, uint8_t at[3])
{
	((Platform *)ctx)->device->GetBusDeviceFunction(&at[0], &at[1], &at[2]);
}

/*
 * The DART says where its addresses are, in pages. A quarter of them is left to the gaps that it
 * puts between mappings and to whoever else uses it; of the 2047 MiB behind a Thunderbolt port that
 * leaves the 1.5 GiB that are known to work.
 */
static void deviceLimits(void *ctx, struct gw_core_limits *l)
{
	Platform *p = (Platform *)ctx;
	uint64_t page = GRANULE, base = 0, size = 0;

	*l = { GRANULE, MAX_BYTES, MAX_MAPS, MAX_BYTES, 0, UINT64_MAX, GW_DEXT_MAX_SEGMENTS, 0 };
	if (number(p->device, "IOPCIDeviceMapperPageSize", &page) && page && !(page & (page - 1)) &&
	    page <= MIB)
		l->granule = page;
	if (!number(p->device, "IOPCIDeviceMemoryMapBase", &base) ||
	    !number(p->device, "IOPCIDeviceMemoryMapSize", &size) || size < 4 ||
	    base > UINT64_MAX / l->granule - size)
		return;
	l->iova_first = base * l->granule;
	l->iova_last = (base + size) * l->granule - 1;
	l->max_bytes = size / 4 * 3 * l->granule;
	l->max_map_bytes = l->max_bytes < MAX_BYTES ? l->max_bytes : MAX_BYTES;
}

static uint32_t deviceBar(void *ctx, unsigned int bar, struct gw_core_bar *info)
{
	uint8_t index = 0, type = 0;
	uint64_t size = 0;
	kern_return_t ret = ((Platform *)ctx)->device->GetBARInfo((uint8_t)bar, &index, &size, &type);

	*info = { index, size, type };
	return (uint32_t)ret;
}

static uint32_t deviceConfigRead(void *ctx, unsigned int off, unsigned int width)
{
	IOPCIDevice *device = ((Platform *)ctx)->device;
	uint32_t v32 = UINT32_MAX;
	uint16_t v16 = UINT16_MAX;
	uint8_t v8 = UINT8_MAX;

	switch (width) {
	case 1:
		device->ConfigurationRead8(off, &v8);
		return v8;
	case 2:
		device->ConfigurationRead16(off, &v16);
		return v16;
	}
	device->ConfigurationRead32(off, &v32);
	return v32;
}

static void deviceConfigWrite(void *ctx, unsigned int off, unsigned int width, uint32_t val)
{
	IOPCIDevice *device = ((Platform *)ctx)->device;

	switch (width) {
	case 1:
		device->ConfigurationWrite8(off, (uint8_t)val);
		break;
	case 2:
		device->ConfigurationWrite16(off, (uint16_t)val);
		break;
	default:
		device->ConfigurationWrite32(off, val);
	}
}

static uint32_t deviceBarMemory(void *ctx, unsigned int bar, struct gw_core_memory *mem)
{
	Platform *p = (Platform *)ctx;
	struct gw_core_bar info;
	uint32_t ret = deviceBar(ctx, bar, &info);

	if (ret == GW_IORETURN_SUCCESS && !p->bar[bar])
		ret = (uint32_t)p->device->_CopyDeviceMemoryWithIndex(info.index, &p->bar[bar],
								      p->driver);
	if (ret != GW_IORETURN_SUCCESS)
		return ret;
	*mem = { nullptr, info.size, -1, p->bar[bar] };
	return GW_IORETURN_SUCCESS;
}

static uint32_t deviceRead(void *ctx, uint64_t index, uint64_t off, unsigned int width,
			   uint64_t *val)
{
	IOPCIDevice *device = ((Platform *)ctx)->device;
	uint8_t at = (uint8_t)index;
	uint32_t v32 = UINT32_MAX;
	uint16_t v16 = UINT16_MAX;
	uint8_t v8 = UINT8_MAX;

	*val = UINT64_MAX;
	switch (width) {
	case 1:
		device->MemoryRead8(at, off, &v8);
		*val = v8;
		break;
	case 2:
		device->MemoryRead16(at, off, &v16);
		*val = v16;
		break;
	case 4:
		device->MemoryRead32(at, off, &v32);
		*val = v32;
		break;
	default:
		device->MemoryRead64(at, off, val);
	}
	return GW_IORETURN_SUCCESS;
}

static uint32_t deviceWrite(void *ctx, uint64_t index, uint64_t off, unsigned int width,
			    uint64_t val)
{
	IOPCIDevice *device = ((Platform *)ctx)->device;
	uint8_t at = (uint8_t)index;

	switch (width) {
	case 1:
		device->MemoryWrite8(at, off, (uint8_t)val);
		break;
	case 2:
		device->MemoryWrite16(at, off, (uint16_t)val);
		break;
	case 4:
		device->MemoryWrite32(at, off, (uint32_t)val);
		break;
	default:
		device->MemoryWrite64(at, off, val);
	}
	return GW_IORETURN_SUCCESS;
}

static uint32_t deviceReset(void *ctx, bool flr)
{
	return (uint32_t)((Platform *)ctx)->device->Reset(flr ? kIOPCIDeviceResetTypeFunctionReset :
							  kIOPCIDeviceResetTypeHotReset,
							  kIOPCIDeviceResetOptionNone);
}

static void driverTerminate(void *ctx)
{
	((Platform *)ctx)->driver->Terminate(0);
}

/* The line before a preparation is the last one if that takes the machine down. */
static void driverEvent(void *ctx, enum gw_core_event event, uint64_t a, uint64_t b)
{
	switch (event) {
	case GW_CORE_EVENT_PREPARE:
		IOLog("gangway: preparing %#llx, %llu bytes\n", (unsigned long long)a,
		      (unsigned long long)b);
		break;
	case GW_CORE_EVENT_LEFT:
		IOLog("gangway: a client left %llu regions of %llu bytes\n", (unsigned long long)a,
		      (unsigned long long)b);
		break;
	case GW_CORE_EVENT_TRUNCATED:
		IOLog("gangway: %llu bytes fall into more than %d segments\n", (unsigned long long)a,
		      GW_CORE_MAX_SEGMENTS);
		break;
	case GW_CORE_EVENT_POWER:
		IOLog("gangway: the device %s\n", a ? "has power again" : "goes to sleep");
		break;
	case GW_CORE_EVENT_BUDGET:
		IOLog("gangway: %llu bytes refused, %llu are mapped\n", (unsigned long long)a,
		      (unsigned long long)b);
		break;
	}
}

const struct gw_core_platform platformTable = {
	sizeof(Mapping),
	deviceOpen,
	deviceClose,
	deviceAddress,
	deviceLimits,
	deviceBar,
	deviceConfigRead,
	deviceConfigWrite,
	deviceBarMemory,
	deviceRead,
	deviceWrite,
	memoryAlloc,
	memoryFree,
	memoryPrepare,
	memoryComplete,
	memoryProbe,
	interruptsConfigure,
	interruptsEnable,
	deviceReset,
	driverTerminate,
	driverEvent,
};
