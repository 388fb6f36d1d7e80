/* SPDX-License-Identifier: BSD-3-Clause */
#include <DriverKit/IOLib.h>
#include <DriverKit/IOUserClient.h>

#include "GangwayDriver.h"
#include "interrupts.h"
#include "platform.h"

/*
 * The driver opens its device when the first client claims it, not when it starts: until then macOS
 * and others may use it. Calls of clients run on the default queue, interrupts on one of their own.
 */

#define INTERRUPT_QUEUE		"GangwayInterrupts"
#define FAULT_QUEUE		"GangwayFaults"
#define MULTIMEDIA_KEY		"GangwayMultimedia"
#define USER_CLIENT_KEY		"UserClientProperties"

struct GangwayDriver_IVars {
	Platform platform;
};

bool GangwayDriver::init()
{
	if (!super::init())
		return false;
	ivars = IONewZero(GangwayDriver_IVars, 1);
	return ivars != nullptr;
}

void GangwayDriver::free()
{
	if (ivars) {
		OSSafeReleaseNULL(ivars->platform.queue);
		OSSafeReleaseNULL(ivars->platform.faults);
		OSSafeReleaseNULL(ivars->platform.device);
		gw_core_free(ivars->platform.core);
	}
	IOSafeDeleteNULL(ivars, GangwayDriver_IVars, 1);
	super::free();
}

/* The personality may ask for functions of class 04. */
static bool wantsMultimedia(GangwayDriver *driver)
{
	OSContainer *property = nullptr;
	kern_return_t ret = driver->SearchProperty(MULTIMEDIA_KEY, "IOService", 0, &property);
	bool wants = ret == kIOReturnSuccess && property;

	OSSafeReleaseNULL(property);
	return wants;
}

static kern_return_t start(GangwayDriver *driver, Platform *p, IOService *provider)
{
	uint32_t code = platformClassCode(provider);
	kern_return_t ret;

	if (!gw_core_accepts(code, wantsMultimedia(driver))) {
		IOLog("gangway: class %06x is not taken; property %s asks for it\n", code, MULTIMEDIA_KEY);
		return kIOReturnUnsupported;
	}
	p->driver = driver;
	p->device = OSDynamicCast(IOPCIDevice, provider);
	if (!p->device)
		return kIOReturnBadArgument;
	p->device->retain();
	ret = IODispatchQueue::Create(INTERRUPT_QUEUE, 0, 0, &p->queue);
	if (ret == kIOReturnSuccess)
		ret = IODispatchQueue::Create(FAULT_QUEUE, 0, 0, &p->faults);
	if (ret != kIOReturnSuccess)
		return ret;
	ret = driver->SetDispatchQueue(INTERRUPT_QUEUE, p->queue);
	if (ret != kIOReturnSuccess)
		return ret;
	p->core = gw_core_new(&platformTable, p, 0);
	return p->core ? kIOReturnSuccess : kIOReturnNoMemory;
}

kern_return_t IMPL(GangwayDriver, Start)
{
	kern_return_t ret = Start(provider, SUPERDISPATCH);

	if (ret != kIOReturnSuccess)
		return ret;
	ret = start(this, &ivars->platform, provider);
	if (ret == kIOReturnSuccess)
		ret = RegisterService();
	if (ret != kIOReturnSuccess)
		Stop(provider, SUPERDISPATCH);
	return ret;
}

/* It goes on in stopped(): whatever Stop would release is needed until interrupts have ended. */
kern_return_t IMPL(GangwayDriver, Stop)
{
	gw_core_gone(ivars->platform.core);
	retain();
	interruptsCancel(&ivars->platform);
	return kIOReturnSuccess;
}

void GangwayDriver::stopped()
{
	Stop(ivars->platform.device, SUPERDISPATCH);
	release();
}

/*
 * macOS waits for the last line, and then takes the power; on the way back it has restored config
 * space before. This runs on the queue that calls of clients run on, so none of them is under way.
 */
kern_return_t IMPL(GangwayDriver, SetPowerState)
{
	gw_core_power(ivars->platform.core, powerFlags != kIOServicePowerCapabilityOff);
	return SetPowerState(powerFlags, SUPERDISPATCH);
}

kern_return_t IMPL(GangwayDriver, NewUserClient)
{
	IOService *client = nullptr;
	kern_return_t ret;

	if (type)
		return kIOReturnBadArgument;
	ret = Create(this, USER_CLIENT_KEY, &client);
	if (ret != kIOReturnSuccess)
		return ret;
	*userClient = OSDynamicCast(IOUserClient, client);
	if (*userClient)
		return kIOReturnSuccess;
	client->release();
	return kIOReturnError;
}

struct gw_core *GangwayDriver::core()
{
	return ivars->platform.core;
}

void IMPL(GangwayDriver, Interrupt)
{
	gw_core_interrupt(ivars->platform.core, *(uint32_t *)action->GetReference(), true);
}
