/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "base/lock.h"
#include "base/util.h"
#include "companion/command.h"
#include "companion/control.h"
#include "companion/registers.h"
#include "companion/ring.h"

/*
 * How it works: a register has 32 bits, or is a pair, of which reading the lower half keeps the
 * upper one for the read that follows. An access of another width reads as all ones and writes
 * nothing.
 */

struct reg {
	uint64_t (*read)(struct gw_companion *c);
	void (*write)(struct gw_companion *c, uint32_t val);
	bool wide;		/* the next register is its upper half */
};

static uint64_t read_version(struct gw_companion *c)
{
	return 2;
}

static uint64_t read_bdf(struct gw_companion *c)
{
	return c->opt.guest_bdf;
}

static uint64_t read_max_entries(struct gw_companion *c)
{
	return GW_CMD_MAX_ENTRIES;
}

static uint64_t read_status(struct gw_companion *c) GW_HOLDS(c->gate)
{
	return c->status;
}

static uint64_t read_magic(struct gw_companion *c)
{
	return GW_COMPANION_MAGIC;
}

static uint64_t read_abi(struct gw_companion *c)
{
	return GW_COMPANION_ABI_OLDEST;
}

static uint64_t read_abi_newest(struct gw_companion *c)
{
	return GW_COMPANION_ABI;
}

static uint64_t read_features(struct gw_companion *c) GW_HOLDS(c->gate)
{
	return GW_FEATURE_RING | GW_FEATURE_PAGE | GW_FEATURE_DROPPED |
	       (c->opt.show ? 0 : GW_FEATURE_HIDDEN | GW_FEATURE_RESUME) |
	       (c->limits->places ? GW_FEATURE_PLACE : 0) |
	       (c->sharer ? GW_FEATURE_SHARE : 0);
}

static uint64_t read_granule(struct gw_companion *c)
{
	return (uint64_t)__builtin_ctzll(c->limits->granule);
}

static uint64_t read_budget_bytes(struct gw_companion *c)
{
	return c->limits->max_bytes;
}

static uint64_t at_most_32_bits(uint64_t v)
{
	return v < UINT32_MAX ? v : UINT32_MAX;
}

static uint64_t read_budget_maps(struct gw_companion *c)
{
	uint64_t max = c->limits->max_maps;

	return max < GW_DMA_GUEST_MAPS ? max : GW_DMA_GUEST_MAPS;
}

static uint64_t read_used_bytes(struct gw_companion *c)
{
	struct gw_dma_usage u;

	gw_dma_usage(c->dma, &u);
	return u.mapped.bytes;
}

static uint64_t read_used_maps(struct gw_companion *c)
{
	struct gw_dma_usage u;

	gw_dma_usage(c->dma, &u);
	return at_most_32_bits(u.mapped.maps);
}

static uint64_t read_max_map(struct gw_companion *c)
{
	const struct gw_host_limits *l = c->limits;

	return l->max_map_bytes & ~(l->granule - 1);
}

static uint64_t read_iova_bits(struct gw_companion *c)
{
	uint64_t last = c->limits->iova_last.v;

	return last ? 64 - (uint64_t)__builtin_clzll(last) : 64;
}

static uint64_t read_generation(struct gw_companion *c)
{
	struct gw_dma_usage u;

	gw_dma_usage(c->dma, &u);
	return u.generation;
}

static uint64_t read_control_status(struct gw_companion *c) GW_HOLDS(c->gate)
{
	return c->control_status;
}

static uint64_t read_ring_enable(struct gw_companion *c) GW_HOLDS(c->gate)
{
	return c->ring.running;
}

static uint64_t read_cookie(struct gw_companion *c)
{
	return c->gf->cookie;
}

static uint64_t read_dropped(struct gw_companion *c)
{
	struct gw_dma_usage u;

	gw_dma_usage(c->dma, &u);
	return u.dropped;
}

static uint64_t read_doorbell_ms(struct gw_companion *c)
{
	return GW_RING_LIMIT_NS / 1000000;
}

static uint64_t read_left_bytes(struct gw_companion *c)
{
	return gw_dma_guest_left(c->dma);
}

static uint64_t read_iova_first(struct gw_companion *c)
{
	return c->limits->iova_first.v;
}

static void set_half(uint64_t *v, unsigned int shift, uint32_t val)
{
	*v = (*v & ~((uint64_t)UINT32_MAX << shift)) | (uint64_t)val << shift;
}

static void write_nonce_lo(struct gw_companion *c, uint32_t val) GW_HOLDS(c->gate)
{
	set_half(&c->next_nonce, 0, val);
}

static void write_nonce_hi(struct gw_companion *c, uint32_t val) GW_HOLDS(c->gate)
{
	set_half(&c->next_nonce, 32, val);
}

static void write_command_lo(struct gw_companion *c, uint32_t val) GW_HOLDS(c->gate)
{
	set_half(&c->command_gpa.v, 0, val);
}

static void write_command_hi(struct gw_companion *c, uint32_t val) GW_HOLDS(c->gate)
{
	set_half(&c->command_gpa.v, 32, val);
}

static void write_doorbell(struct gw_companion *c, uint32_t val) GW_HOLDS(c->gate)
{
	c->status = gw_companion_command(c);
	gw_companion_ring_publish(c);
}

static void write_control(struct gw_companion *c, uint32_t val) GW_HOLDS(c->gate)
{
	c->control_status = gw_companion_control(c, val);
}

static void write_ring_lo(struct gw_companion *c, uint32_t val) GW_HOLDS(c->gate)
{
	set_half(&c->ring_gpa.v, 0, val);
}

static void write_ring_hi(struct gw_companion *c, uint32_t val) GW_HOLDS(c->gate)
{
	set_half(&c->ring_gpa.v, 32, val);
}

static void write_ring_shift(struct gw_companion *c, uint32_t val) GW_HOLDS(c->gate)
{
	c->ring_shift = val;
}

static void write_ring_enable(struct gw_companion *c, uint32_t val) GW_HOLDS(c->gate)
{
	gw_companion_ring_stop(c);
	if (val == 1)
		gw_companion_ring_start(c);
}

static void write_ring_doorbell(struct gw_companion *c, uint32_t val) GW_HOLDS(c->gate)
{
	gw_companion_ring_doorbell(c);
}

static const struct reg regs[GW_COMPANION_REGS] = {
	[GW_REG_VERSION / 4] = { .read = read_version },
	[GW_REG_MANAGED_BDF / 4] = { .read = read_bdf },
	[GW_REG_MAX_ENTRIES / 4] = { .read = read_max_entries },
	[GW_REG_STATUS / 4] = { .read = read_status },
	[GW_REG_CMD_GPA_LO / 4] = { .write = write_command_lo },
	[GW_REG_CMD_GPA_HI / 4] = { .write = write_command_hi },
	[GW_REG_DOORBELL / 4] = { .write = write_doorbell },
	[GW_REG_MAGIC / 4] = { .read = read_magic },
	[GW_REG_ABI / 4] = { .read = read_abi },
	[GW_REG_FEATURES / 4] = { .read = read_features },
	[GW_REG_GRANULE_SHIFT / 4] = { .read = read_granule },
	[GW_REG_BUDGET_BYTES_LO / 4] = { .read = read_budget_bytes, .wide = true },
	[GW_REG_USED_BYTES_LO / 4] = { .read = read_used_bytes, .wide = true },
	[GW_REG_BUDGET_MAPS / 4] = { .read = read_budget_maps },
	[GW_REG_USED_MAPS / 4] = { .read = read_used_maps },
	[GW_REG_MAX_MAP_LO / 4] = { .read = read_max_map, .wide = true },
	[GW_REG_IOVA_BITS / 4] = { .read = read_iova_bits },
	[GW_REG_GENERATION / 4] = { .read = read_generation },
	[GW_REG_CONTROL / 4] = { .write = write_control },
	[GW_REG_CONTROL_STATUS / 4] = { .read = read_control_status },
	[GW_REG_RING_GPA_LO / 4] = { .write = write_ring_lo },
	[GW_REG_RING_GPA_HI / 4] = { .write = write_ring_hi },
	[GW_REG_RING_SHIFT / 4] = { .write = write_ring_shift },
	[GW_REG_RING_ENABLE / 4] = { .read = read_ring_enable, .write = write_ring_enable },
	[GW_REG_RING_DOORBELL / 4] = { .write = write_ring_doorbell },
	[GW_REG_ABI_NEWEST / 4] = { .read = read_abi_newest },
	[GW_REG_COOKIE_LO / 4] = { .read = read_cookie, .wide = true },
	[GW_REG_NONCE_LO / 4] = { .write = write_nonce_lo },
	[GW_REG_NONCE_HI / 4] = { .write = write_nonce_hi },
	[GW_REG_DROPPED / 4] = { .read = read_dropped },
	[GW_REG_DOORBELL_MS / 4] = { .read = read_doorbell_ms },
	[GW_REG_LEFT_BYTES_LO / 4] = { .read = read_left_bytes, .wide = true },
	[GW_REG_IOVA_FIRST_LO / 4] = { .read = read_iova_first, .wide = true },
};

static uint32_t reg_read(struct gw_companion *c, uint64_t off) GW_HOLDS(c->gate)
{
	size_t i = off / 4;
	uint64_t val;

	if (i >= ARRAY_SIZE(regs))
		return 0;
	if (!regs[i].read)
		return c->latch[i];	/* zero, but for upper halves */
	val = regs[i].read(c);
	if (regs[i].wide)
		c->latch[i + 1] = (uint32_t)(val >> 32);
	return (uint32_t)val;
}

void gw_companion_regs_read(struct gw_companion *c, uint64_t off, uint8_t *buf, size_t len)
{
	unsigned int width;
	uint32_t val;

	for (; len; off += width, buf += width, len -= width) {
		width = gw_guest_piece(off, len, 4);
		val = width == 4 ? reg_read(c, off) : UINT32_MAX;
		memcpy(buf, &val, width);
	}
}

void gw_companion_regs_write(struct gw_companion *c, uint64_t off, const uint8_t *buf, size_t len)
{
	unsigned int width;
	uint32_t val;

	for (; len; off += width, buf += width, len -= width) {
		width = gw_guest_piece(off, len, 4);
		if (width != 4 || off / 4 >= ARRAY_SIZE(regs) || !regs[off / 4].write)
			continue;
		memcpy(&val, buf, 4);
		regs[off / 4].write(c, val);
	}
}
