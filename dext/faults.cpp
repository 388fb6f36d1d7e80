/* SPDX-License-Identifier: BSD-3-Clause */
#include "faults.h"

#include <DriverKit/IOLib.h>
#include <DriverKit/OSCollections.h>

#include "GangwayDriver.h"

/*
 * Setting one property of the device returns when its DART has reported a fault, or the session has
 * ended; another then has the reports, and has them no more once they were read. Both are private
 * to PCIDriverKit, so without them there is nothing to be told. A queue of its own waits, and keeps
 * the driver while it does.
 */

#define WAIT_KEY	"pci-get-dart-error"
#define DATA_KEY	"pci-dart-error-data"

static kern_return_t await(Platform *p)
{
	OSDictionary *properties = OSDictionaryCreate();
	kern_return_t ret;

	if (!properties)
		return kIOReturnNoMemory;
	OSDictionarySetUInt64Value(properties, WAIT_KEY, 1);
	ret = p->device->SetProperties(properties);
	properties->release();
	return ret;
}

/* Return: how many there were. */
static size_t take(Platform *p)
{
	uint32_t words[GW_DEXT_FAULT_WORDS];
	OSContainer *property = nullptr;
	kern_return_t ret = p->device->SearchProperty(DATA_KEY, "IOService", 0, &property);
	OSData *data = ret == kIOReturnSuccess ? OSDynamicCast(OSData, property) : nullptr;
	size_t nr = data ? data->getLength() / sizeof(words) : 0;

	for (size_t i = 0; i < nr; i++) {
		__builtin_memcpy(words, (const uint8_t *)data->getBytesNoCopy() + i * sizeof(words),
				 sizeof(words));
		gw_core_fault(p->core, words);
	}
	OSSafeReleaseNULL(property);
	return nr;
}

/* A report without data would come again at once, for ever. */
static void watch(Platform *p)
{
	while (await(p) == kIOReturnSuccess && take(p))
		;
}

void faultsWatch(Platform *p)
{
	p->driver->retain();
	p->faults->DispatchAsync(^{
		watch(p);
		p->driver->release();
	});
}
