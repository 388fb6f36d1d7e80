// SPDX-License-Identifier: GPL-2.0-only
/*
 * The DMA operations of a function in mode windows. They are for functions whose memory needs no
 * preparation by the CPU; pair.c sees to that.
 *
 * How it works. A table of operations that keep no state of their own. Each finds the function's
 * space by the place of the table that the device points to, and space.c maps the range. A list is
 * mapped entry by entry, all of it or nothing. Coherent memory is pages that stay mapped for as
 * long as they are allocated.
 */

#include <linux/dma-map-ops.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "companion.h"
#include "compat.h"
#include "ops.h"
#include "space.h"

#define MAX_ALIGNED	SZ_1M	/* coherent memory up to this is aligned to its size */

static struct gw_space *space_of(struct device *dev)
{
	/* the operations are const for everybody else */
	return (struct gw_space *)container_of(dev->dma_ops, struct gw_space, ops);
}

/* The last address that the device can put out. */
static u64 last_of(const struct device *dev)
{
	return min_not_zero(*dev->dma_mask, dev->bus_dma_limit);
}

static unsigned int how_of(unsigned long attrs)
{
	return attrs & DMA_ATTR_NO_WARN ? GW_MAP_QUIET : 0;
}

static dma_addr_t map_range(struct device *dev, phys_addr_t phys, size_t size, unsigned long attrs)
{
	struct gw_want want = { .phys = phys, .len = size, .last = last_of(dev) };

	return gw_space_map(space_of(dev), &want, how_of(attrs)) ? DMA_MAPPING_ERROR : want.iova;
}

/* The host maps guest RAM; registers of another device are not that. */
static dma_addr_t refuse_mmio(struct device *dev, phys_addr_t phys, size_t size)
{
	dev_warn_ratelimited(dev, "gangway: cannot map %zu bytes at %pa: not RAM\n", size, &phys);
	return DMA_MAPPING_ERROR;
}

static void op_unmap(struct device *dev, dma_addr_t iova, size_t size,
		     enum dma_data_direction dir, unsigned long attrs)
{
	gw_space_unmap(space_of(dev), iova, size);
}

#ifdef GW_HAVE_MAP_PHYS
static dma_addr_t op_map_phys(struct device *dev, phys_addr_t phys, size_t size,
			      enum dma_data_direction dir, unsigned long attrs)
{
	if (attrs & DMA_ATTR_MMIO)
		return refuse_mmio(dev, phys, size);
	return map_range(dev, phys, size, attrs);
}

#define MAP_OPS		.map_phys = op_map_phys, .unmap_phys = op_unmap
#else
static dma_addr_t op_map_page(struct device *dev, struct page *page, unsigned long offset,
			      size_t size, enum dma_data_direction dir, unsigned long attrs)
{
	return map_range(dev, page_to_phys(page) + offset, size, attrs);
}

static dma_addr_t op_map_resource(struct device *dev, phys_addr_t phys, size_t size,
				  enum dma_data_direction dir, unsigned long attrs)
{
	return refuse_mmio(dev, phys, size);
}

static void op_unmap_resource(struct device *dev, dma_addr_t iova, size_t size,
			      enum dma_data_direction dir, unsigned long attrs)
{
}

#define MAP_OPS		.map_page = op_map_page, .unmap_page = op_unmap, \
			.map_resource = op_map_resource, .unmap_resource = op_unmap_resource
#endif

static void op_unmap_sg(struct device *dev, struct scatterlist *sgl, int nents,
			enum dma_data_direction dir, unsigned long attrs)
{
	struct gw_space *s = space_of(dev);
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i)
		gw_space_unmap(s, sg_dma_address(sg), sg_dma_len(sg));
}

static int sg_map(struct device *dev, struct scatterlist *sgl, int nents,
		  enum dma_data_direction dir, unsigned long attrs, unsigned int how)
{
	struct scatterlist *sg;
	int i, ret;

	for_each_sg(sgl, sg, nents, i) {
		struct gw_want want = {
			.phys = sg_phys(sg), .len = sg->length, .last = last_of(dev),
			.boundary = dma_get_seg_boundary(dev),
		};

		ret = is_pci_p2pdma_page(sg_page(sg)) ? -EREMOTEIO :
							gw_space_map(space_of(dev), &want, how);
		if (ret) {
			op_unmap_sg(dev, sgl, i, dir, attrs);
			return ret;
		}
		sg_dma_address(sg) = want.iova;
		sg_dma_len(sg) = want.len;
	}
	return nents;
}

/* What the first entries took may be more than they need, and be all that the last ones lack. */
static int op_map_sg(struct device *dev, struct scatterlist *sgl, int nents,
		     enum dma_data_direction dir, unsigned long attrs)
{
	unsigned int how = how_of(attrs);
	int ret = sg_map(dev, sgl, nents, dir, attrs, nents > 1 ? GW_MAP_QUIET : how);

	if (ret != -ENOMEM || nents == 1)
		return ret;
	return sg_map(dev, sgl, nents, dir, attrs, how | GW_MAP_EXACT);
}

static size_t coherent_align(size_t size)
{
	return PAGE_SIZE << get_order(size);
}

/* All that is allocated for the sake of @size. */
static size_t coherent_total(const struct gw_space *s, size_t size)
{
	size_t align = coherent_align(size), granule = gw_granule(s->companion);
	size_t spare = align > granule && size <= MAX_ALIGNED ? align - granule : 0;

	return PAGE_ALIGN(size) + spare;
}

/*
 * Drivers expect addresses that are multiples of the size, but the host promises multiples of its
 * granule only. So more is allocated than is asked for, and the function gets what is aligned of
 * it. How far in that begins stands in the description of its first page, which is ours.
 */
static void *op_alloc(struct device *dev, size_t size, dma_addr_t *handle, gfp_t gfp,
		      unsigned long attrs)
{
	struct gw_space *s = space_of(dev);
	size_t total = coherent_total(s, size), lead = 0;
	struct gw_want want = {
		.len = total, .last = min_not_zero(dev->coherent_dma_mask, dev->bus_dma_limit),
	};
	void *cpu;

	if (!size || get_order(total) > MAX_PAGE_ORDER)
		return NULL;
	cpu = alloc_pages_exact(total, gfp | __GFP_ZERO);
	if (!cpu)
		return NULL;
	want.phys = virt_to_phys(cpu);
	if (gw_space_map(s, &want, gfp & __GFP_NOWARN ? GW_MAP_QUIET : 0)) {
		free_pages_exact(cpu, total);
		return NULL;
	}
	if (total > PAGE_ALIGN(size))
		lead = ALIGN(want.iova, coherent_align(size)) - want.iova;
	set_page_private(virt_to_page(cpu + lead), lead);
	*handle = want.iova + lead;
	return cpu + lead;
}

static void op_free(struct device *dev, size_t size, void *cpu, dma_addr_t iova,
		    unsigned long attrs)
{
	struct gw_space *s = space_of(dev);
	size_t total = coherent_total(s, size), lead = page_private(virt_to_page(cpu));

	if (WARN_ON_ONCE(lead > total - PAGE_ALIGN(size)))
		return;
	set_page_private(virt_to_page(cpu), 0);
	gw_space_unmap(s, iova - lead, total);
	free_pages_exact(cpu - lead, total);
}

static struct page *op_alloc_pages(struct device *dev, size_t size, dma_addr_t *handle,
				   enum dma_data_direction dir, gfp_t gfp)
{
	void *cpu = op_alloc(dev, size, handle, gfp, 0);

	return cpu ? virt_to_page(cpu) : NULL;
}

static void op_free_pages(struct device *dev, size_t size, struct page *page, dma_addr_t iova,
			  enum dma_data_direction dir)
{
	op_free(dev, size, page_address(page), iova, 0);
}

static int op_mmap(struct device *dev, struct vm_area_struct *vma, void *cpu, dma_addr_t iova,
		   size_t size, unsigned long attrs)
{
	unsigned long pages = PAGE_ALIGN(size) >> PAGE_SHIFT, count = vma_pages(vma);

	if (vma->vm_pgoff >= pages || count > pages - vma->vm_pgoff)
		return -ENXIO;
	return remap_pfn_range(vma, vma->vm_start, PHYS_PFN(virt_to_phys(cpu)) + vma->vm_pgoff,
			       count << PAGE_SHIFT, vma->vm_page_prot);
}

static int op_get_sgtable(struct device *dev, struct sg_table *sgt, void *cpu, dma_addr_t iova,
			  size_t size, unsigned long attrs)
{
	int ret = sg_alloc_table(sgt, 1, GFP_KERNEL);

	if (!ret)
		sg_set_page(sgt->sgl, virt_to_page(cpu), PAGE_ALIGN(size), 0);
	return ret;
}

static u64 op_get_required_mask(struct device *dev)
{
	return DMA_BIT_MASK(space_of(dev)->companion->iova_bits);
}

/* Where the host keeps to the mask, it is enough that a granule lies below that. */
static int op_dma_supported(struct device *dev, u64 mask)
{
	const struct gw_companion *c = space_of(dev)->companion;

	return mask >= op_get_required_mask(dev) ||
	       (gw_companion_places(c) && mask >= c->iova_first + gw_granule(c) - 1);
}

static size_t op_max_mapping_size(struct device *dev)
{
	return gw_space_max_mapping(space_of(dev));
}

static const struct dma_map_ops windows_ops = {
	.alloc = op_alloc,
	.free = op_free,
	.alloc_pages_op = op_alloc_pages,
	.free_pages = op_free_pages,
	.mmap = op_mmap,
	.get_sgtable = op_get_sgtable,
	MAP_OPS,
	.map_sg = op_map_sg,
	.unmap_sg = op_unmap_sg,
	.dma_supported = op_dma_supported,
	.get_required_mask = op_get_required_mask,
	.max_mapping_size = op_max_mapping_size,
};

/* gw_ops_set() - give a function, whose driver is about to be bound, its operations */
void gw_ops_set(struct gw_space *s)
{
	s->ops = windows_ops;
	set_dma_ops(s->dev, &s->ops);
}

/* gw_ops_unset() - and take them back */
void gw_ops_unset(struct gw_space *s)
{
	set_dma_ops(s->dev, NULL);
}
