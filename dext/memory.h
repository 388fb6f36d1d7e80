/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GANGWAY_DEXT_MEMORY_H
#define GANGWAY_DEXT_MEMORY_H

#include "platform.h"

/* Memory for the device, as in struct gw_core_platform. */

/** struct Mapping - what stands behind one mapping of the core's */
struct Mapping {
	IODMACommand *command;
	IOMemoryDescriptor *memory;
};

uint32_t memoryAlloc(void *ctx, uint64_t size, uint64_t align, struct gw_core_memory *mem);
void memoryFree(void *ctx, struct gw_core_memory *mem);
uint32_t memoryPrepare(void *ctx, void *mapping, const struct gw_core_request *req,
		       struct gw_core_prepared *out);
uint32_t memoryComplete(void *ctx, void *mapping);
uint32_t memoryProbe(void *ctx, void *mapping, uint64_t off, uint64_t *val);

#endif
