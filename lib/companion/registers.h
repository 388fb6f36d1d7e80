/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_COMPANION_REGISTERS_H
#define GW_COMPANION_REGISTERS_H

#include "companion/companion.h"

/* BAR0. */

/** gw_companion_regs_read() - @off and @len as the VMM has them, inside the region */
void gw_companion_regs_read(struct gw_companion *c, uint64_t off, uint8_t *buf, size_t len)
	GW_HOLDS(c->gate);

/** gw_companion_regs_write() - likewise; what the guest asked for is done on return */
void gw_companion_regs_write(struct gw_companion *c, uint64_t off, const uint8_t *buf, size_t len)
	GW_HOLDS(c->gate);

#endif
