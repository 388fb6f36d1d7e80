/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"

#include "gangway-pci.h"

#include "hw/pci/pci_bus.h"

/*
 * How it works: the device is told of the guest's memory as it comes and goes in the device's
 * address space, by where it is in this process. Other devices' registers are left out. Where the
 * guest has an IOMMU of its own, each of its translations is a piece of memory that comes and goes.
 *
 * A piece that the library refuses is out of the device's reach: the library says so, and a device
 * that uses it has a fault. Only while the device is realized, memory that exceeds what the host
 * maps is an error of it.
 */

typedef struct GangwayIOMMU {
	IOMMUNotifier n;
	IOMMUMemoryRegion *mr;
	GangwayPCI *g;
	hwaddr offset;			/* of the region in the device's address space */
	QLIST_ENTRY(GangwayIOMMU) next;
} GangwayIOMMU;

static bool is_memory(MemoryRegion *mr)
{
	return memory_region_is_ram(mr) && !memory_region_is_ram_device(mr) &&
	       !memory_region_is_protected(mr);
}

static void dma_map(GangwayPCI *g, hwaddr at, uint64_t size, void *addr, bool readonly)
{
	struct gw_slice s = { .at = { at }, .size = size, .addr = addr,
			      .prot = GW_PROT_READ | (readonly ? 0 : GW_PROT_WRITE) };
	int ret = g->dev->ops->dma_map(g->dev, &s, -1);

	if (ret && !g->map_error)
		g->map_error = ret;
}

/* Return: the device has let go of it */
static bool dma_unmap(GangwayPCI *g, hwaddr first, hwaddr last)
{
	uint64_t bytes;

	return !g->dev->ops->dma_unmap(g->dev, (gw_vmm_addr){ first }, (gw_vmm_addr){ last },
				       &bytes);
}

/* The guest's IOMMU says what an address is. Called with the RCU read lock held. */
static void iommu_map(GangwayPCI *g, hwaddr at, IOMMUTLBEntry *e)
{
	bool write = e->perm & IOMMU_WO;
	hwaddr xlat, len = e->addr_mask + 1;
	MemoryRegion *mr = address_space_translate(&address_space_memory, e->translated_addr, &xlat,
						   &len, write, MEMTXATTRS_UNSPECIFIED);

	if (!is_memory(mr) || len < e->addr_mask + 1)
		return;
	dma_map(g, at, e->addr_mask + 1, (uint8_t *)memory_region_get_ram_ptr(mr) + xlat, !write);
}

static void iommu_notify(IOMMUNotifier *n, IOMMUTLBEntry *e)
{
	GangwayIOMMU *io = container_of(n, GangwayIOMMU, n);
	hwaddr first = e->iova + io->offset;

	if (e->target_as != &address_space_memory)
		return;
	if (e->perm == IOMMU_NONE) {
		dma_unmap(io->g, first, first + e->addr_mask);
		return;
	}
	rcu_read_lock();
	iommu_map(io->g, first, e);
	rcu_read_unlock();
}

static void iommu_add(GangwayPCI *g, MemoryRegionSection *section)
{
	IOMMUMemoryRegion *mr = IOMMU_MEMORY_REGION(section->mr);
	GangwayIOMMU *io = g_new0(GangwayIOMMU, 1);
	uint64_t last = int128_get64(int128_sub(section->size, int128_one()));
	Error *err = NULL;

	io->g = g;
	io->mr = mr;
	io->offset = section->offset_within_address_space - section->offset_within_region;
	iommu_notifier_init(&io->n, iommu_notify, IOMMU_NOTIFIER_IOTLB_EVENTS,
			    section->offset_within_region, section->offset_within_region + last,
			    memory_region_iommu_attrs_to_index(mr, MEMTXATTRS_UNSPECIFIED));
	if (memory_region_register_iommu_notifier(section->mr, &io->n, &err)) {
		error_report_err(err);
		g->map_error = -EOPNOTSUPP;
		g_free(io);
		return;
	}
	QLIST_INSERT_HEAD(&g->iommus, io, next);
	memory_region_iommu_replay(mr, &io->n);
}

static void iommu_del(GangwayPCI *g, MemoryRegionSection *section)
{
	GangwayIOMMU *io;

	QLIST_FOREACH(io, &g->iommus, next) {
		if (MEMORY_REGION(io->mr) != section->mr ||
		    io->n.start != section->offset_within_region)
			continue;
		memory_region_unregister_iommu_notifier(section->mr, &io->n);
		QLIST_REMOVE(io, next);
		g_free(io);
		return;
	}
}

/* Whole pages of a section. Return: false there are none. */
static bool section_pages(MemoryRegionSection *section, hwaddr *first, hwaddr *last)
{
	hwaddr at = section->offset_within_address_space;
	Int128 end = int128_add(int128_make64(at), section->size);

	*first = ROUND_UP(at, GW_PAGE_SIZE);
	end = int128_and(end, int128_exts64(-(int64_t)GW_PAGE_SIZE));
	if (int128_ge(int128_make64(*first), end))
		return false;
	*last = int128_get64(int128_sub(end, int128_one()));
	return true;
}

static void region_add(MemoryListener *l, MemoryRegionSection *section)
{
	GangwayPCI *g = container_of(l, GangwayPCI, listener);
	hwaddr first, last;
	uint8_t *addr;

	if (memory_region_is_iommu(section->mr)) {
		iommu_add(g, section);
		return;
	}
	if (!is_memory(section->mr) || !section_pages(section, &first, &last))
		return;
	addr = (uint8_t *)memory_region_get_ram_ptr(section->mr) + section->offset_within_region +
	       (first - section->offset_within_address_space);
	/* memory that lies askew of its address is no memory that a device can be given */
	if ((uintptr_t)addr % GW_PAGE_SIZE == 0)
		dma_map(g, first, last - first + 1, addr, section->readonly);
}

static void region_del(MemoryListener *l, MemoryRegionSection *section)
{
	GangwayPCI *g = container_of(l, GangwayPCI, listener);
	hwaddr first, last;

	if (memory_region_is_iommu(section->mr))
		iommu_del(g, section);
	if (section_pages(section, &first, &last) &&
	    (memory_region_is_iommu(section->mr) || is_memory(section->mr)) &&
	    !dma_unmap(g, first, last) && is_memory(section->mr))
		memory_region_ref(section->mr);	/* for good: the device may still write there */
}

bool gangway_dma_init(GangwayPCI *g, Error **errp)
{
	int ret = ram_block_discard_disable(true);

	if (ret) {
		error_setg_errno(errp, -ret, "memory that the guest gives back would stay within the "
				 "device's reach");
		return false;
	}
	QLIST_INIT(&g->iommus);
	g->map_error = 0;
	g->as = pci_device_iommu_address_space(&g->pdev);
	g->listener = (MemoryListener){ .name = TYPE_GANGWAY_PCI, .region_add = region_add,
					.region_del = region_del };
	gangway_say_begin();
	memory_listener_register(&g->listener, g->as);
	/* pieces off the host's granule can be left out, all of memory cannot */
	ret = g->map_error == -EINVAL ? 0 : g->map_error;
	gangway_say_end(ret, "cannot have guest memory mapped", errp);
	if (ret)
		gangway_dma_fini(g);
	return !ret;
}

void gangway_dma_fini(GangwayPCI *g)
{
	GangwayIOMMU *io, *next;

	memory_listener_unregister(&g->listener);
	QLIST_FOREACH_SAFE(io, &g->iommus, next, next) {
		memory_region_unregister_iommu_notifier(MEMORY_REGION(io->mr), &io->n);
		QLIST_REMOVE(io, next);
		g_free(io);
	}
	ram_block_discard_disable(false);
}
