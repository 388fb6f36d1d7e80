/* SPDX-License-Identifier: BSD-3-Clause */
#include "cf_standin.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A value with its type in front. */

static _Atomic long live;

struct value {
	char type;
	int64_t number;
	size_t len;
	char bytes[64];
};

CFTypeRef cf_new(char type, const void *bytes, size_t len, int64_t number)
{
	struct value *v = calloc(1, sizeof(*v));

	if (!v || len >= sizeof(v->bytes))
		abort();
	v->type = type;
	v->number = number;
	v->len = len;
	memcpy(v->bytes, bytes, len);
	live++;
	return v;
}

void CFRelease(CFTypeRef cf)
{
	if (!cf)
		abort();
	live--;
	free((void *)(uintptr_t)cf);
}

CFTypeID CFGetTypeID(CFTypeRef cf)
{
	return (CFTypeID)((const struct value *)cf)->type;
}

CFTypeID CFStringGetTypeID(void)
{
	return 's';
}

CFTypeID CFDataGetTypeID(void)
{
	return 'd';
}

CFTypeID CFNumberGetTypeID(void)
{
	return 'n';
}

CFStringRef CFStringCreateWithCString(CFAllocatorRef alloc, const char *s, CFStringEncoding encoding)
{
	return (CFStringRef)cf_new('s', s, strlen(s), 0);
}

Boolean CFStringGetCString(CFStringRef s, char *buffer, CFIndex size, CFStringEncoding encoding)
{
	const struct value *v = (const void *)s;

	if ((CFIndex)v->len >= size)
		return false;
	memcpy(buffer, v->bytes, v->len);
	buffer[v->len] = '\0';
	return true;
}

CFIndex CFDataGetLength(CFDataRef data)
{
	return (CFIndex)((const struct value *)(const void *)data)->len;
}

const uint8_t *CFDataGetBytePtr(CFDataRef data)
{
	return (const uint8_t *)((const struct value *)(const void *)data)->bytes;
}

Boolean CFNumberGetValue(CFNumberRef number, CFNumberType type, void *value)
{
	*(int64_t *)value = ((const struct value *)(const void *)number)->number;
	return type == kCFNumberSInt64Type;
}

const char *cf_text(CFTypeRef cf)
{
	return ((const struct value *)cf)->bytes;
}

long cf_left(void)
{
	return live;
}
