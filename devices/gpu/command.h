/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DEVICES_GPU_COMMAND_H
#define DEVICES_GPU_COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include "spec.h"

/* A command of the ring, and its work piece by piece. */

#define GPU_CHUNK	16384u

/**
 * struct gpu_reach - what an engine can reach; each returns 0 or -errno
 *
 * Memory is the function's own, by its offsets; the rest is by DMA.
 */
struct gpu_reach {
	uint64_t memory;			/* bytes */
	int (*mem_read)(void *opaque, uint64_t off, void *buf, size_t len);
	int (*mem_write)(void *opaque, uint64_t off, const void *buf, size_t len);
	int (*dma_read)(void *opaque, uint64_t iova, void *buf, size_t len);
	int (*dma_write)(void *opaque, uint64_t iova, const void *buf, size_t len);
	void *opaque;
};

struct gpu_command {
	uint32_t op, flags;
	uint64_t src, dst;
	uint32_t src_stride, dst_stride;
	uint32_t width, height;
	uint64_t value;
	uint32_t vector;
	uint32_t line, at;			/* where the work has come to */
};

/**
 * gw_gpu_command_parse() - check all of a command at once
 * @memory: bytes that offsets may name
 *
 * Return: 0; -EINVAL unknown operation or flags, something unused is not zero, no such vector;
 * -EMSGSIZE more than GPU_MAX_MOVE; -EOVERFLOW an address wraps; -ERANGE not in the memory.
 */
int gw_gpu_command_parse(const uint8_t bytes[GPU_COMMAND_SIZE], uint64_t memory,
			 struct gpu_command *cmd);

/**
 * gw_gpu_command_step() - do at most GPU_CHUNK bytes of it
 * @buf: GPU_CHUNK bytes
 *
 * Return: 1 there is more; 0 done; -errno of what could not be reached: nothing has moved on.
 */
int gw_gpu_command_step(struct gpu_command *cmd, const struct gpu_reach *r, uint8_t *buf);

#endif
