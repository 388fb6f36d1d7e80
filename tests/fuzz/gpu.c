/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <gangway/log.h>

#include "devices/gpu/command.h"
#include "devices/gpu/display.h"

/*
 * What a guest writes to a virtual function of the GPU: 64 bytes each are a command of the ring if
 * their last byte is zero, else writes to the display's registers: u16 offset, u8 width, u64 value,
 * five of them. A command never reaches beyond the memory, nor does a picture.
 */
#define MEMORY	(1u << 20)
#define STEPS	64u

static uint8_t memory[MEMORY];

static void check(uint64_t off, size_t len)
{
	if (off > MEMORY || len > MEMORY - off)
		abort();
}

static int mem_read(void *opaque, uint64_t off, void *buf, size_t len)
{
	check(off, len);
	memcpy(buf, memory + off, len);
	return 0;
}

static int mem_write(void *opaque, uint64_t off, const void *buf, size_t len)
{
	check(off, len);
	memcpy(memory + off, buf, len);
	return 0;
}

static int dma_read(void *opaque, uint64_t iova, void *buf, size_t len)
{
	if (len && iova + (len - 1) < iova)
		abort();
	memset(buf, (int)iova, len);
	return 0;
}

static int dma_write(void *opaque, uint64_t iova, const void *buf, size_t len)
{
	if (len && iova + (len - 1) < iova)
		abort();
	return 0;
}

static void command(const uint8_t *bytes)
{
	static const struct gpu_reach reach = {
		.memory = MEMORY, .mem_read = mem_read, .mem_write = mem_write,
		.dma_read = dma_read, .dma_write = dma_write,
	};
	static uint8_t buf[GPU_CHUNK];
	struct gpu_command c;

	if (gw_gpu_command_parse(bytes, MEMORY, &c))
		return;
	for (unsigned int i = 0; i < STEPS && gw_gpu_command_step(&c, &reach, buf) == 1; i++)
		continue;
}

static void registers(struct gpu_display *d, const uint8_t *bytes)
{
	for (unsigned int i = 0; i < 5; i++, bytes += 11) {
		unsigned int width = 1u << (bytes[2] & 3);
		unsigned int off = (bytes[0] | (bytes[1] & 0xfu) << 8) & ~(width - 1);
		struct gpu_frame f;
		uint64_t val;

		memcpy(&val, bytes + 3, 8);
		gw_gpu_display_write(d, off, width, val);
		gw_gpu_display_read(d, off, width);
		if (gw_gpu_display_frame(d, &f))
			check(f.off.v, (size_t)f.size);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gpu_display d = { 0 };

	gw_gpu_display_init(&d, MEMORY, 640, 480);
	for (; size >= GPU_COMMAND_SIZE; data += GPU_COMMAND_SIZE, size -= GPU_COMMAND_SIZE) {
		if (data[GPU_COMMAND_SIZE - 1])
			registers(&d, data);
		else
			command(data);
	}
	return 0;
}
