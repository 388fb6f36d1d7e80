/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_MACOS_COREFOUNDATION_H
#define TESTS_MACOS_COREFOUNDATION_H

/* Declarations of our own of what gangway uses, from Apple's CF sources and documentation. */

#include <stdint.h>

typedef const void *CFTypeRef;
typedef const struct __CFString *CFStringRef;
typedef const struct __CFData *CFDataRef;
typedef const struct __CFNumber *CFNumberRef;
typedef const struct __CFDictionary *CFDictionaryRef;
typedef struct __CFDictionary *CFMutableDictionaryRef;
typedef const struct __CFAllocator *CFAllocatorRef;
typedef long CFIndex;
typedef unsigned long CFTypeID;
typedef uint32_t CFStringEncoding;
typedef CFIndex CFNumberType;
typedef unsigned char Boolean;

#define kCFStringEncodingUTF8	0x08000100u
#define kCFNumberSInt64Type	4

void CFRelease(CFTypeRef cf);
CFTypeID CFGetTypeID(CFTypeRef cf);
CFTypeID CFStringGetTypeID(void);
CFTypeID CFDataGetTypeID(void);
CFTypeID CFNumberGetTypeID(void);
CFStringRef CFStringCreateWithCString(CFAllocatorRef alloc, const char *s, CFStringEncoding encoding);
Boolean CFStringGetCString(CFStringRef s, char *buffer, CFIndex size, CFStringEncoding encoding);
CFIndex CFDataGetLength(CFDataRef data);
const uint8_t *CFDataGetBytePtr(CFDataRef data);
Boolean CFNumberGetValue(CFNumberRef number, CFNumberType type, void *value);

#endif
