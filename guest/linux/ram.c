// SPDX-License-Identifier: GPL-2.0-only
/* Guest RAM: where it is. */

#include <linux/align.h>
#include <linux/ioport.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "ram.h"

#define MAX_RUNS	1024

/*
 * Add RAM to the runs. The edges go outwards to the granule: RAM ends at greater multiples. Runs
 * that touch are left apart, as the VMM may have them of different memory.
 */
static int ram_add(struct resource *res, void *data)
{
	struct gw_ram *ram = data;
	phys_addr_t start = ALIGN_DOWN(res->start, ram->granule);
	phys_addr_t last = res->end | (ram->granule - 1);
	struct gw_run *prev = ram->nr ? &ram->runs[ram->nr - 1] : NULL;

	if (prev && start <= prev->last) {
		ram->bytes += max(prev->last, last) - prev->last;
		prev->last = max(prev->last, last);
		return 0;
	}
	if (ram->nr == MAX_RUNS)
		return -ENOSPC;
	ram->runs[ram->nr++] = (struct gw_run) { start, last };
	ram->bytes += last - start + 1;
	return 0;
}

/**
 * gw_ram_find() - find guest RAM
 * @ram:     zeroed; to be freed by gw_ram_free() also after an error
 * @granule: edges are multiples of it
 *
 * Return: 0, -ENOMEM, -ENOENT if there is none, -ENOSPC if it is in too many places.
 */
int gw_ram_find(struct gw_ram *ram, u64 granule)
{
	int ret;

	ram->granule = granule;
	ram->runs = kvcalloc(MAX_RUNS, sizeof(*ram->runs), GFP_KERNEL);
	if (!ram->runs)
		return -ENOMEM;
	ret = walk_iomem_res_desc(IORES_DESC_NONE, IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY,
				  0, -1, ram, ram_add);
	return ret == -EINVAL ? -ENOENT : ret;
}

/* gw_ram_free() - free what gw_ram_find() allocated */
void gw_ram_free(struct gw_ram *ram)
{
	kvfree(ram->runs);
	memset(ram, 0, sizeof(*ram));
}

/* gw_ram_run() - the run that all of @start to @last is in, or NULL */
const struct gw_run *gw_ram_run(const struct gw_ram *ram, phys_addr_t start, phys_addr_t last)
{
	unsigned int lo = 0, hi = ram->nr;

	while (lo < hi) {
		unsigned int mid = lo + (hi - lo) / 2;

		if (ram->runs[mid].last < start)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == ram->nr || start < ram->runs[lo].start || last > ram->runs[lo].last)
		return NULL;
	return &ram->runs[lo];
}
