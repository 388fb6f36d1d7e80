// SPDX-License-Identifier: GPL-2.0-only
/*
 * The DMA operations of a function in mode windows.
 *
 * How it works. Preparing memory for the CPU's sake, that is cache maintenance and the bouncing that
 * the kernel was told to do, is left to dma-direct: the companion is a device on the same bus, so
 * memory is mapped in its name, and what comes out is what the host is asked to map.
 */

#include <linux/dma-direct.h>
#include <linux/memremap.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/swiotlb.h>

#include "compat.h"
#include "ops.h"
#include "trace.h"

static struct gw_windows *windows_of(struct device *dev)
{
	/* the operations are const for everybody else */
	return (struct gw_windows *)container_of(dev->dma_ops, struct gw_windows, ops);
}

/* The device in whose name dma-direct prepares memory. */
static struct device *base_of(const struct gw_windows *w)
{
	return &w->space.companion->pdev->dev;
}

/* The last address that a device with this mask can put out. */
static u64 last_of(const struct device *dev, u64 mask)
{
	return min_not_zero(mask, dev->bus_dma_limit);
}

static unsigned int how_of(unsigned long attrs)
{
	return attrs & DMA_ATTR_NO_WARN ? GW_MAP_QUIET : 0;
}

/* Have dma-direct do what the CPU needs. Return the address of what the function shall see. */
static int base_map(struct gw_windows *w, phys_addr_t phys, size_t size,
		    enum dma_data_direction dir, unsigned long attrs, phys_addr_t *out)
{
	unsigned int align;
	dma_addr_t base;

	*out = phys;
	if (w->plain)
		return 0;
	align = dma_get_min_align_mask(w->space.dev);
	/* what is bounced must keep the offset that the function's driver counts on */
	if (dma_get_min_align_mask(base_of(w)) != align)
		dma_set_min_align_mask(base_of(w), align);
	base = dma_map_page_attrs(base_of(w), pfn_to_page(PHYS_PFN(phys)), offset_in_page(phys),
				  size, dir, attrs);
	if (dma_mapping_error(base_of(w), base))
		return -EIO;
	*out = dma_to_phys(base_of(w), base);
	return 0;
}

static void base_unmap(struct gw_windows *w, phys_addr_t phys, size_t size,
		       enum dma_data_direction dir, unsigned long attrs)
{
	if (!w->plain)
		dma_unmap_page_attrs(base_of(w), phys_to_dma(base_of(w), phys), size, dir, attrs);
}

static void unmap_range(struct gw_windows *w, u64 iova, size_t size, enum dma_data_direction dir,
			unsigned long attrs)
{
	phys_addr_t phys;

	if (w->plain) {
		gw_space_unmap(&w->space, iova, size);
		return;
	}
	if (!gw_space_phys(&w->space, iova, &phys))
		return;
	gw_space_unmap(&w->space, iova, size);
	base_unmap(w, phys, size, dir, attrs);
}

static dma_addr_t map_range(struct device *dev, phys_addr_t phys, size_t size,
			    enum dma_data_direction dir, unsigned long attrs)
{
	struct gw_want want = { .phys = phys, .len = size, .last = last_of(dev, *dev->dma_mask) };
	struct gw_windows *w = windows_of(dev);

	if (!w->plain && base_map(w, phys, size, dir, attrs, &want.phys))
		return DMA_MAPPING_ERROR;
	if (!gw_space_map(&w->space, &want, how_of(attrs)))
		return want.iova;
	base_unmap(w, want.phys, size, dir, attrs | DMA_ATTR_SKIP_CPU_SYNC);
	return DMA_MAPPING_ERROR;
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
	unmap_range(windows_of(dev), iova, size, dir, attrs);
}

#ifdef GW_HAVE_MAP_PHYS
static dma_addr_t op_map_phys(struct device *dev, phys_addr_t phys, size_t size,
			      enum dma_data_direction dir, unsigned long attrs)
{
	if (attrs & DMA_ATTR_MMIO)
		return refuse_mmio(dev, phys, size);
	if (attrs & DMA_ATTR_REQUIRE_COHERENT && !windows_of(dev)->plain)
		return DMA_MAPPING_ERROR;
	return map_range(dev, phys, size, dir, attrs);
}

#define MAP_OPS		.map_phys = op_map_phys, .unmap_phys = op_unmap
#else
static dma_addr_t op_map_page(struct device *dev, struct page *page, unsigned long offset,
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

#define MAP_OPS		.map_page = op_map_page, .unmap_page = op_unmap, \
			.map_resource = op_map_resource, .unmap_resource = op_unmap_resource
#endif

static void op_unmap_sg(struct device *dev, struct scatterlist *sgl, int nents,
			enum dma_data_direction dir, unsigned long attrs)
{
	struct gw_windows *w = windows_of(dev);
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i)
		unmap_range(w, sg_dma_address(sg), sg_dma_len(sg), dir, attrs);
}

/* Prepare up to @n entries for the host. Return how many were; the error in @ret. */
static int sg_prepare(struct gw_windows *w, struct scatterlist *sg, int n, struct gw_want *wants,
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
			.len = sg->length, .boundary = dma_get_seg_boundary(w->space.dev),
			.last = last_of(w->space.dev, *w->space.dev->dma_mask),
		};
		*ret = base_map(w, sg_phys(sg), sg->length, dir, attrs, &wants[i].phys);
		if (*ret)
			break;
	}
	return i;
}

/* Map @n entries, all or none; @how: GW_MAP_* */
static int sg_map_some(struct gw_windows *w, struct scatterlist *sg, int n,
		       enum dma_data_direction dir, unsigned long attrs, unsigned int how)
{
	struct gw_want wants[GW_MAX_WANTS];
	int i, ret, prepared;

	prepared = sg_prepare(w, sg, n, wants, dir, attrs, &ret);
	if (!ret)
		ret = gw_space_map_many(&w->space, wants, n, how);
	if (ret) {
		for (i = 0; i < prepared; i++)
			base_unmap(w, wants[i].phys, wants[i].len, dir,
				   attrs | DMA_ATTR_SKIP_CPU_SYNC);
		return ret;
	}
	for (i = 0; i < n; i++, sg = sg_next(sg)) {
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
		ret = sg_map_some(windows_of(dev), sg, n, dir, attrs, how);
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

static void op_sync_for_cpu(struct device *dev, dma_addr_t iova, size_t size,
			    enum dma_data_direction dir)
{
	struct gw_windows *w = windows_of(dev);
	phys_addr_t phys;

	if (gw_space_phys(&w->space, iova, &phys))
		dma_sync_single_for_cpu(base_of(w), phys_to_dma(base_of(w), phys), size, dir);
}

static void op_sync_for_device(struct device *dev, dma_addr_t iova, size_t size,
			       enum dma_data_direction dir)
{
	struct gw_windows *w = windows_of(dev);
	phys_addr_t phys;

	if (gw_space_phys(&w->space, iova, &phys))
		dma_sync_single_for_device(base_of(w), phys_to_dma(base_of(w), phys), size, dir);
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
	u64 iova;
	void *cpu = gw_coherent_alloc(&windows_of(dev)->coherent, size, &iova, gfp, attrs);

	if (cpu)
		*handle = iova;
	return cpu;
}

static void op_free(struct device *dev, size_t size, void *cpu, dma_addr_t iova,
		    unsigned long attrs)
{
	gw_coherent_free(&windows_of(dev)->coherent, cpu, size);
}

static int op_mmap(struct device *dev, struct vm_area_struct *vma, void *cpu, dma_addr_t iova,
		   size_t size, unsigned long attrs)
{
	return gw_coherent_mmap(&windows_of(dev)->coherent, vma, cpu, size);
}

static int op_get_sgtable(struct device *dev, struct sg_table *sgt, void *cpu, dma_addr_t iova,
			  size_t size, unsigned long attrs)
{
	return gw_coherent_sgtable(&windows_of(dev)->coherent, sgt, cpu, size);
}

/* Any pages will do. Those from dma-direct would be mapped twice for a kernel that checks that. */
static bool pages_are_plain(const struct gw_windows *w, size_t size)
{
	return w->plain && get_order(size) <= MAX_PAGE_ORDER;
}

/* Where it matters, pages are allocated for the companion, so that they need no bouncing. */
static struct page *pages_alloc(struct gw_windows *w, size_t size, enum dma_data_direction dir,
				gfp_t gfp)
{
	dma_addr_t base;
	void *cpu;

	if (!pages_are_plain(w, size))
		return dma_alloc_pages(base_of(w), size, &base, dir, gfp);
	cpu = alloc_pages_exact(size, gfp | __GFP_ZERO);
	return cpu ? virt_to_page(cpu) : NULL;
}

static void pages_free(struct gw_windows *w, size_t size, struct page *page,
		       enum dma_data_direction dir)
{
	if (pages_are_plain(w, size))
		free_pages_exact(page_address(page), size);
	else
		dma_free_pages(base_of(w), size, page,
			       phys_to_dma(base_of(w), page_to_phys(page)), dir);
}

static struct page *op_alloc_pages(struct device *dev, size_t size, dma_addr_t *handle,
				   enum dma_data_direction dir, gfp_t gfp)
{
	struct gw_windows *w = windows_of(dev);
	struct page *page = pages_alloc(w, size, dir, gfp);
	struct gw_want want = { .len = size, .last = last_of(dev, dev->coherent_dma_mask) };

	if (!page)
		return NULL;
	want.phys = page_to_phys(page);
	if (!gw_space_map(&w->space, &want, gfp & __GFP_NOWARN ? GW_MAP_QUIET : 0)) {
		*handle = want.iova;
		return page;
	}
	pages_free(w, size, page, dir);
	return NULL;
}

static void op_free_pages(struct device *dev, size_t size, struct page *page, dma_addr_t iova,
			  enum dma_data_direction dir)
{
	struct gw_windows *w = windows_of(dev);

	gw_space_unmap(&w->space, iova, size);
	pages_free(w, size, page, dir);
}

static u64 op_get_required_mask(struct device *dev)
{
	return DMA_BIT_MASK(windows_of(dev)->space.companion->iova_bits);
}

/* If the host places what is mapped where the mask wants it, some place there will do. */
static int op_dma_supported(struct device *dev, u64 mask)
{
	const struct gw_companion *c = windows_of(dev)->space.companion;

	return mask >= op_get_required_mask(dev) ||
	       (gw_companion_places(c) && mask >= c->iova_first + gw_granule(c) - 1);
}

static size_t op_max_mapping_size(struct device *dev)
{
	struct gw_windows *w = windows_of(dev);
	size_t most = gw_space_max_mapping(&w->space);

	return w->plain ? most : min(most, dma_max_mapping_size(base_of(w)));
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

/* gw_windows_init() - before anything else */
void gw_windows_init(struct gw_windows *w, struct gw_companion *c)
{
	gw_space_init(&w->space, c);
	gw_coherent_init(&w->coherent, &w->space);
}

/**
 * gw_windows_open() - give a function its operations; its driver is about to be bound
 * @w:      closed
 * @dev:    the function
 * @ram:    where RAM is; to stay until this is closed
 * @strict: nothing stays mapped that is not in use
 *
 * Without operations to sync, the kernel does not come here to be told that there is nothing to
 * do; that is so where the CPU sees what devices do and nothing is bounced.
 */
void gw_windows_open(struct gw_windows *w, struct device *dev, const struct gw_ram *ram, bool strict)
{
	struct device *base = base_of(w);

	gw_space_open(&w->space, dev, ram, strict);
	w->plain = dev_is_dma_coherent(base) && !is_swiotlb_force_bounce(base);
	gw_coherent_open(&w->coherent, w->plain);
	w->ops = windows_ops;
	if (!w->plain) {
		w->ops.sync_single_for_cpu = op_sync_for_cpu;
		w->ops.sync_single_for_device = op_sync_for_device;
		w->ops.sync_sg_for_cpu = op_sync_sg_for_cpu;
		w->ops.sync_sg_for_device = op_sync_sg_for_device;
	}
	set_dma_ops(dev, &w->ops);
}

/**
 * gw_windows_close() - its driver has gone
 * @w:       open; the caller has had the host unmap everything
 * @reached: it has not: the function may still reach what was mapped
 */
void gw_windows_close(struct gw_windows *w, bool reached)
{
	set_dma_ops(w->space.dev, NULL);
	gw_coherent_close(&w->coherent, reached);
	gw_space_close(&w->space);
}
