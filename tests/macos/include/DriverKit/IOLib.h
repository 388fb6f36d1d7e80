/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_MACOS_IOLIB_H
#define TESTS_MACOS_IOLIB_H

/* (doc) The functions of DriverKit's IOLib.h that C may call too; see driverkit.h for the rest. */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct IOLock IOLock;
int IOLog(const char *format, ...) __attribute__((format(printf, 1, 2)));
void IOSleep(uint64_t ms);
IOLock *IOLockAlloc(void);
void IOLockFree(IOLock *lock);
void IOLockLock(IOLock *lock);
void IOLockUnlock(IOLock *lock);

#ifdef __cplusplus
}

#include <DriverKit/driverkit.h>
#endif

#endif
