/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/dext/registry.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"

/* The driver extensions that speak the protocol: ours, and the one that came before. */
static const char *const classes[] = { "GangwayDriver", "VFIOUserPCIDriver" };

static CFTypeRef property(io_registry_entry_t entry, const char *key)
{
	CFStringRef name = CFStringCreateWithCString(NULL, key, kCFStringEncodingUTF8);
	CFTypeRef value;

	if (!name)
		return NULL;
	value = IORegistryEntryCreateCFProperty(entry, name, NULL, 0);
	CFRelease(name);
	return value;
}

static bool text(io_registry_entry_t entry, const char *key, char *buf, CFIndex size)
{
	CFTypeRef value = property(entry, key);
	bool is = value && CFGetTypeID(value) == CFStringGetTypeID() &&
		  CFStringGetCString(value, buf, size, kCFStringEncodingUTF8);

	if (value)
		CFRelease(value);
	return is;
}

static bool number(io_registry_entry_t entry, const char *key, uint64_t *val)
{
	CFTypeRef value = property(entry, key);
	int64_t v = 0;
	bool is = value && CFGetTypeID(value) == CFNumberGetTypeID() &&
		  CFNumberGetValue(value, kCFNumberSInt64Type, &v);

	if (value)
		CFRelease(value);
	*val = (uint64_t)v;
	return is;
}

/* Four bytes, little endian. */
static bool word(io_registry_entry_t entry, const char *key, uint32_t *val)
{
	CFTypeRef value = property(entry, key);
	bool is = value && CFGetTypeID(value) == CFDataGetTypeID() && CFDataGetLength(value) >= 4;
	const uint8_t *b;

	if (is) {
		b = CFDataGetBytePtr(value);
		*val = (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 | (uint32_t)b[1] << 8 | b[0];
	}
	if (value)
		CFRelease(value);
	return is;
}

bool gw_registry_is_ours(io_service_t service)
{
	char class[64];

	if (!text(service, "IOUserClass", class, sizeof(class)))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
		if (!strcmp(class, classes[i]))
			return true;
	return false;
}

/* "bus:device:function", with whatever may follow. */
static void take_address(io_registry_entry_t device, struct gw_dext_description *d)
{
	unsigned int bus, dev, fn;
	char at[64];

	if (!text(device, "pcidebug", at, sizeof(at)) ||
	    sscanf(at, "%3u:%3u:%3u", &bus, &dev, &fn) != 3 || bus > 255 || dev > 31 || fn > 7)
		return;
	d->addressed = true;
	d->bus = (uint8_t)bus;
	d->dev = (uint8_t)dev;
	d->fn = (uint8_t)fn;
}

static void take_identity(io_registry_entry_t device, struct gw_dext_description *d)
{
	uint32_t vendor, id, class;

	if (!word(device, "vendor-id", &vendor) || !word(device, "device-id", &id) ||
	    !word(device, "class-code", &class) || vendor > 0xfffe || !vendor || id > 0xffff)
		return;
	d->identified = true;
	d->vendor = (uint16_t)vendor;
	d->device = (uint16_t)id;
	d->class_code = class & 0xffffff;
}

/* Base and size are counted in the mapper's pages. */
static void take_dart(io_registry_entry_t device, struct gw_dext_description *d)
{
	uint64_t page, base, size;

	if (!number(device, "IOPCIDeviceMapperPageSize", &page) || !gw_is_pow2(page) ||
	    page > 1ull << 30 || !number(device, "IOPCIDeviceMemoryMapBase", &base) ||
	    !number(device, "IOPCIDeviceMemoryMapSize", &size) || !size ||
	    size > UINT64_MAX / page || base > UINT64_MAX / page - size)
		return;
	d->granule = page;
	d->iova_first = base * page;
	d->iova_last = (base + size) * page - 1;
}

/* The root is the topmost PCI device above. */
static void take_root(io_registry_entry_t device, struct gw_dext_description *d)
{
	io_registry_entry_t at = device, up;
	io_name_t name = "";

	IOObjectRetain(at);
	for (;;) {
		if (IOObjectConformsTo(at, "IOPCIDevice") && IORegistryEntryGetName(at, name))
			name[0] = '\0';
		if (IORegistryEntryGetParentEntry(at, kIOServicePlane, &up))
			break;
		IOObjectRelease(at);
		at = up;
	}
	IOObjectRelease(at);
	snprintf(d->root, sizeof(d->root), "%.*s", (int)sizeof(d->root) - 1, name);
}

void gw_registry_describe(io_service_t service, struct gw_dext_description *d)
{
	io_registry_entry_t device;

	if (IORegistryEntryGetParentEntry(service, kIOServicePlane, &device))
		return;
	take_address(device, d);
	take_identity(device, d);
	take_dart(device, d);
	take_root(device, d);
	IOObjectRelease(device);
}
