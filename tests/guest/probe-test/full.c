// SPDX-License-Identifier: GPL-2.0-only
/* As much memory as can be mapped at once, and then other memory in its place. */

#include <linux/mm.h>
#include <linux/sizes.h>

#include "engine.h"

#define BLOCKS		320
#define BLOCK_BYTES	SZ_64K

struct block {
	void *cpu;
	dma_addr_t dma;
};

static struct block first[BLOCKS], second[BLOCKS];

static int blocks_alloc(struct block *blocks)
{
	unsigned int i;

	for (i = 0; i < BLOCKS; i++) {
		blocks[i].cpu = (void *)__get_free_pages(GFP_KERNEL, get_order(BLOCK_BYTES));
		if (!blocks[i].cpu)
			return FAIL("no memory");
		fill(blocks[i].cpu, BLOCK_BYTES, i);
	}
	return 0;
}

static void blocks_free(struct block *blocks)
{
	unsigned int i;

	for (i = 0; i < BLOCKS; i++)
		free_pages((unsigned long)blocks[i].cpu, get_order(BLOCK_BYTES));
	memset(blocks, 0, BLOCKS * sizeof(*blocks));
}

/*
 * Map a block once more, so that what was found for its unmap is known at the last one. There is
 * no room for that if its bytes are copied elsewhere.
 */
static void block_again(const struct block *block)
{
	dma_addr_t dma = dma_map_single(probe.dev, block->cpu, BLOCK_BYTES, DMA_TO_DEVICE);

	if (!dma_mapping_error(probe.dev, dma))
		dma_unmap_single(probe.dev, dma, BLOCK_BYTES, DMA_TO_DEVICE);
}

/* Map all, or as many as there is room for; have the engine read some; unmap them. */
static int blocks_run(struct block *blocks, unsigned int *mapped)
{
	unsigned int i, n;
	int ret = 0;

	for (n = 0; n < BLOCKS; n++) {
		blocks[n].dma = dma_map_single(probe.dev, blocks[n].cpu, BLOCK_BYTES,
					       DMA_TO_DEVICE);
		if (dma_mapping_error(probe.dev, blocks[n].dma))
			break;
	}
	for (i = 0; i < n && !ret; i += 16)
		ret = check_sum(blocks[i].cpu, blocks[i].dma, BLOCK_BYTES);
	for (i = 0; i < n; i++) {
		block_again(&blocks[i]);
		dma_unmap_single(probe.dev, blocks[i].dma, BLOCK_BYTES, DMA_TO_DEVICE);
	}
	*mapped = n;
	return ret;
}

int test_full(void)
{
	unsigned int before = 0, after = 0;
	int ret = blocks_alloc(first);

	if (!ret)
		ret = blocks_alloc(second);
	if (!ret)
		ret = blocks_run(first, &before);
	if (!ret)
		ret = blocks_run(second, &after);
	pr_info("full: %u of %u blocks at once, then %u others\n", before, BLOCKS, after);
	/* how the second lie may be less lucky, but what the first took is free again */
	if (!ret && (!before || after < before / 8))
		ret = FAIL("%u blocks, and then %u others", before, after);
	blocks_free(first);
	blocks_free(second);
	return ret;
}
