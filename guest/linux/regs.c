// SPDX-License-Identifier: GPL-2.0-only
/* The companion's registers. */

#include <linux/io.h>

#include "companion.h"
#include "regs.h"

/* gw_regs_read() - read a register of 32 bits */
u32 gw_regs_read(struct gw_companion *c, unsigned int reg)
{
	return readl(c->regs + reg);
}

/* gw_regs_write() - write a register of 32 bits */
void gw_regs_write(struct gw_companion *c, unsigned int reg, u32 value)
{
	writel(value, c->regs + reg);
}

/* gw_regs_read64() - read two halves that belong together; the low one latches the other */
u64 gw_regs_read64(struct gw_companion *c, unsigned int reg)
{
	unsigned long flags;
	u32 lo, hi;

	spin_lock_irqsave(&c->regs_lock, flags);
	lo = gw_regs_read(c, reg);
	hi = gw_regs_read(c, reg + 4);
	spin_unlock_irqrestore(&c->regs_lock, flags);
	return (u64)hi << 32 | lo;
}

/* gw_regs_write64() - write both halves */
void gw_regs_write64(struct gw_companion *c, unsigned int reg, u64 value)
{
	unsigned long flags;

	spin_lock_irqsave(&c->regs_lock, flags);
	gw_regs_write(c, reg, lower_32_bits(value));
	gw_regs_write(c, reg + 4, upper_32_bits(value));
	spin_unlock_irqrestore(&c->regs_lock, flags);
}
