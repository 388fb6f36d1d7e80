// SPDX-License-Identifier: GPL-2.0-only
/* The probe's engine, and comparing bytes on both sides. */

#include <linux/io-64-nonatomic-lo-hi.h>

#include "engine.h"

#define PATTERN		0x5a3c96e1b4782df0ull
#define TIMEOUT		(60 * HZ)

struct probe probe;

irqreturn_t probe_irq(int irq, void *unused)
{
	complete(&probe.done);
	return IRQ_HANDLED;
}

int engine_status(u32 command, dma_addr_t src, dma_addr_t dst, size_t len)
{
	reinit_completion(&probe.done);
	lo_hi_writeq(src, probe.regs + PROBE_SRC);
	lo_hi_writeq(dst, probe.regs + PROBE_DST);
	lo_hi_writeq(len, probe.regs + PROBE_LEN);
	writel(lower_32_bits(PATTERN), probe.regs + PROBE_PATTERN);
	writel(upper_32_bits(PATTERN), probe.regs + PROBE_PATTERN + 4);
	writel(0, probe.regs + PROBE_VECTOR);
	writel(command, probe.regs + PROBE_COMMAND);
	if (!wait_for_completion_timeout(&probe.done, TIMEOUT))
		return FAIL("no interrupt, status %u", readl(probe.regs + PROBE_STATUS));
	return readl(probe.regs + PROBE_STATUS);
}

int engine(u32 command, dma_addr_t src, dma_addr_t dst, size_t len)
{
	int status = engine_status(command, src, dst, len);

	if (status != PROBE_OK)
		return FAIL("command %u: status %d, error %u, %#llx to %#llx, %zu bytes", command,
			    status, readl(probe.regs + PROBE_ERROR), (u64)src, (u64)dst, len);
	return 0;
}

void fill(void *buf, size_t len, u32 seed)
{
	u8 *p = buf;
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = (i + seed) * 2654435761u >> 13;
}

int check_fill(const void *buf, size_t len)
{
	const u8 *p = buf;
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i] != (u8)(PATTERN >> (i % 8 * 8)))
			return FAIL("byte %zu of %zu is %#x", i, len, p[i]);
	return 0;
}

int check_sum(const void *buf, dma_addr_t dma, size_t len)
{
	u64 sum = PROBE_SUM_START, got;
	const u8 *p = buf;
	size_t i;
	int ret;

	for (i = 0; i < len; i++)
		sum = (sum ^ p[i]) * PROBE_SUM_PRIME;
	ret = engine(PROBE_CMD_SUM, dma, 0, len);
	if (ret)
		return ret;
	got = lo_hi_readq(probe.regs + PROBE_RESULT);
	return got == sum ? 0 : FAIL("%zu bytes at %#llx: other bytes there", len, (u64)dma);
}

int check_memory(void *buf, dma_addr_t dma, size_t len, u32 seed)
{
	int ret;

	fill(buf, len, seed);
	ret = check_sum(buf, dma, len);
	if (!ret)
		ret = engine(PROBE_CMD_FILL, 0, dma, len);
	return ret ? ret : check_fill(buf, len);
}
