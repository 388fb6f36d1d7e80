/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_DEXT_PLATFORM_H
#define GANGWAY_DEXT_PLATFORM_H

#include <DriverKit/IODispatchQueue.h>
#include <DriverKit/IOInterruptDispatchSource.h>
#include <DriverKit/IOMemoryDescriptor.h>
#include <DriverKit/IOService.h>
#include <DriverKit/OSAction.h>
#include <PCIDriverKit/PCIDriverKit.h>

#include "host/core/core.h"

class GangwayDriver;

/* One vector: what tells of it, and the action by which it does. */
struct Vector {
	IOInterruptDispatchSource *source;
	OSAction *action;
};

/*
 * What the driver extension has of macOS, for the core. A session belongs to the driver, whichever
 * of its clients asked for it.
 */
struct Platform {
	GangwayDriver *driver;		/* not retained: it owns this */
	IOPCIDevice *device;		/* retained */
	IODispatchQueue *queue;		/* of interrupts; retained */
	IODispatchQueue *faults;	/* which waits for them; retained */
	struct gw_core *core;

	IOMemoryDescriptor *bar[GW_DEXT_NR_BARS];	/* retained; always the same one */

	/* Interrupts are configured once and kept until the driver stops. */
	Vector vector[GW_DEXT_MAX_VECTORS];
	unsigned int nrVectors;
	unsigned int ending;		/* sources that have not ended, while the driver stops */
};

/** platformTable - for gw_core_new(), with a struct Platform */
extern const struct gw_core_platform platformTable;

/** platformClassCode() - as the registry has it, which needs no session; 0: not known */
uint32_t platformClassCode(IOService *provider);

#endif
