/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_BASE_SPIN_H
#define GW_BASE_SPIN_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Whether to look for the next message or request a little longer instead of sleeping. Spinning is
 * switched off for a while when it did not pay several times in a row, and when somebody else
 * waited for the processor. One thread.
 */
struct gw_spin {
	uint64_t limit_ns;		/* 0: never */
	uint64_t begun, seen;		/* ns: of this wait; when we last had the processor */
	uint64_t off_until, off_ns;
	unsigned int tries, misses;
};

void gw_spin_init(struct gw_spin *s, unsigned int limit_us);

/** gw_spin_begin() - a wait begins. Return: whether to spin */
bool gw_spin_begin(struct gw_spin *s);

/** gw_spin_again() - nothing there. Return: whether to look again */
bool gw_spin_again(struct gw_spin *s);

/** gw_spin_hit() - spinning found a message */
void gw_spin_hit(struct gw_spin *s);

#endif
