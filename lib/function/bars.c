/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/guard.h"
#include "base/util.h"
#include "function/function.h"

/*
 * How it works: a BAR that the host can map is mapped once, and the VMM is offered all of it but
 * the units with the MSI-X table and pending bits: those belong to the VMM, and the real table,
 * which the host has programmed, must be out of reach. What is not offered, and what a VMM asks
 * by message all the same, goes through the mapping, or through the host where there is none.
 *
 * A mapping has another effect: with one region that can be mapped, QEMU waits for every write to
 * the others, which it would post otherwise.
 */

static int bar_check(struct gw_guest_function *gf, unsigned int i, const char **why)
{
	const struct gw_bar_info *b = &gf->bar[i].info;
	uint64_t least = b->io ? 4 : 16;

	if (!b->size)
		return 0;
	*why = "the size is not a power of two";
	if (!gw_is_pow2(b->size))
		return -EINVAL;
	*why = "the size is too small";
	if (b->size < least)
		return -EINVAL;
	*why = "an I/O BAR is neither 64 bits wide nor prefetchable";
	if (b->io && (b->is_64bit || b->prefetchable))
		return -EINVAL;
	*why = "it is too large for a 32-bit BAR";
	if (!b->is_64bit && b->size > 1ull << 31)
		return -EINVAL;
	*why = "a 64-bit BAR needs the next one for its upper half";
	if (b->is_64bit && (i + 1 >= GW_NR_BARS || gf->bar[i + 1].info.size))
		return -EINVAL;
	return 0;
}

int gw_guest_bars_probe(struct gw_guest_function *gf)
{
	const char *why = NULL;
	int ret;

	for (unsigned int i = 0; i < GW_NR_BARS; i++) {
		ret = gf->fn->ops->bar_info(gf->fn, i, &gf->bar[i].info);
		if (ret) {
			gw_err(gf->log, "%s: the host does not describe BAR %u: %s",
			       gf->fn->info.name, i, strerror(-ret));
			return ret;
		}
	}
	for (unsigned int i = 0; i < GW_NR_BARS; i++) {
		ret = bar_check(gf, i, &why);
		if (ret) {
			gw_err(gf->log, "%s: BAR %u of %#" PRIx64 " bytes cannot be shown to a "
			       "guest: %s", gf->fn->info.name, i, gf->bar[i].info.size, why);
			return ret;
		}
	}
	return 0;
}

/*
 * A VMM on a Mac fails if it has to map less than a page of 16 KiB, so nobody is offered less; a
 * host that no Mac has may say otherwise. This machine's pages may be larger still.
 */
static uint64_t map_unit(const struct gw_bar_map *m)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), unit = m->unit ? m->unit : GW_MAP_UNIT;

	return page > unit ? page : unit;
}

static void region_add(struct gw_region_info *r, uint64_t first, uint64_t end)
{
	if (first >= end)
		return;
	r->area[r->nr_areas].off = first;
	r->area[r->nr_areas++].size = end - first;
}

/* Offer a mapped BAR to the VMM, without the units of at most two parts. */
static void bar_offer(struct gw_guest_function *gf, unsigned int i)
{
	const struct gw_pci_msix_part *hole[2] = { &gf->policy.msix_table, &gf->policy.msix_pba };
	struct gw_guest_bar *b = &gf->bar[i];
	struct gw_region_info *r = &b->region;
	uint64_t page = map_unit(&b->map), at = 0, end = b->map.size & ~(page - 1);

	if (!b->map.addr || b->map.fd_off % page || !end)
		return;
	if (hole[1]->off < hole[0]->off) {
		hole[0] = &gf->policy.msix_pba;
		hole[1] = &gf->policy.msix_table;
	}
	for (unsigned int h = 0; h < ARRAY_SIZE(hole); h++) {
		uint64_t first = hole[h]->off & ~(page - 1);
		uint64_t last = (hole[h]->off + hole[h]->size + page - 1) & ~(page - 1);

		if (!hole[h]->size || hole[h]->bar != i)
			continue;
		region_add(r, at, first < end ? first : end);
		at = last > at ? last : at;
	}
	region_add(r, at, end);
	if (!r->nr_areas)
		return;
	if (r->nr_areas == 1 && r->area[0].size == r->size)
		r->nr_areas = 0;	/* all of it */
	r->addr = b->map.addr;
	if (b->map.fd < 0)
		return;	/* only a program that embeds us can map it */
	r->flags |= GW_REGION_F_MMAP;
	r->fd = b->map.fd;
	r->fd_off = b->map.fd_off;
}

static void bar_map(struct gw_guest_function *gf, unsigned int i)
{
	struct gw_guest_bar *b = &gf->bar[i];
	int ret;

	if (!b->info.mappable || b->info.io)
		return;
	ret = gf->fn->ops->bar_map(gf->fn, i, &b->map);
	if (ret) {
		b->map.addr = NULL;
		if (ret != -EOPNOTSUPP)
			gw_warn(gf->log, "%s: cannot map BAR %u: %s; every access will be slow",
				gf->fn->info.name, i, strerror(-ret));
		return;
	}
	if (b->map.size > b->info.size)
		b->map.size = b->info.size;
	bar_offer(gf, i);
}

void gw_guest_bars_map(struct gw_guest_function *gf)
{
	for (unsigned int i = 0; i < GW_NR_BARS; i++) {
		struct gw_guest_bar *b = &gf->bar[i];

		b->region = (struct gw_region_info){ .size = b->info.size, .fd = -1 };
		if (!b->info.size)
			continue;
		b->region.flags = GW_REGION_F_READ | GW_REGION_F_WRITE;
		bar_map(gf, i);
	}
}

void gw_guest_bars_unmap(struct gw_guest_function *gf)
{
	for (unsigned int i = 0; i < GW_NR_BARS; i++)
		if (gf->bar[i].map.addr)
			gf->fn->ops->bar_unmap(gf->fn, i);
}

/* Would the function answer on the bus? */
static bool bar_decodes(const struct gw_guest_function *gf, unsigned int bar) GW_HOLDS(gf->lock)
{
	uint16_t bit = gf->bar[bar].info.io ? GW_PCI_COMMAND_IO : GW_PCI_COMMAND_MEMORY;

	return !gw_guest_dead(gf) && !gf->hidden && !gw_guest_asleep(gf) && gf->command & bit;
}

static bool part_holds(const struct gw_pci_msix_part *part, unsigned int bar, uint64_t off)
{
	return bar == part->bar && off >= part->off && off - part->off < part->size;
}

/* Parts start and end on 8 bytes, so a piece is either all inside or all outside. */
static bool bar_is_vmm(const struct gw_guest_function *gf, unsigned int bar, uint64_t off)
{
	return part_holds(&gf->policy.msix_table, bar, off) ||
	       part_holds(&gf->policy.msix_pba, bar, off);
}

static uint64_t bar_read_piece(struct gw_guest_function *gf, unsigned int bar, uint64_t off,
			       unsigned int width) GW_HOLDS(gf->lock)
{
	const struct gw_guest_bar *b = &gf->bar[bar];
	uint64_t val = 0;
	int ret;

	if (bar_is_vmm(gf, bar, off))
		return 0;
	if (b->map.addr && off + width <= b->map.size)
		ret = gw_guard_reg_read((const char *)b->map.addr + off, width, &val);
	else
		ret = gf->fn->ops->reg_read(gf->fn, bar, (gw_bar_off){ off }, width, &val);
	if (!ret)
		return val;
	gw_guest_failed(gf, ret, "read a register");
	return UINT64_MAX;
}

static void bar_write_piece(struct gw_guest_function *gf, unsigned int bar, uint64_t off,
			    unsigned int width, uint64_t val) GW_HOLDS(gf->lock)
{
	const struct gw_guest_bar *b = &gf->bar[bar];
	int ret;

	if (bar_is_vmm(gf, bar, off))
		return;
	if (b->map.addr && off + width <= b->map.size)
		ret = gw_guard_reg_write((char *)b->map.addr + off, width, val);
	else
		ret = gf->fn->ops->reg_write(gf->fn, bar, (gw_bar_off){ off }, width, val);
	if (ret)
		gw_guest_failed(gf, ret, "write a register");
}

void gw_guest_bar_read(struct gw_guest_function *gf, unsigned int bar, uint64_t off, uint8_t *buf,
		       size_t len)
{
	unsigned int max = gf->bar[bar].info.io ? 4 : 8, width;
	uint64_t val;

	for (; len; off += width, buf += width, len -= width) {
		width = gw_guest_piece(off, len, max);
		val = bar_decodes(gf, bar) ? bar_read_piece(gf, bar, off, width) : UINT64_MAX;
		memcpy(buf, &val, width);
	}
}

void gw_guest_bar_write(struct gw_guest_function *gf, unsigned int bar, uint64_t off,
			const uint8_t *buf, size_t len)
{
	unsigned int max = gf->bar[bar].info.io ? 4 : 8, width;
	uint64_t val;

	for (; len && bar_decodes(gf, bar); off += width, buf += width, len -= width) {
		width = gw_guest_piece(off, len, max);
		val = 0;
		memcpy(&val, buf, width);
		bar_write_piece(gf, bar, off, width, val);
	}
}

static uint64_t bar_address(const struct gw_guest_function *gf, unsigned int bar)
	GW_HOLDS(gf->lock)
{
	unsigned int reg = GW_PCI_BAR0 + 4 * bar;
	uint64_t at = gw_pci_get(gf->config, reg, 4) & ~(gf->bar[bar].info.io ? 3u : 15u);

	if (gf->bar[bar].info.is_64bit)
		at |= (uint64_t)gw_pci_get(gf->config, reg + 4, 4) << 32;
	return at;
}

int gw_guest_function_bar(struct gw_guest_function *gf, unsigned int bar, gw_gpa *at)
{
	int ret = -ENOENT;

	if (bar >= GW_NR_BARS || !gf->bar[bar].info.size)
		return -ENOENT;
	pthread_mutex_lock(&gf->lock);
	if (gf->command & GW_PCI_COMMAND_MEMORY) {
		at->v = bar_address(gf, bar);
		ret = at->v ? 0 : -ENOENT;
	}
	pthread_mutex_unlock(&gf->lock);
	return ret;
}

void gw_guest_function_note_bars(struct gw_guest_function *gf)
{
	for (unsigned int i = 0; i < GW_NR_BARS; i++)
		if (gf->bar[i].info.size && !gf->bar[i].info.io)
			atomic_store_explicit(&gf->had_bar[i], bar_address(gf, i), memory_order_relaxed);
}

bool gw_guest_function_had_bar(struct gw_guest_function *gf, gw_gpa at)
{
	for (unsigned int i = 0; i < GW_NR_BARS; i++) {
		uint64_t first = atomic_load_explicit(&gf->had_bar[i], memory_order_relaxed);

		if (first && at.v >= first && at.v - first < gf->bar[i].info.size)
			return true;
	}
	return false;
}
