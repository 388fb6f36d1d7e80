/* SPDX-License-Identifier: BSD-3-Clause */
#include "command.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static uint64_t get(const uint8_t *bytes, unsigned int at, unsigned int width)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < width; i++)
		v |= (uint64_t)bytes[at + i] << 8 * i;
	return v;
}

/* Fields that an operation uses; all others have to be zero. */
enum {
	USES_SRC = 1, USES_DST = 2, USES_SIZE = 4, USES_STRIDES = 8, USES_VALUE = 16,
	USES_VECTOR = 32,
};

static const struct {
	unsigned int uses, flags;
} ops[GPU_OPS] = {
	[GPU_OP_NOP] = { 0, 0 },
	[GPU_OP_FILL] = { USES_DST | USES_SIZE | USES_STRIDES | USES_VALUE, GPU_CMD_DST_IOVA },
	[GPU_OP_COPY] = { USES_SRC | USES_DST | USES_SIZE, GPU_CMD_SRC_IOVA | GPU_CMD_DST_IOVA },
	[GPU_OP_BLIT] = { USES_SRC | USES_DST | USES_SIZE | USES_STRIDES,
			  GPU_CMD_SRC_IOVA | GPU_CMD_DST_IOVA },
	[GPU_OP_FENCE] = { USES_VALUE | USES_VECTOR, GPU_CMD_IRQ },
};

static bool unused_is_zero(const struct gpu_command *c)
{
	unsigned int uses = ops[c->op].uses;

	return !(c->flags & ~ops[c->op].flags) && (uses & USES_SRC || !(c->src | c->src_stride)) &&
	       (uses & USES_DST || !c->dst) && (uses & USES_SIZE || !(c->width | c->height)) &&
	       (uses & USES_STRIDES || !(c->src_stride | c->dst_stride)) &&
	       (uses & USES_VALUE || !c->value) && (uses & USES_VECTOR || !c->vector);
}

/* All lines of one side: do they fit where they are? */
static int check_side(const struct gpu_command *c, uint64_t at, uint32_t stride, bool iova,
		      uint64_t memory)
{
	/* at most 2^32 * 2^32 - and less, as the sum below is checked */
	uint64_t size = (uint64_t)stride * (c->height - 1), last;

	if (__builtin_add_overflow(size, c->width - 1, &size) ||
	    __builtin_add_overflow(at, size, &last))
		return -EOVERFLOW;
	return iova || last < memory ? 0 : -ERANGE;
}

static int check_move(const struct gpu_command *c, uint64_t memory)
{
	int ret = 0;

	if (c->op == GPU_OP_COPY && c->height > 1)
		return -EINVAL;
	if (!c->width || !c->height)
		return 0;
	if ((uint64_t)c->width * c->height > GPU_MAX_MOVE)
		return -EMSGSIZE;
	if (ops[c->op].uses & USES_SRC)
		ret = check_side(c, c->src, c->src_stride, c->flags & GPU_CMD_SRC_IOVA, memory);
	if (!ret && ops[c->op].uses & USES_DST)
		ret = check_side(c, c->dst, c->dst_stride, c->flags & GPU_CMD_DST_IOVA, memory);
	return ret;
}

int gw_gpu_command_parse(const uint8_t b[GPU_COMMAND_SIZE], uint64_t memory, struct gpu_command *c)
{
	*c = (struct gpu_command){
		.op = (uint32_t)get(b, GPU_CMD_OP, 4),
		.flags = (uint32_t)get(b, GPU_CMD_FLAGS, 4),
		.src = get(b, GPU_CMD_SRC, 8),
		.dst = get(b, GPU_CMD_DST, 8),
		.src_stride = (uint32_t)get(b, GPU_CMD_SRC_STRIDE, 4),
		.dst_stride = (uint32_t)get(b, GPU_CMD_DST_STRIDE, 4),
		.width = (uint32_t)get(b, GPU_CMD_WIDTH, 4),
		.height = (uint32_t)get(b, GPU_CMD_HEIGHT, 4),
		.value = get(b, GPU_CMD_VALUE, 8),
		.vector = (uint32_t)get(b, GPU_CMD_VECTOR, 4),
	};
	if (c->op >= GPU_OPS || !unused_is_zero(c) || c->vector >= GPU_VECTORS)
		return -EINVAL;
	for (unsigned int i = GPU_CMD_USED; i < GPU_COMMAND_SIZE; i++)
		if (b[i])
			return -EINVAL;
	return check_move(c, memory);
}

static int fetch(const struct gpu_command *c, const struct gpu_reach *r, uint8_t *buf, size_t len)
{
	uint64_t from = c->src + (uint64_t)c->line * c->src_stride + c->at;

	if (c->op == GPU_OP_FILL) {
		for (size_t i = 0; i < len; i++)
			buf[i] = (uint8_t)(c->value >> 8 * ((c->at + i) % 4));
		return 0;
	}
	if (c->flags & GPU_CMD_SRC_IOVA)
		return r->dma_read(r->opaque, from, buf, len);
	return r->mem_read(r->opaque, from, buf, len);
}

static int store(const struct gpu_command *c, const struct gpu_reach *r, const uint8_t *buf,
		 size_t len)
{
	uint64_t to = c->dst + (uint64_t)c->line * c->dst_stride + c->at;

	if (c->flags & GPU_CMD_DST_IOVA)
		return r->dma_write(r->opaque, to, buf, len);
	return r->mem_write(r->opaque, to, buf, len);
}

int gw_gpu_command_step(struct gpu_command *c, const struct gpu_reach *r, uint8_t *buf)
{
	size_t len;
	int ret;

	if (!c->width || c->line == c->height)
		return 0;
	len = c->width - c->at < GPU_CHUNK ? c->width - c->at : GPU_CHUNK;
	ret = fetch(c, r, buf, len);
	if (!ret)
		ret = store(c, r, buf, len);
	if (ret)
		return ret;
	c->at += (uint32_t)len;
	if (c->at == c->width) {
		c->at = 0;
		c->line++;
	}
	return c->line < c->height;
}
