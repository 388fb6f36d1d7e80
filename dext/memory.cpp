/* SPDX-License-Identifier: BSD-3-Clause */
#include <DriverKit/IOBufferMemoryDescriptor.h>
#include <DriverKit/IODMACommand.h>
#include <DriverKit/IOLib.h>
#include <DriverKit/IOMemoryMap.h>

#include "GangwayUserClient.h"
#include "memory.h"

/* Without this flag a processor's mapping made from a client's descriptor is a copy. */
#define CLIENT_MEMORY	(kIOMemoryDirectionOutIn | kIOMemoryDisableCopyOnWrite)
#define ADDRESS_BITS	64
#define PAGE		16384ull	/* what the DART maps */

uint32_t memoryAlloc(void *ctx, uint64_t size, uint64_t align, struct gw_core_memory *mem)
{
	IOBufferMemoryDescriptor *buffer = nullptr;
	IOAddressSegment range = { 0, 0 };
	kern_return_t ret;

	size = (size + PAGE - 1) & ~(PAGE - 1);
	ret = IOBufferMemoryDescriptor::Create(kIOMemoryDirectionOutIn, size, align, &buffer);
	if (ret != kIOReturnSuccess)
		return (uint32_t)ret;
	ret = buffer->SetLength(size);
	if (ret == kIOReturnSuccess)
		ret = buffer->GetAddressRange(&range);
	if (ret == kIOReturnSuccess && range.length < size)
		ret = kIOReturnNoMemory;
	if (ret != kIOReturnSuccess) {
		buffer->release();
		return (uint32_t)ret;
	}
	*mem = { (void *)(uintptr_t)range.address, size, -1, buffer };
	return GW_IORETURN_SUCCESS;
}

void memoryFree(void *ctx, struct gw_core_memory *mem)
{
	((IOMemoryDescriptor *)mem->handle)->release();
	mem->addr = nullptr;
	mem->handle = nullptr;
}

static kern_return_t describe(const struct gw_core_request *req, IOMemoryDescriptor **memory)
{
	const IOAddressSegment segment = { req->addr, req->size };

	if (req->client)
		return ((GangwayUserClient *)req->client)->CreateMemoryDescriptorFromClient(
			CLIENT_MEMORY, 1, &segment, memory);
	*memory = (IOMemoryDescriptor *)req->memory->handle;
	(*memory)->retain();
	return kIOReturnSuccess;
}

static kern_return_t prepare(IODMACommand *command, IOMemoryDescriptor *memory, uint64_t size,
			     struct gw_core_prepared *out)
{
	IOAddressSegment segment[GW_CORE_MAX_SEGMENTS] = {};
	uint32_t count = GW_CORE_MAX_SEGMENTS;
	uint64_t flags = 0;
	kern_return_t ret = command->PrepareForDMA(kIODMACommandPrepareForDMANoOptions, memory, 0,
						   size, &flags, &count, segment);

	if (ret != kIOReturnSuccess)
		return ret;
	out->nr = count < GW_CORE_MAX_SEGMENTS ? count : GW_CORE_MAX_SEGMENTS;
	out->directions = (unsigned int)flags;
	for (unsigned int i = 0; i < out->nr; i++)
		out->seg[i] = { segment[i].address, segment[i].length };
	return ret;
}

uint32_t memoryPrepare(void *ctx, void *mapping, const struct gw_core_request *req,
		       struct gw_core_prepared *out)
{
	Platform *p = (Platform *)ctx;
	Mapping *m = (Mapping *)mapping;
	IODMACommandSpecification spec = {};
	kern_return_t ret = describe(req, &m->memory);

	if (ret != kIOReturnSuccess)
		return (uint32_t)ret;
	spec.options = kIODMACommandSpecificationNoOptions;
	spec.maxAddressBits = ADDRESS_BITS;
	ret = IODMACommand::Create(p->device, kIODMACommandCreateNoOptions, &spec, &m->command);
	if (ret == kIOReturnSuccess) {
		ret = prepare(m->command, m->memory, req->size, out);
		if (ret == kIOReturnSuccess)
			return GW_IORETURN_SUCCESS;
	}
	OSSafeReleaseNULL(m->command);
	OSSafeReleaseNULL(m->memory);
	return (uint32_t)ret;
}

uint32_t memoryComplete(void *ctx, void *mapping)
{
	Mapping *m = (Mapping *)mapping;
	kern_return_t ret = m->command->CompleteDMA(kIODMACommandCompleteDMANoOptions);

	if (ret != kIOReturnSuccess)
		IOLog("gangway: CompleteDMA failed: %#x\n", (unsigned int)ret);
	OSSafeReleaseNULL(m->command);	/* which would complete it too */
	OSSafeReleaseNULL(m->memory);
	return GW_IORETURN_SUCCESS;
}

uint32_t memoryProbe(void *ctx, void *mapping, uint64_t off, uint64_t *val)
{
	IOMemoryMap *map = nullptr;
	kern_return_t ret = ((Mapping *)mapping)->memory->CreateMapping(0, 0, off, sizeof(*val), 0,
									&map);

	if (ret != kIOReturnSuccess)
		return (uint32_t)ret;
	__builtin_memcpy(val, (const void *)(uintptr_t)map->GetAddress(), sizeof(*val));
	map->release();
	return GW_IORETURN_SUCCESS;
}
