// SPDX-License-Identifier: GPL-2.0-only
/*
 * The DMA operations of a function in mode windows. They are for functions whose memory needs no
 * preparation by the CPU; pair.c sees to that.
 */

#include <linux/dma-map-ops.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "coherent.h"
#include "compat.h"
#include "ops.h"

static struct gw_space *space_of(struct device *dev)
{
	/* the operations are const for everybody else */
	return &((struct gw_windows *)container_of(dev->dma_ops, struct gw_windows, ops))->space;
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

/* Map @n entries, all or none; @how: GW_MAP_* */
static int sg_map_some(struct device *dev, struct scatterlist *sgl, int n, unsigned int how)
{
	struct gw_want wants[GW_MAX_WANTS];
	struct scatterlist *sg;
	int i, ret;

	for_each_sg(sgl, sg, n, i) {
		if (is_pci_p2pdma_page(sg_page(sg)))
			return -EREMOTEIO;
		wants[i] = (struct gw_want) {
			.phys = sg_phys(sg), .len = sg->length, .last = last_of(dev),
			.boundary = dma_get_seg_boundary(dev),
		};
	}
	ret = gw_space_map_many(space_of(dev), wants, n, how);
	if (ret)
		return ret;
	for_each_sg(sgl, sg, n, i) {
		sg_dma_address(sg) = wants[i].iova;
		sg_dma_len(sg) = wants[i].len;
	}
	return 0;
}

static int sg_map_all(struct device *dev, struct scatterlist *sgl, int nents,
		      enum dma_data_direction dir, unsigned long attrs, unsigned int how)
{
	struct scatterlist *sg = sgl;
	int done = 0, i, n, ret;

	while (done < nents) {
		n = min(nents - done, GW_MAX_WANTS);
		ret = sg_map_some(dev, sg, n, how);
		if (ret) {
			op_unmap_sg(dev, sgl, done, dir, attrs);
			return ret;
		}
		for (i = 0; i < n; i++)
			sg = sg_next(sg);
		done += n;
	}
	return nents;
}

/* What the first entries took may be more than they need, and be all that the last ones lack. */
static int op_map_sg(struct device *dev, struct scatterlist *sgl, int nents,
		     enum dma_data_direction dir, unsigned long attrs)
{
	unsigned int how = how_of(attrs);
	int ret;

	if (nents <= GW_MAX_WANTS)
		return sg_map_all(dev, sgl, nents, dir, attrs, how);
	ret = sg_map_all(dev, sgl, nents, dir, attrs, GW_MAP_QUIET);
	return ret == -ENOMEM ? sg_map_all(dev, sgl, nents, dir, attrs, how | GW_MAP_EXACT) : ret;
}

static void *op_alloc(struct device *dev, size_t size, dma_addr_t *handle, gfp_t gfp,
		      unsigned long attrs)
{
	u64 iova;
	void *cpu = gw_coherent_alloc(space_of(dev), size, &iova, gfp);

	if (cpu)
		*handle = iova;
	return cpu;
}

static void op_free(struct device *dev, size_t size, void *cpu, dma_addr_t iova,
		    unsigned long attrs)
{
	gw_coherent_free(space_of(dev), cpu, size, iova);
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

/* If the host places what is mapped where the mask wants it, some place there will do. */
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

/* Of all devices: larger ones never share a block. */
static size_t op_opt_mapping_size(void)
{
	return SZ_32M;
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
	.opt_mapping_size = op_opt_mapping_size,
};

/**
 * gw_windows_open() - give a function its operations; its driver is about to be bound
 * @w:      closed
 * @dev:    the function
 * @ram:    where RAM is; to stay until this is closed
 * @strict: nothing stays mapped that is not in use
 */
void gw_windows_open(struct gw_windows *w, struct device *dev, const struct gw_ram *ram, bool strict)
{
	gw_space_open(&w->space, dev, ram, strict);
	w->ops = windows_ops;
	set_dma_ops(dev, &w->ops);
}

/**
 * gw_windows_close() - its driver has gone
 * @w: open; the caller has had the host unmap everything
 */
void gw_windows_close(struct gw_windows *w)
{
	set_dma_ops(w->space.dev, NULL);
	gw_space_close(&w->space);
}
