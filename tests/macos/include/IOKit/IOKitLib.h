/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_MACOS_IOKITLIB_H
#define TESTS_MACOS_IOKITLIB_H

/* Declarations of our own, from IOKitUser (IOKitLib.h) and xnu (iokit/IOKit/IOMapTypes.h, IOKitKeys.h,
 * IOMessage.h, osfmk/device/device_types.h), as Apple publishes them. */

#include <CoreFoundation/CoreFoundation.h>
#include <dispatch/dispatch.h>
#include <mach/mach.h>

typedef kern_return_t IOReturn;
typedef uint32_t IOOptionBits;
typedef mach_port_t io_object_t;
typedef io_object_t io_service_t;
typedef io_object_t io_registry_entry_t;
typedef io_object_t io_iterator_t;
typedef io_object_t io_connect_t;
typedef char io_name_t[128];
typedef int boolean_t;
typedef struct IONotificationPort *IONotificationPortRef;

#define kIOMainPortDefault		0
#define kIOServicePlane			"IOService"
#define kIOMatchedNotification		"IOServiceMatched"
#define kIOTerminatedNotification	"IOServiceTerminate"
#define kIOGeneralInterest		"IOGeneralInterest"
#define kIOMessageServiceIsTerminated	0xe0000010u
#define kIOMapAnywhere			0x00000001u

enum { kIOAsyncCalloutFuncIndex = 1, kIOAsyncCalloutRefconIndex = 2, kIOAsyncCalloutCount = 3 };

typedef void (*IOAsyncCallback0)(void *refcon, IOReturn result);
typedef void (*IOServiceMatchingCallback)(void *refcon, io_iterator_t iterator);
typedef void (*IOServiceInterestCallback)(void *refcon, io_service_t service, uint32_t messageType,
					  void *messageArgument);

CFMutableDictionaryRef IOServiceMatching(const char *name);
kern_return_t IOServiceGetMatchingServices(mach_port_t mainPort, CFDictionaryRef matching,
					   io_iterator_t *existing);
io_object_t IOIteratorNext(io_iterator_t iterator);
kern_return_t IOObjectRelease(io_object_t object);
kern_return_t IOObjectRetain(io_object_t object);
boolean_t IOObjectConformsTo(io_object_t object, const io_name_t className);
kern_return_t IOServiceOpen(io_service_t service, task_port_t owningTask, uint32_t type,
			    io_connect_t *connect);
kern_return_t IOServiceClose(io_connect_t connect);
kern_return_t IOConnectCallScalarMethod(mach_port_t connection, uint32_t selector,
					const uint64_t *input, uint32_t inputCnt, uint64_t *output,
					uint32_t *outputCnt);
kern_return_t IOConnectCallAsyncScalarMethod(mach_port_t connection, uint32_t selector,
					     mach_port_t wake_port, uint64_t *reference,
					     uint32_t referenceCnt, const uint64_t *input,
					     uint32_t inputCnt, uint64_t *output,
					     uint32_t *outputCnt);
kern_return_t IOConnectMapMemory64(io_connect_t connect, uint32_t memoryType, task_port_t intoTask,
				   mach_vm_address_t *atAddress, mach_vm_size_t *ofSize,
				   IOOptionBits options);
kern_return_t IOConnectUnmapMemory64(io_connect_t connect, uint32_t memoryType,
				     task_port_t fromTask, mach_vm_address_t atAddress);
IONotificationPortRef IONotificationPortCreate(mach_port_t mainPort);
void IONotificationPortDestroy(IONotificationPortRef notify);
mach_port_t IONotificationPortGetMachPort(IONotificationPortRef notify);
void IONotificationPortSetDispatchQueue(IONotificationPortRef notify, dispatch_queue_t queue);
kern_return_t IOServiceAddMatchingNotification(IONotificationPortRef notifyPort,
					       const io_name_t notificationType,
					       CFDictionaryRef matching,
					       IOServiceMatchingCallback callback, void *refCon,
					       io_iterator_t *notification);
kern_return_t IOServiceAddInterestNotification(IONotificationPortRef notifyPort,
					       io_service_t service, const io_name_t interestType,
					       IOServiceInterestCallback callback, void *refCon,
					       io_object_t *notification);
kern_return_t IORegistryEntryGetParentEntry(io_registry_entry_t entry, const io_name_t plane,
					    io_registry_entry_t *parent);
kern_return_t IORegistryEntryGetName(io_registry_entry_t entry, io_name_t name);
CFTypeRef IORegistryEntryCreateCFProperty(io_registry_entry_t entry, CFStringRef key,
					  CFAllocatorRef allocator, IOOptionBits options);

#endif
