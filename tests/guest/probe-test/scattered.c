// SPDX-License-Identifier: GPL-2.0-only
/* Few pages in many places, held for long: more places than there is room for what is around them. */

#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "engine.h"

#define PLACES		200
#define PLACE_BYTES	SZ_256K

static void *place[PLACES];

static int places_alloc(void)
{
	unsigned int i;

	for (i = 0; i < PLACES; i++) {
		place[i] = (void *)__get_free_pages(GFP_KERNEL, get_order(PLACE_BYTES));
		if (!place[i])
			return FAIL("no memory");
		fill(place[i], PAGE_SIZE, i);
	}
	return 0;
}

static void places_free(void)
{
	unsigned int i;

	for (i = 0; i < PLACES; i++) {
		free_pages((unsigned long)place[i], get_order(PLACE_BYTES));
		place[i] = NULL;
	}
}

int test_scattered(void)
{
	static dma_addr_t dma[PLACES];
	int n = 0, i, ret = places_alloc();

	for (; n < PLACES && !ret; n++) {
		dma[n] = dma_map_single(probe.dev, place[n], PAGE_SIZE, DMA_TO_DEVICE);
		if (dma_mapping_error(probe.dev, dma[n])) {
			ret = FAIL("%d of %d pages are mapped", n, PLACES);
			break;
		}
	}
	for (i = 0; i < n; i++) {
		if (!ret && i % 10 == 0)
			ret = check_sum(place[i], dma[i], PAGE_SIZE);
		dma_unmap_single(probe.dev, dma[i], PAGE_SIZE, DMA_TO_DEVICE);
	}
	places_free();
	return ret;
}

int test_scattered_list(void)
{
	int i, at = 0, ret = places_alloc();
	struct scatterlist *sg;
	struct sg_table sgt;

	if (ret || sg_alloc_table(&sgt, PLACES, GFP_KERNEL)) {
		places_free();
		return ret ? ret : FAIL("no memory");
	}
	for_each_sgtable_sg(&sgt, sg, i)
		sg_set_buf(sg, place[i], PAGE_SIZE);
	ret = dma_map_sgtable(probe.dev, &sgt, DMA_TO_DEVICE, 0);
	if (ret) {
		ret = FAIL("a list of %d pages: %d", PLACES, ret);
	} else {
		/* an IOMMU may put pages together */
		for_each_sgtable_dma_sg(&sgt, sg, i)
			for (u64 in = 0; in < sg_dma_len(sg) && !ret; in += PAGE_SIZE)
				ret = check_sum(place[at++], sg_dma_address(sg) + in, PAGE_SIZE);
		dma_unmap_sgtable(probe.dev, &sgt, DMA_TO_DEVICE, 0);
	}
	sg_free_table(&sgt);
	places_free();
	return ret;
}
