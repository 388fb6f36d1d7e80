/* SPDX-License-Identifier: BSD-3-Clause */
#include "interrupts.h"

#include <DriverKit/IOLib.h>

#include "GangwayDriver.h"

/*
 * macOS configures the interrupts of a function once, for as long as it knows the function. So the
 * sources are made once and only enabled and disabled from one client to the next; what fires while
 * they are disabled nobody waits for.
 */

static kern_return_t vectorInit(Platform *p, uint32_t i)
{
	Vector *v = &p->vector[i];
	uint64_t type = 0;
	kern_return_t ret = IOInterruptDispatchSource::GetInterruptType(p->device, i, &type);

	if (ret != kIOReturnSuccess)
		return ret;
	if (!(type & (kIOInterruptTypePCIMessaged | kIOInterruptTypePCIMessagedX)))
		return kIOReturnUnsupported;
	ret = IOInterruptDispatchSource::Create(p->device, i, p->queue, &v->source);
	if (ret != kIOReturnSuccess)
		return ret;
	ret = p->driver->CreateActionInterrupt(sizeof(uint32_t), &v->action);
	if (ret == kIOReturnSuccess) {
		*(uint32_t *)v->action->GetReference() = i;
		ret = v->source->SetHandler(v->action);
	}
	if (ret == kIOReturnSuccess)
		return ret;
	/* a source that never had a handler may go at once */
	OSSafeReleaseNULL(v->action);
	OSSafeReleaseNULL(v->source);
	return ret;
}

uint32_t interruptsConfigure(void *ctx, enum gw_core_irq_type type, unsigned int *nr)
{
	Platform *p = (Platform *)ctx;
	kern_return_t ret = p->device->ConfigureInterrupts(type == GW_CORE_IRQ_MSIX ?
							   kIOInterruptTypePCIMessagedX :
							   kIOInterruptTypePCIMessaged, 1, *nr, 0);

	if (ret != kIOReturnSuccess)
		return (uint32_t)ret;
	while (p->nrVectors < *nr && ret == kIOReturnSuccess) {
		ret = vectorInit(p, p->nrVectors);
		p->nrVectors += ret == kIOReturnSuccess;
	}
	*nr = p->nrVectors;
	return p->nrVectors ? GW_IORETURN_SUCCESS : (uint32_t)ret;
}

uint32_t interruptsEnable(void *ctx, bool on)
{
	Platform *p = (Platform *)ctx;
	kern_return_t ret = kIOReturnSuccess, one;

	for (unsigned int i = 0; i < p->nrVectors; i++) {
		one = p->vector[i].source->SetEnable(on);
		if (ret == kIOReturnSuccess)
			ret = one;
	}
	return (uint32_t)ret;
}

void interruptsCancel(Platform *p)
{
	unsigned int nr = p->nrVectors;

	p->nrVectors = 0;		/* a client that goes later disables nothing */
	__atomic_store_n(&p->ending, nr + 1, __ATOMIC_RELEASE);
	for (unsigned int i = 0; i < nr; i++) {
		Vector *v = &p->vector[i];

		v->source->Cancel(^{
			OSSafeReleaseNULL(v->action);
			OSSafeReleaseNULL(v->source);
			if (!__atomic_sub_fetch(&p->ending, 1, __ATOMIC_ACQ_REL))
				p->driver->stopped();
		});
	}
	if (!__atomic_sub_fetch(&p->ending, 1, __ATOMIC_ACQ_REL))
		p->driver->stopped();
}
