/* SPDX-License-Identifier: BSD-3-Clause */
#include <DriverKit/IOLib.h>

#include "GangwayDriver.h"
#include "GangwayUserClient.h"
#include "host/core/core.h"

/* How a wait for an interrupt is answered. */
struct Wait {
	GangwayUserClient *client;	/* which ends its waits before it stops */
	OSAction *completion;		/* retained */
};

struct GangwayUserClient_IVars {
	struct gw_core_client *client;
};

bool GangwayUserClient::init()
{
	if (!super::init())
		return false;
	ivars = IONewZero(GangwayUserClient_IVars, 1);
	return ivars != nullptr;
}

void GangwayUserClient::free()
{
	IOSafeDeleteNULL(ivars, GangwayUserClient_IVars, 1);
	super::free();
}

kern_return_t IMPL(GangwayUserClient, Start)
{
	kern_return_t ret = Start(provider, SUPERDISPATCH);
	GangwayDriver *driver = OSDynamicCast(GangwayDriver, provider);

	if (ret != kIOReturnSuccess)
		return ret;
	ret = driver ? (kern_return_t)gw_core_client_new(driver->core(), this, &ivars->client) :
		       kIOReturnBadArgument;
	if (ret != kIOReturnSuccess)
		Stop(provider, SUPERDISPATCH);
	return ret;
}

/* The client closed its connection, or died. */
kern_return_t IMPL(GangwayUserClient, Stop)
{
	gw_core_client_free(ivars->client);
	ivars->client = nullptr;
	return Stop(provider, SUPERDISPATCH);
}

static void waitDone(void *opaque, uint32_t result)
{
	Wait *wait = (Wait *)opaque;
	IOUserClientAsyncArgumentsArray none = {};

	wait->client->AsyncCompletion(wait->completion, (IOReturn)result, none, 0);
	wait->completion->release();
	IOSafeDeleteNULL(wait, Wait, 1);
}

static kern_return_t callAsync(GangwayUserClient *self, struct gw_core_client *client,
			       uint32_t selector, OSAction *completion)
{
	Wait *wait = IONewZero(Wait, 1);
	uint32_t ret;

	if (!wait)
		return kIOReturnNoMemory;
	wait->client = self;
	wait->completion = completion;
	completion->retain();
	ret = gw_core_call_async(client, selector, waitDone, wait);
	if (ret != GW_IORETURN_SUCCESS) {
		completion->release();
		IOSafeDeleteNULL(wait, Wait, 1);
	}
	return (kern_return_t)ret;
}

kern_return_t GangwayUserClient::ExternalMethod(uint64_t selector,
						IOUserClientMethodArguments *arguments,
						const IOUserClientMethodDispatch *dispatch,
						OSObject *target, void *reference)
{
	uint32_t ret, number = selector < GW_DEXT_NR_SELECTORS ? (uint32_t)selector : UINT32_MAX;
	unsigned int room = arguments->scalarOutputCount;

	if (!ivars->client)
		return kIOReturnNotReady;
	if (arguments->structureInput || arguments->structureInputDescriptor ||
	    number == GW_DEXT_REGISTER_REMOTE)	/* a pointer means nothing here */
		return kIOReturnUnsupported;
	if (arguments->completion)
		return callAsync(this, ivars->client, number, arguments->completion);
	ret = gw_core_call(ivars->client, number, arguments->scalarInput,
			   arguments->scalarInputCount, arguments->scalarOutput, &room);
	arguments->scalarOutputCount = room;
	return (kern_return_t)ret;
}

static uint32_t view(void *opaque, const struct gw_core_memory *mem)
{
	IOMemoryDescriptor **memory = (IOMemoryDescriptor **)opaque;

	*memory = (IOMemoryDescriptor *)mem->handle;
	(*memory)->retain();		/* the caller's */
	return GW_IORETURN_SUCCESS;
}

/* What is not written to *options the system takes from uninitialised memory. */
kern_return_t IMPL(GangwayUserClient, CopyClientMemoryForType)
{
	*options = 0;
	if (!ivars->client)
		return kIOReturnNotReady;
	return (kern_return_t)gw_core_map(ivars->client, type, view, memory);
}
