// SPDX-License-Identifier: GPL-2.0-only
/* Lists whose entries cross no boundary in memory: for the device they must not either. */

#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "engine.h"

#define BOUNDARY	SZ_256K
#define BLOCKS		48
#define BLOCK_BYTES	SZ_32K

/* What the device sees at @start is block after block, from @cpu on; leave the next in @cpu. */
static int blocks_check(struct scatterlist **cpu, u64 start, size_t bytes)
{
	size_t at;
	int ret = 0;

	for (at = 0; at < bytes && !ret; at += BLOCK_BYTES, *cpu = sg_next(*cpu))
		ret = check_sum(sg_virt(*cpu), start + at, BLOCK_BYTES);
	return ret;
}

/* An IOMMU may put blocks together, in their order. */
static int blocks_run(struct sg_table *sgt)
{
	struct scatterlist *sg, *cpu = sgt->sgl;
	int i, ret;

	ret = dma_map_sgtable(probe.dev, sgt, DMA_TO_DEVICE, 0);
	if (ret)
		return FAIL("cannot map: %d", ret);
	for_each_sgtable_dma_sg(sgt, sg, i) {
		u64 start = sg_dma_address(sg), last = start + sg_dma_len(sg) - 1;

		if (!ret && start / BOUNDARY != last / BOUNDARY)
			ret = FAIL("%#llx-%#llx crosses a boundary", start, last);
		if (!ret)
			ret = blocks_check(&cpu, start, sg_dma_len(sg));
	}
	dma_unmap_sgtable(probe.dev, sgt, DMA_TO_DEVICE, 0);
	return ret;
}

static int blocks_make(struct sg_table *sgt)
{
	struct scatterlist *sg;
	int i;

	for_each_sgtable_sg(sgt, sg, i) {
		void *block = (void *)__get_free_pages(GFP_KERNEL, get_order(BLOCK_BYTES));

		if (!block)
			return FAIL("no memory");
		fill(block, BLOCK_BYTES, i);
		sg_set_buf(sg, block, BLOCK_BYTES);
	}
	return 0;
}

int test_boundary(void)
{
	unsigned long before = dma_get_seg_boundary(probe.dev);
	struct scatterlist *sg;
	struct sg_table sgt;
	int i, ret;

	if (sg_alloc_table(&sgt, BLOCKS, GFP_KERNEL))
		return FAIL("no memory");
	ret = blocks_make(&sgt);
	if (!ret) {
		dma_set_seg_boundary(probe.dev, BOUNDARY - 1);
		ret = blocks_run(&sgt);
		dma_set_seg_boundary(probe.dev, before);
	}
	for_each_sgtable_sg(&sgt, sg, i)
		if (sg_page(sg))
			free_pages((unsigned long)sg_virt(sg), get_order(BLOCK_BYTES));
	sg_free_table(&sgt);
	return ret;
}
