// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mode ranges: RAM is mapped once, and the kernel's own dma-direct does the rest.
 *
 * How it works. When a driver is about to be bound, the host maps what it can of RAM, and the
 * device gets a dma_range_map that says where. To dma-direct that is a bus with an offset: it adds,
 * bounces what is in no range, and no operations are replaced. It looks at where a buffer starts
 * only. So no buffer may start in a range and end outside: at such an edge inside of RAM a page is
 * taken from the kernel for as long as the driver is bound. If one cannot be had, this mode cannot
 * be either.
 *
 * A range may have a lead of a few pages that cannot be mapped (see extent.c). They are taken as
 * well, or bounced, if the kernel bounces. So that it does not think of all large buffers as such
 * that may have to be bounced, they are in the map, at addresses that are beyond the limit of the
 * bus.
 *
 * Memory that comes later is mapped before it is online, and what has left is unmapped.
 */

#include <linux/dma-direct.h>
#include <linux/ioport.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/swiotlb.h>

#include "companion.h"
#include "compat.h"
#include "ranges.h"

#define MAX_EXTENTS	256
#define MAX_CUT		SZ_16M	/* what may be mapped by itself at the start of a range */
#define MAX_BAD		64	/* pieces that cannot be mapped, until we give up */
#define BEYOND_BITS	62	/* where no address of a device is */

static phys_addr_t extent_mapped(const struct gw_extent *e)
{
	return e->start + e->lead;
}

/* The address after an extent. */
static u64 extent_end(const struct gw_extent *e)
{
	return e->iova + (e->last - extent_mapped(e)) + 1;
}

/* gw_ranges_bits() - how many bits addresses have */
unsigned int gw_ranges_bits(const struct gw_ranges *r)
{
	u64 last = 0;
	unsigned int i;

	for (i = 0; i < r->nr; i++)
		last = max(last, extent_end(&r->extents[i]) - 1);
	return fls64(last);
}

/* Does what is after @e in memory go on after it for the function, too? */
static bool extent_goes_on(const struct gw_ranges *r, const struct gw_extent *e)
{
	unsigned int i;

	for (i = 0; i < r->nr; i++)
		if (extent_mapped(&r->extents[i]) == e->last + 1)
			return !r->extents[i].lead && r->extents[i].iova == extent_end(e) &&
			       !IS_ALIGNED(extent_end(e), SZ_4G);
	return false;
}

/* Where the kernel bounces, if it does. */
static bool bounce_buffer(const struct gw_ranges *r, struct gw_run *run)
{
#ifdef CONFIG_SWIOTLB
	const struct io_tlb_mem *mem = r->dev->dma_io_tlb_mem;

	if (mem && mem->nslabs) {
		*run = (struct gw_run) { mem->defpool.start, mem->defpool.end - 1 };
		return true;
	}
#endif
	return false;
}

/* Take a page at the end, that a buffer could lie across. In the bounce buffer there is none. */
static bool extent_edge(struct gw_ranges *r, const struct gw_extent *e)
{
	struct gw_run bounce;

	if (bounce_buffer(r, &bounce) && (e->last == bounce.last || e->last + 1 == bounce.start))
		return true;
	return extent_goes_on(r, e) || gw_taken_add(&r->taken, e->last + 1) ||
	       gw_taken_add(&r->taken, e->last);
}

/* Use only what is from @start to @last of an extent; the host has mapped a little more. */
static void extent_trim(struct gw_extent *e, phys_addr_t start, phys_addr_t last)
{
	phys_addr_t mapped = max(extent_mapped(e), start);

	e->iova += mapped - extent_mapped(e);
	e->start = max(e->start, start);
	e->lead = mapped - e->start;
	e->last = min(e->last, last);
	e->online = (e->last - e->start + 1) >> PAGE_SHIFT;
}

/* Have what is before @at of an extent mapped by itself. */
static bool extent_cut(struct gw_ranges *r, struct gw_extent *e, phys_addr_t at)
{
	struct gw_extent *lead = &r->extents[r->nr];

	if (r->nr == MAX_EXTENTS ||
	    gw_extent_place(r->companion, e->start, at - e->start, lead))
		return false;
	lead->start = e->start;
	lead->last = at - 1;
	lead->lead = 0;
	lead->bytes = at - e->start;
	lead->online = lead->bytes >> PAGE_SHIFT;
	e->online -= lead->online;
	e->iova += at - extent_mapped(e);
	e->start = at;
	e->lead = 0;
	r->bytes += lead->bytes;
	r->nr++;
	return true;
}

/*
 * What is not mapped for the sake of alignment must not be used, or be bounced. Else it is mapped
 * by itself, up to where a page can be taken; the little that is there is aligned to the granule
 * only.
 */
static bool extent_lead(struct gw_ranges *r, struct gw_extent *e)
{
	u64 granule = gw_granule(r->companion), most = min_t(u64, MAX_CUT, e->last - e->start), len;
	struct gw_run unused;
	phys_addr_t at;

	for (at = e->start; at < extent_mapped(e); at += PAGE_SIZE)
		if (!gw_taken_add(&r->taken, at) && !bounce_buffer(r, &unused))
			break;
	if (at >= extent_mapped(e))
		return true;
	/* there may be a large allocation: the steps grow */
	for (len = e->lead; len < most; len += max(ALIGN_DOWN(len / 4, granule), granule))
		if (gw_taken_add(&r->taken, e->start + len - PAGE_SIZE) ||
		    gw_taken_add(&r->taken, e->start + len))
			return extent_cut(r, e, e->start + len);
	return false;
}

/*
 * Are there registers at addresses of the extent? When drivers have a device write to another,
 * dma-direct hands out the address that its registers have in the guest. That must lead nowhere.
 */
static bool extent_hides_registers(const struct gw_extent *e)
{
	struct pci_dev *pdev = NULL;
	struct resource *res;

	for_each_pci_dev(pdev)
		pci_dev_for_each_resource(pdev, res)
			if (resource_type(res) == IORESOURCE_MEM && res->parent &&
			    pdev->hdr_type == PCI_HEADER_TYPE_NORMAL && e->iova <= res->end &&
			    extent_end(e) - 1 >= res->start) {
				pci_dev_put(pdev);
				return true;
			}
	return false;
}

static int ranges_add(struct gw_ranges *r, phys_addr_t start, u64 len)
{
	struct gw_extent *e = &r->extents[r->nr];
	int ret;

	if (r->nr == MAX_EXTENTS)
		return -ENOSPC;
	*e = (struct gw_extent) { .start = start, .last = start + len - 1 };
	ret = gw_extent_map(r->companion, e);
	if (ret)
		return ret;
	if (extent_hides_registers(e)) {
		gw_companion_unmap(r->companion, e->handle);
		return -EADDRINUSE;
	}
	e->bytes = len - e->lead;
	e->online = len >> PAGE_SHIFT;
	r->bytes += e->bytes;
	r->nr++;
	return 0;
}

/* Where to cut, at @at or a little before: after a page that nobody gets, if one can be had. */
static phys_addr_t ranges_cut(struct gw_ranges *r, phys_addr_t start, phys_addr_t at)
{
	u64 granule = gw_granule(r->companion), most = min_t(u64, MAX_CUT, at - start), back;

	for (back = 0; back < most; back += max(ALIGN_DOWN(back / 4, granule), granule))
		if (gw_taken_add(&r->taken, at - back - PAGE_SIZE))
			return at - back;
	return at;
}

/* Have memory mapped, in pieces that do not keep the host for long; up to @room bytes. */
static int ranges_cover(struct gw_ranges *r, phys_addr_t start, phys_addr_t last, u64 room)
{
	u64 granule = gw_granule(r->companion), len;
	u64 piece = ALIGN_DOWN(min_t(u64, r->companion->max_map, GW_MAP_PIECE), granule);
	unsigned int bad = 0;
	int ret;

	while (start <= last) {
		cond_resched();
		len = min3(last - start + 1, piece, ALIGN_DOWN(room, granule));
		/* a little that is left is of no use, and has edges as well */
		if (room < MAX_CUT && len <= last - start)
			len = 0;
		if (len && len <= last - start)
			len = ranges_cut(r, start, start + len) - start;
		ret = len ? ranges_add(r, start, len) : -ENOMEM;
		if (ret == -EXDEV || ret == -EIO) {
			if (++bad > MAX_BAD)
				return ret;
			len = gw_extent_fit(r->companion, start, len);
			ret = len ? ranges_add(r, start, len) : 0;
			if (!len)
				r->missing += granule;
		}
		if (ret == -ENOMEM) {
			r->missing += last - start + 1;
			return 0;
		}
		if (ret)
			return ret;
		room -= len;
		start += len ? len : granule;
	}
	return 0;
}

/* Is all of this mapped? If @leads, what is not for the sake of alignment counts as if it were. */
static bool ranges_have(const struct gw_ranges *r, phys_addr_t start, phys_addr_t last, bool leads)
{
	unsigned int i;

	for (i = 0; i < r->nr && start <= last; i++) {
		const struct gw_extent *e = &r->extents[i];

		if (start >= (leads ? e->start : extent_mapped(e)) && start <= e->last) {
			start = e->last + 1;
			i = -1;
		}
	}
	return start > last;
}

/*
 * Not all of RAM fits. The kernel bounces the rest; but what it allocates for devices where nothing
 * else will do, in the lowest zone, has to be mapped.
 */
static const char *ranges_partly(struct gw_ranges *r, const struct gw_ram *ram, bool bounces)
{
	struct page *first = pfn_to_online_page(PHYS_PFN(ram->runs[0].start + GW_EXTENT_ALIGN));
	phys_addr_t end = first ? PFN_PHYS(zone_end_pfn(page_zone(first))) : 0;
	unsigned int i;

	if (!bounces)
		return "the kernel has no bounce buffer (swiotlb=force makes one)";
	for (i = 0; i < ram->nr && ram->runs[i].start < end; i++)
		if (!ranges_have(r, ram->runs[i].start, min(ram->runs[i].last, end - 1), true))
			return "the budget is less than where the kernel allocates for devices";
	return NULL;
}

/* What dma-direct is to know; leads are beyond what the bus can do. */
static void ranges_publish(struct gw_ranges *r)
{
	unsigned int bits = gw_ranges_bits(r), n = 0, i;
	const struct gw_extent *e;

	for (i = 0; i < r->nr; i++) {
		e = &r->extents[i];
		r->map[n++] = (struct bus_dma_region) {
			.cpu_start = extent_mapped(e), .dma_start = e->iova,
			.size = e->last - extent_mapped(e) + 1,
		};
	}
	for (i = 0; i < r->nr && bits <= BEYOND_BITS; i++)
		if (r->extents[i].lead)
			r->map[n++] = (struct bus_dma_region) {
				.cpu_start = r->extents[i].start, .dma_start = 1ull << BEYOND_BITS,
				.size = r->extents[i].lead,
			};
	r->limit = r->dev->bus_dma_limit;
	r->dev->bus_dma_limit = min_not_zero(r->limit, DMA_BIT_MASK(bits));
	r->dev->dma_range_map = r->map;
}

static const char *cover_error(int ret)
{
	if (ret == -EADDRNOTAVAIL)
		return "the host's addresses are not aligned as pages must be";
	if (ret == -EADDRINUSE)
		return "the host's addresses are those of devices' registers";
	return ret ? "the host does not map RAM" : NULL;
}

/*
 * Have the bounce buffer mapped, in one range: what is bounced knows nothing of edges. A lead is
 * before it, in memory that is mapped once more with the rest. So at the edges are pages that
 * nobody gets.
 */
static const char *ranges_bounce(struct gw_ranges *r, const struct gw_ram *ram,
				 const struct gw_run *bounce)
{
	phys_addr_t start = ALIGN_DOWN(bounce->start, ram->granule);
	phys_addr_t last = bounce->last | (ram->granule - 1);
	const char *why;

	if (start > GW_EXTENT_ALIGN && gw_ram_run(ram, start - GW_EXTENT_ALIGN, last))
		start = ALIGN_DOWN(start - GW_EXTENT_ALIGN, ram->granule);
	why = cover_error(ranges_cover(r, start, last, r->companion->budget_bytes));
	if (why)
		return why;
	if (r->missing)
		return "the budget has no room for the bounce buffer";
	if (r->nr != 1 || extent_mapped(r->extents) > bounce->start)
		return "the host does not map the bounce buffer in one piece";
	extent_trim(r->extents, bounce->start, bounce->last);
	return NULL;
}

static u64 ranges_room(const struct gw_ranges *r)
{
	return r->companion->budget_bytes - min(r->companion->budget_bytes, r->bytes);
}

/* Have a run of RAM mapped, apart from @bounce. */
static int ranges_run(struct gw_ranges *r, const struct gw_run *run, const struct gw_run *bounce)
{
	u64 granule = gw_granule(r->companion);
	unsigned int nr = r->nr;
	int ret;

	if (bounce->start > run->last || bounce->last < run->start)
		return ranges_cover(r, run->start, run->last, ranges_room(r));
	ret = ranges_cover(r, run->start, ALIGN(bounce->start, granule) - 1, ranges_room(r));
	for (; !ret && nr < r->nr; nr++)
		extent_trim(&r->extents[nr], 0, bounce->start - 1);
	if (ret)
		return ret;
	ret = ranges_cover(r, ALIGN_DOWN(bounce->last + 1, granule), run->last, ranges_room(r));
	for (; !ret && nr < r->nr; nr++)
		extent_trim(&r->extents[nr], bounce->last + 1, PHYS_ADDR_MAX);
	return ret;
}

static const char *ranges_fill(struct gw_ranges *r, const struct gw_ram *ram, bool partly)
{
	struct gw_run bounce = { PHYS_ADDR_MAX, PHYS_ADDR_MAX };
	bool bounces = bounce_buffer(r, &bounce);
	const char *why = NULL;
	unsigned int i;

	if (ram->bytes > r->companion->budget_bytes && !partly)
		return "the budget is less than RAM";
	if (bounces)
		why = ranges_bounce(r, ram, &bounce);
	for (i = 0; i < ram->nr && !why; i++)
		why = cover_error(ranges_run(r, &ram->runs[i], &bounce));
	if (!why && r->missing)
		why = partly ? ranges_partly(r, ram, bounces) : "the host does not map all of RAM";
	for (i = 0; i < r->nr && !why; i++)
		if (!extent_lead(r, &r->extents[i]))
			why = "memory at the start of a range is in use";
	for (i = 0; i < r->nr && !why; i++) {
		if (extent_edge(r, &r->extents[i]))
			continue;
		dev_warn(r->dev, "gangway: memory is in use at %pa\n", &r->extents[i].last);
		why = "memory at the end of a range is in use";
	}
	if (!why && r->missing)
		dev_warn(r->dev, "gangway: %llu of %llu MiB of RAM are mapped, the kernel copies the rest\n",
			 r->bytes >> 20, ram->bytes >> 20);
	return why;
}

static void ranges_unmap(struct gw_ranges *r)
{
	while (r->nr)
		gw_companion_unmap(r->companion, r->extents[--r->nr].handle);
	r->bytes = 0;
	r->missing = 0;
}

static void ranges_free(struct gw_ranges *r)
{
	kvfree(r->extents);
	gw_taken_free(&r->taken);
	r->extents = NULL;
	r->map = NULL;
	r->dev = NULL;
}

/**
 * gw_ranges_open() - have RAM mapped for a function whose driver is about to be bound
 * @r:      closed
 * @dev:    the function
 * @ram:    where RAM is
 * @partly: not all of it has to be mapped
 * @why:    the reason if that cannot be
 *
 * Return: 0; -ENOMEM; -EOPNOTSUPP if it is not to be done in this mode, and @why says why.
 */
int gw_ranges_open(struct gw_ranges *r, struct device *dev, const struct gw_ram *ram, bool partly,
		   const char **why)
{
	*why = "there is not enough memory";
	if (dev->dma_range_map) {
		*why = "the firmware says how its addresses are translated";
		return -EOPNOTSUPP;
	}
	r->dev = dev;
	r->extents = kvcalloc(MAX_EXTENTS, sizeof(*r->extents), GFP_KERNEL);
	/* ranges, leads, and the end */
	r->map = kcalloc(2 * MAX_EXTENTS + 1, sizeof(*r->map), GFP_KERNEL);
	if (!r->extents || !r->map || gw_taken_alloc(&r->taken))
		goto free;
	*why = ranges_fill(r, ram, partly);
	if (*why)
		goto unmap;
	ranges_publish(r);
	return 0;
unmap:
	gw_taken_give(&r->taken, 0);
	ranges_unmap(r);
free:
	kfree(r->map);
	ranges_free(r);
	return *why ? -EOPNOTSUPP : -ENOMEM;
}

/**
 * gw_ranges_close() - its driver has gone
 * @r: open; the caller has had the host unmap everything. The driver core frees the map.
 */
void gw_ranges_close(struct gw_ranges *r)
{
	r->dev->bus_dma_limit = r->limit;
	gw_taken_give(&r->taken, 0);
	r->nr = 0;
	r->bytes = 0;
	r->missing = 0;
	ranges_free(r);
}

/* The resource that memory is a part of. */
struct search {
	phys_addr_t phys;
	struct gw_run run;
	bool managed;
};

static int search_look(struct resource *res, void *data)
{
	struct search *s = data;

	if (s->phys < res->start || s->phys > res->end)
		return 0;
	s->run = (struct gw_run) { res->start, res->end };
	s->managed = res->flags & IORESOURCE_SYSRAM_DRIVER_MANAGED;
	return 1;
}

static struct gw_extent *ranges_find(struct gw_ranges *r, phys_addr_t phys)
{
	unsigned int i;

	for (i = 0; i < r->nr; i++)
		if (phys >= r->extents[i].start && phys <= r->extents[i].last)
			return &r->extents[i];
	return NULL;
}

/* Put what was just added into the map, where dma-direct may be looking. */
static int ranges_append(struct gw_ranges *r, struct gw_extent *e)
{
	struct bus_dma_region *m = r->map;

	/* skip what was left of extents that have gone: no address is in that */
	for (; m->size && m->cpu_start != PHYS_ADDR_MAX - m->size; m++)
		;
	if (m - r->map >= 2 * MAX_EXTENTS)
		return -ENOSPC;
	m->dma_start = e->iova;
	if (m->size) {
		m->size = e->last - extent_mapped(e) + 1;
		WRITE_ONCE(m->cpu_start, extent_mapped(e));
		return 0;
	}
	m->cpu_start = extent_mapped(e);
	/* a region without a size is the end; pairs with the dependency of readers on that */
	smp_store_release(&m->size, e->last - extent_mapped(e) + 1);
	return 0;
}

/**
 * gw_ranges_online() - memory is about to be used by the kernel: have it mapped
 * @r:     open
 * @start: physical address
 * @last:  of its last byte
 *
 * All that was plugged at once is mapped at once, so that there is no edge in it.
 *
 * Return: 0, or -errno: it must not be used.
 */
int gw_ranges_online(struct gw_ranges *r, phys_addr_t start, phys_addr_t last)
{
	struct gw_extent *e = ranges_find(r, start);
	struct search s = { .phys = start };
	unsigned int taken = r->taken.nr;
	int ret;

	if (e) {
		e->online += (last - start + 1) >> PAGE_SHIFT;
		return 0;
	}
	if (walk_iomem_res_desc(IORES_DESC_NONE, IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY, 0, -1,
				&s, search_look) != 1)
		return -ENOENT;
	ret = s.managed ? -EOPNOTSUPP : ranges_add(r, s.run.start, s.run.last - s.run.start + 1);
	if (ret)
		return ret;
	e = &r->extents[r->nr - 1];
	e->online = (last - start + 1) >> PAGE_SHIFT;
	/* before what is beside it can be one buffer with what is in it */
	if (!gw_taken_add(&r->taken, e->start - 1) || !gw_taken_add(&r->taken, e->last + 1))
		ret = -EBUSY;
	else
		ret = ranges_append(r, e);
	if (!ret)
		return 0;
	gw_taken_give(&r->taken, taken);
	gw_companion_unmap(r->companion, e->handle);
	r->bytes -= e->bytes;
	r->nr--;
	return ret;
}

/* gw_ranges_settle() - memory is used from now on: take the pages of it that nobody shall have */
void gw_ranges_settle(struct gw_ranges *r, phys_addr_t start, phys_addr_t last)
{
	unsigned int nr = r->nr, i;
	bool good = true;

	for (i = 0; i < r->nr && good; i++) {
		struct gw_extent *e = &r->extents[i];

		if (e->start > last || e->last < start)
			continue;
		good = extent_lead(r, e) && extent_edge(r, e) &&
		       (i < nr || !ranges_append(r, e));
	}
	if (!good)
		dev_warn(r->dev, "gangway: memory at the edges of %pa-%pa is in use\n", &start,
			 &last);
}

/**
 * gw_ranges_offline() - memory is not used by the kernel any more
 * @r:     open
 * @start: physical address
 * @last:  of its last byte
 */
void gw_ranges_offline(struct gw_ranges *r, phys_addr_t start, phys_addr_t last)
{
	struct gw_extent *e = ranges_find(r, start);
	u64 pages = (last - start + 1) >> PAGE_SHIFT;
	struct bus_dma_region *m;

	gw_taken_forget(&r->taken, start, last);
	if (!e)
		return;
	e->online -= min(pages, e->online);
	if (e->online)
		return;
	for (m = r->map; m->size && m->cpu_start != extent_mapped(e); m++)
		;
	if (m->size) {
		WRITE_ONCE(m->cpu_start, PHYS_ADDR_MAX - m->size);
		WRITE_ONCE(m->dma_start, U64_MAX - m->size);
	}
	gw_companion_unmap(r->companion, e->handle);
	r->bytes -= e->bytes;
	*e = r->extents[--r->nr];
}
