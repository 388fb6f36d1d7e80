/* SPDX-License-Identifier: BSD-3-Clause */
#include <gangway/zone.h>

/*
 * How it works: where a function reaches a part of RAM only, a kernel bounces the rest, but the
 * bounce buffer and what it allocates for devices must be in that part. Linux takes both from its
 * lowest zone, which on arm64 has all that is below 4 GiB, unless a device tree says that some bus
 * reaches less.
 */

#define ZONE_MIN	(256ull << 20)	/* bounce buffer, contiguous memory, some for drivers */
#define ZONE_ALIGN	(2ull << 20)
#define SPARE		(32ull << 20)	/* of the budget, for what is mapped in granules */

/* Kernels before 6.12 have it end at a power of two. */
static uint64_t zone_size(uint64_t start, uint64_t most)
{
	uint64_t end = 1ull << 63;

	while (end > start + most)
		end /= 2;
	if (end > start && end - start >= ZONE_MIN)
		return end - start;
	return most & ~(ZONE_ALIGN - 1);
}

void gw_zone_fit(struct gw_zone *z, gw_gpa gpa, uint64_t ram, uint64_t budget)
{
	uint64_t size;

	if (budget >= ram || budget < ZONE_MIN + SPARE || gpa.v >= 1ull << 62 || budget >= 1ull << 62)
		return;
	size = zone_size(gpa.v, budget - SPARE);
	if (!z->size || size < z->size)
		*z = (struct gw_zone){ .gpa = gpa, .size = size };
}
