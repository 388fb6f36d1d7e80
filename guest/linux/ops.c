// SPDX-License-Identifier: GPL-2.0-only
/* The DMA operations of a function that a companion serves. */

#include <linux/dma-direct.h>
#include <linux/memremap.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/swiotlb.h>

#include "gangway-dma.h"
#include "trace.h"

static struct gw_space *space_of(struct device *dev)
{
	/* the operations are const for everybody else */
	return (struct gw_space *)container_of(dev->dma_ops, struct gw_space, ops);
}

/* The device in whose name dma-direct prepares memory. */
static struct device *base_of(const struct gw_space *s)
{
	return &s->companion->pdev->dev;
}

static noinline bool too_far(struct device *dev, u64 limit, u64 iova)
{
	dev_warn_ratelimited(dev, "gangway: the host gave %#llx, and the device reaches %#llx\n",
			     iova, limit);
	return false;
}

static bool fits(struct device *dev, u64 mask, u64 iova, size_t size)
{
	u64 limit = min_not_zero(mask, dev->bus_dma_limit);

	return likely(iova + size - 1 <= limit) || too_far(dev, limit, iova);
}

/* Have dma-direct do what the CPU needs. Return the address of what the function shall see. */
static int base_map(struct gw_space *s, phys_addr_t phys, size_t size,
		    enum dma_data_direction dir, unsigned long attrs, phys_addr_t *out)
{
	unsigned int align;
	dma_addr_t base;

	*out = phys;
	if (s->plain)
		return 0;
	align = dma_get_min_align_mask(s->dev);
	/* what is bounced must keep the offset that the function's driver counts on */
	if (dma_get_min_align_mask(base_of(s)) != align)
		dma_set_min_align_mask(base_of(s), align);
	base = dma_map_page_attrs(base_of(s), pfn_to_page(PHYS_PFN(phys)), offset_in_page(phys),
				  size, dir, attrs);
	if (dma_mapping_error(base_of(s), base))
		return -EIO;
	*out = dma_to_phys(base_of(s), base);
	return 0;
}

static void base_unmap(struct gw_space *s, phys_addr_t phys, size_t size,
		       enum dma_data_direction dir, unsigned long attrs)
{
	if (!s->plain)
		dma_unmap_page_attrs(base_of(s), phys_to_dma(base_of(s), phys), size, dir, attrs);
}

static void unmap_range(struct gw_space *s, u64 iova, size_t size, enum dma_data_direction dir,
			unsigned long attrs)
{
	phys_addr_t phys;

	if (s->plain) {
		gw_space_unmap(s, iova, size);
		return;
	}
	if (!gw_space_phys(s, iova, &phys))
		return;
	gw_space_unmap(s, iova, size);
	base_unmap(s, phys, size, dir, attrs);
}

static dma_addr_t map_range(struct device *dev, phys_addr_t phys, size_t size,
			    enum dma_data_direction dir, unsigned long attrs)
{
	struct gw_space *s = space_of(dev);
	phys_addr_t prepared;
	u64 iova;

	if (s->plain)
		prepared = phys;
	else if (base_map(s, phys, size, dir, attrs, &prepared))
		return DMA_MAPPING_ERROR;
	if (gw_space_map(s, prepared, size, &iova)) {
		base_unmap(s, prepared, size, dir, attrs | DMA_ATTR_SKIP_CPU_SYNC);
		return DMA_MAPPING_ERROR;
	}
	if (!fits(dev, *dev->dma_mask, iova, size)) {
		unmap_range(s, iova, size, dir, attrs | DMA_ATTR_SKIP_CPU_SYNC);
		return DMA_MAPPING_ERROR;
	}
	return iova;
}

/* The host maps guest RAM; registers of another device are not that. */
static dma_addr_t refuse_mmio(struct device *dev, phys_addr_t phys, size_t size)
{
	dev_warn_ratelimited(dev, "gangway: cannot map %zu bytes at %pa: not RAM\n", size, &phys);
	return DMA_MAPPING_ERROR;
}

static noinline void op_unmap(struct device *dev, dma_addr_t iova, size_t size,
			      enum dma_data_direction dir, unsigned long attrs)
{
	unmap_range(space_of(dev), iova, size, dir, attrs);
}

#ifdef GW_HAVE_MAP_PHYS
static noinline dma_addr_t op_map_phys(struct device *dev, phys_addr_t phys, size_t size,
				       enum dma_data_direction dir, unsigned long attrs)
{
	if (attrs & DMA_ATTR_MMIO)
		return refuse_mmio(dev, phys, size);
	if (attrs & DMA_ATTR_CC_SHARED ||
	    (attrs & DMA_ATTR_REQUIRE_COHERENT && !space_of(dev)->plain))
		return DMA_MAPPING_ERROR;
	return map_range(dev, phys, size, dir, attrs);
}
#else
static noinline dma_addr_t op_map_page(struct device *dev, struct page *page, unsigned long offset,
				       size_t size, enum dma_data_direction dir, unsigned long attrs)
{
	return map_range(dev, page_to_phys(page) + offset, size, dir, attrs);
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
#endif

/*
 * Where all RAM is mapped, and memory needs no preparation, most maps are an addition, and unmaps
 * nothing. So there are operations that do that, and leave the rest to those above. They do not even
 * count: nothing in them then needs a stack frame, before they know that they have to call.
 */
#define FEW_EXTENTS	4	/* to look at each is less than to call what finds one of many */

static __always_inline const struct gw_extent *cover_extent(const struct gw_cover *cover,
							   phys_addr_t phys, size_t size)
{
	const struct gw_extent *e, *end;

	if (!cover || cover->nr > FEW_EXTENTS)
		return NULL;
	for (e = cover->extents, end = e + cover->nr; e < end; e++)
		if (phys >= e->start && phys <= e->last && size - 1 <= e->last - phys)
			return e;
	return NULL;
}

static __always_inline dma_addr_t map_covered(struct device *dev, phys_addr_t phys, size_t size)
{
	struct gw_space *s = space_of(dev);
	const struct gw_ring *ring = s->companion->rings.hdr;
	const struct gw_extent *e;
	u64 iova;

	if (trace_gangway_map_enabled() ||
	    !ring || le32_to_cpu(READ_ONCE(ring->generation)) != READ_ONCE(s->generation))
		return DMA_MAPPING_ERROR;
	e = cover_extent(smp_load_acquire(&s->cover), phys, size);
	if (!e)
		return DMA_MAPPING_ERROR;
	iova = e->iova + (phys - e->start);
	if (iova + size - 1 > min_not_zero(*dev->dma_mask, dev->bus_dma_limit))
		return DMA_MAPPING_ERROR;
	return iova;
}

static void op_unmap_covered(struct device *dev, dma_addr_t iova, size_t size,
			     enum dma_data_direction dir, unsigned long attrs)
{
	phys_addr_t phys;

	if (trace_gangway_unmap_enabled() ||
	    !gw_cover_phys(smp_load_acquire(&space_of(dev)->cover), iova, &phys))
		op_unmap(dev, iova, size, dir, attrs);
}

#ifdef GW_HAVE_MAP_PHYS
static dma_addr_t op_map_covered(struct device *dev, phys_addr_t phys, size_t size,
				 enum dma_data_direction dir, unsigned long attrs)
{
	dma_addr_t iova = DMA_MAPPING_ERROR;

	if (!(attrs & (DMA_ATTR_MMIO | DMA_ATTR_CC_SHARED)))
		iova = map_covered(dev, phys, size);
	if (iova == DMA_MAPPING_ERROR)
		return op_map_phys(dev, phys, size, dir, attrs);
	return iova;
}
#else
static dma_addr_t op_map_covered(struct device *dev, struct page *page, unsigned long offset,
				 size_t size, enum dma_data_direction dir, unsigned long attrs)
{
	dma_addr_t iova = map_covered(dev, page_to_phys(page) + offset, size);

	if (iova == DMA_MAPPING_ERROR)
		return op_map_page(dev, page, offset, size, dir, attrs);
	return iova;
}
#endif

static void op_unmap_sg(struct device *dev, struct scatterlist *sgl, int nents,
			enum dma_data_direction dir, unsigned long attrs)
{
	struct gw_space *s = space_of(dev);
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i)
		unmap_range(s, sg_dma_address(sg), sg_dma_len(sg), dir, attrs);
}

/* Prepare up to @n entries for the host. Return how many were; the error in @ret. */
static int sg_prepare(struct gw_space *s, struct scatterlist *sg, int n, struct gw_want *wants,
		      enum dma_data_direction dir, unsigned long attrs, int *ret)
{
	int i;

	*ret = 0;
	for (i = 0; i < n; i++, sg = sg_next(sg)) {
		if (is_pci_p2pdma_page(sg_page(sg))) {
			*ret = -EREMOTEIO;
			break;
		}
		wants[i] = (struct gw_want) {
			.len = sg->length, .boundary = dma_get_seg_boundary(s->dev),
		};
		*ret = base_map(s, sg_phys(sg), sg->length, dir, attrs, &wants[i].phys);
		if (*ret)
			break;
	}
	return i;
}

/* Map @n entries, all or none. */
static int sg_map_some(struct device *dev, struct scatterlist *sg, int n,
		       enum dma_data_direction dir, unsigned long attrs)
{
	unsigned long undo = attrs | DMA_ATTR_SKIP_CPU_SYNC;
	struct gw_want wants[GW_MAX_WANTS];
	struct gw_space *s = space_of(dev);
	int i, ret, prepared;

	prepared = sg_prepare(s, sg, n, wants, dir, attrs, &ret);
	if (!ret)
		ret = gw_space_map_many(s, wants, n);
	if (ret) {
		for (i = 0; i < prepared; i++)
			base_unmap(s, wants[i].phys, wants[i].len, dir, undo);
		return ret;
	}
	for (i = 0; i < n; i++)
		if (!fits(dev, *dev->dma_mask, wants[i].iova, wants[i].len))
			ret = -EINVAL;
	for (i = 0; i < n; i++, sg = sg_next(sg)) {
		if (ret) {
			unmap_range(s, wants[i].iova, wants[i].len, dir, undo);
		} else {
			sg_dma_address(sg) = wants[i].iova;
			sg_dma_len(sg) = wants[i].len;
		}
	}
	return ret;
}

static int op_map_sg(struct device *dev, struct scatterlist *sgl, int nents,
		     enum dma_data_direction dir, unsigned long attrs)
{
	struct scatterlist *sg = sgl;
	int done = 0, i, n, ret;

	while (done < nents) {
		n = min(nents - done, GW_MAX_WANTS);
		ret = sg_map_some(dev, sg, n, dir, attrs);
		if (ret) {
			op_unmap_sg(dev, sgl, done, dir, attrs | DMA_ATTR_SKIP_CPU_SYNC);
			return ret;
		}
		for (i = 0; i < n; i++)
			sg = sg_next(sg);
		done += n;
	}
	return nents;
}

static void op_sync_for_cpu(struct device *dev, dma_addr_t iova, size_t size,
			    enum dma_data_direction dir)
{
	struct gw_space *s = space_of(dev);
	phys_addr_t phys;

	if (gw_space_phys(s, iova, &phys))
		dma_sync_single_for_cpu(base_of(s), phys_to_dma(base_of(s), phys), size, dir);
}

static void op_sync_for_device(struct device *dev, dma_addr_t iova, size_t size,
			       enum dma_data_direction dir)
{
	struct gw_space *s = space_of(dev);
	phys_addr_t phys;

	if (gw_space_phys(s, iova, &phys))
		dma_sync_single_for_device(base_of(s), phys_to_dma(base_of(s), phys), size, dir);
}

static void op_sync_sg_for_cpu(struct device *dev, struct scatterlist *sgl, int nents,
			       enum dma_data_direction dir)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i)
		op_sync_for_cpu(dev, sg_dma_address(sg), sg->length, dir);
}

static void op_sync_sg_for_device(struct device *dev, struct scatterlist *sgl, int nents,
				  enum dma_data_direction dir)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i)
		op_sync_for_device(dev, sg_dma_address(sg), sg->length, dir);
}

static void *op_alloc(struct device *dev, size_t size, dma_addr_t *handle, gfp_t gfp,
		      unsigned long attrs)
{
	struct gw_coherent *p = &space_of(dev)->companion->coherent;
	void *cpu;
	u64 iova;

	cpu = gw_coherent_alloc(p, size, &iova, gfp, attrs);
	if (cpu && !fits(dev, dev->coherent_dma_mask, iova, size)) {
		gw_coherent_free(p, cpu, size);
		cpu = NULL;
	}
	if (cpu)
		*handle = iova;
	return cpu;
}

static void op_free(struct device *dev, size_t size, void *cpu, dma_addr_t iova,
		    unsigned long attrs)
{
	gw_coherent_free(&space_of(dev)->companion->coherent, cpu, size);
}

static int op_mmap(struct device *dev, struct vm_area_struct *vma, void *cpu, dma_addr_t iova,
		   size_t size, unsigned long attrs)
{
	return gw_coherent_mmap(&space_of(dev)->companion->coherent, vma, cpu, size);
}

static int op_get_sgtable(struct device *dev, struct sg_table *sgt, void *cpu, dma_addr_t iova,
			  size_t size, unsigned long attrs)
{
	return gw_coherent_sgtable(&space_of(dev)->companion->coherent, sgt, cpu, size);
}

/* Any pages will do. Those from dma-direct would be mapped twice for a kernel that checks that. */
static bool pages_are_plain(const struct gw_space *s, size_t size)
{
	return s->plain && get_order(size) <= MAX_PAGE_ORDER;
}

/* Where it matters, pages are allocated for the companion, so that they need no bouncing. */
static struct page *pages_alloc(struct gw_space *s, size_t size, enum dma_data_direction dir,
				gfp_t gfp)
{
	dma_addr_t base;
	void *cpu;

	if (!pages_are_plain(s, size))
		return dma_alloc_pages(base_of(s), size, &base, dir, gfp);
	cpu = alloc_pages_exact(size, gfp | __GFP_ZERO);
	return cpu ? virt_to_page(cpu) : NULL;
}

static void pages_free(struct gw_space *s, size_t size, struct page *page,
		       enum dma_data_direction dir)
{
	if (pages_are_plain(s, size))
		free_pages_exact(page_address(page), size);
	else
		dma_free_pages(base_of(s), size, page,
			       phys_to_dma(base_of(s), page_to_phys(page)), dir);
}

static struct page *op_alloc_pages(struct device *dev, size_t size, dma_addr_t *handle,
				   enum dma_data_direction dir, gfp_t gfp)
{
	struct gw_space *s = space_of(dev);
	struct page *page = pages_alloc(s, size, dir, gfp);
	u64 iova;

	if (!page)
		return NULL;
	if (gw_space_map(s, page_to_phys(page), size, &iova))
		goto free;
	if (fits(dev, dev->coherent_dma_mask, iova, size)) {
		*handle = iova;
		return page;
	}
	gw_space_unmap(s, iova, size);
free:
	pages_free(s, size, page, dir);
	return NULL;
}

static void op_free_pages(struct device *dev, size_t size, struct page *page, dma_addr_t iova,
			  enum dma_data_direction dir)
{
	struct gw_space *s = space_of(dev);

	gw_space_unmap(s, iova, size);
	pages_free(s, size, page, dir);
}

static u64 op_get_required_mask(struct device *dev)
{
	return DMA_BIT_MASK(space_of(dev)->companion->iova_bits);
}

static int op_dma_supported(struct device *dev, u64 mask)
{
	return mask >= op_get_required_mask(dev);
}

static size_t op_max_mapping_size(struct device *dev)
{
	struct gw_space *s = space_of(dev);
	size_t most = gw_space_max_mapping(s);

	return s->plain ? most : min(most, dma_max_mapping_size(base_of(s)));
}

/* Of all devices: larger ones never share a block. */
static size_t op_opt_mapping_size(void)
{
	return SZ_32M;
}

/* Pages that are apart stay so: where memory is mapped is up to the host. */
static unsigned long op_get_merge_boundary(struct device *dev)
{
	return 0;
}

static const struct dma_map_ops space_ops = {
	.alloc = op_alloc,
	.free = op_free,
	.alloc_pages_op = op_alloc_pages,
	.free_pages = op_free_pages,
	.mmap = op_mmap,
	.get_sgtable = op_get_sgtable,
#ifdef GW_HAVE_MAP_PHYS
	.map_phys = op_map_phys,
	.unmap_phys = op_unmap,
#else
	.map_page = op_map_page,
	.unmap_page = op_unmap,
	.map_resource = op_map_resource,
	.unmap_resource = op_unmap_resource,
#endif
	.map_sg = op_map_sg,
	.unmap_sg = op_unmap_sg,
	.dma_supported = op_dma_supported,
	.get_required_mask = op_get_required_mask,
	.max_mapping_size = op_max_mapping_size,
	.opt_mapping_size = op_opt_mapping_size,
	.get_merge_boundary = op_get_merge_boundary,
};

/**
 * gw_ops_init() - have the operations for a function
 * @s: its space, just opened
 *
 * Without operations to sync, the kernel does not come here to be told that there is nothing to
 * do; that is so where the CPU sees what devices do and nothing is bounced.
 */
void gw_ops_init(struct gw_space *s)
{
	struct device *base = base_of(s);

	s->plain = dev_is_dma_coherent(base) && !is_swiotlb_force_bounce(base);
	s->ops = space_ops;
	if (s->plain && s->cover) {
#ifdef GW_HAVE_MAP_PHYS
		s->ops.map_phys = op_map_covered;
		s->ops.unmap_phys = op_unmap_covered;
#else
		s->ops.map_page = op_map_covered;
		s->ops.unmap_page = op_unmap_covered;
#endif
	}
	if (s->plain)
		return;
	s->ops.sync_single_for_cpu = op_sync_for_cpu;
	s->ops.sync_single_for_device = op_sync_for_device;
	s->ops.sync_sg_for_cpu = op_sync_sg_for_cpu;
	s->ops.sync_sg_for_device = op_sync_sg_for_device;
}

static void *refuse_alloc(struct device *dev, size_t size, dma_addr_t *handle, gfp_t gfp,
			  unsigned long attrs)
{
	return NULL;
}

static void refuse_free(struct device *dev, size_t size, void *cpu, dma_addr_t iova,
			unsigned long attrs)
{
}

#ifdef GW_HAVE_MAP_PHYS
static dma_addr_t refuse_map(struct device *dev, phys_addr_t phys, size_t size,
			     enum dma_data_direction dir, unsigned long attrs)
#else
static dma_addr_t refuse_map(struct device *dev, struct page *page, unsigned long offset,
			     size_t size, enum dma_data_direction dir, unsigned long attrs)
#endif
{
	return DMA_MAPPING_ERROR;
}

static void refuse_unmap(struct device *dev, dma_addr_t iova, size_t size,
			 enum dma_data_direction dir, unsigned long attrs)
{
}

static int refuse_map_sg(struct device *dev, struct scatterlist *sgl, int nents,
			 enum dma_data_direction dir, unsigned long attrs)
{
	return -EIO;
}

static void refuse_unmap_sg(struct device *dev, struct scatterlist *sgl, int nents,
			    enum dma_data_direction dir, unsigned long attrs)
{
}

static int refuse_supported(struct device *dev, u64 mask)
{
	return 0;
}

/* Of a function that a companion should serve and none does: it gets no address at all. */
const struct dma_map_ops gw_refuse_ops = {
	.alloc = refuse_alloc,
	.free = refuse_free,
#ifdef GW_HAVE_MAP_PHYS
	.map_phys = refuse_map,
	.unmap_phys = refuse_unmap,
#else
	.map_page = refuse_map,
	.unmap_page = refuse_unmap,
#endif
	.map_sg = refuse_map_sg,
	.unmap_sg = refuse_unmap_sg,
	.dma_supported = refuse_supported,
};
