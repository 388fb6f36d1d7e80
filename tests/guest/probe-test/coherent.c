// SPDX-License-Identifier: GPL-2.0-only
/* Memory that is allocated for DMA. */

#include <linux/dmapool.h>
#include <linux/slab.h>

#include "engine.h"

static int coherent_of(size_t size, gfp_t gfp, unsigned long attrs)
{
	dma_addr_t dma;
	u8 *cpu = dma_alloc_attrs(probe.dev, size, &dma, gfp, attrs);
	size_t i;
	int ret;

	if (!cpu)
		return FAIL("no %zu bytes", size);
	for (i = 0; i < size && !cpu[i]; i++)
		;
	ret = i < size ? FAIL("not zeroed") : check_memory(cpu, dma, size, size);
	if (!ret && size <= (ranges ? SZ_64K : SZ_1M) &&
	    !IS_ALIGNED(dma, PAGE_SIZE << get_order(size)))
		ret = FAIL("%zu bytes at %#llx: not aligned", size, (u64)dma);
	dma_free_attrs(probe.dev, size, cpu, dma, attrs);
	return ret;
}

int test_coherent(void)
{
	static const size_t sizes[] = { 64, 4096, 4100, 65536, BIG, SZ_1M, 3 * SZ_1M };
	unsigned int i;
	int ret = 0;

	for (i = 0; i < ARRAY_SIZE(sizes) && !ret; i++)
		ret = coherent_of(sizes[i], GFP_KERNEL, 0);
	return ret ? ret : coherent_of(65536, GFP_KERNEL, DMA_ATTR_WRITE_COMBINE);
}

int test_coherent_atomic(void)
{
	static DEFINE_SPINLOCK(lock);
	void *cpu[8] = { NULL };
	dma_addr_t dma[8];
	unsigned long flags;
	int i, ret = 0;

	spin_lock_irqsave(&lock, flags);
	for (i = 0; i < 8; i++)
		cpu[i] = dma_alloc_coherent(probe.dev, 16384, &dma[i], GFP_ATOMIC);
	spin_unlock_irqrestore(&lock, flags);
	for (i = 0; i < 8; i++) {
		if (!cpu[i]) {
			ret = FAIL("no memory");
			continue;
		}
		ret = ret ? ret : check_memory(cpu[i], dma[i], 16384, i);
		dma_free_coherent(probe.dev, 16384, cpu[i], dma[i]);
	}
	return ret;
}

int test_pool(void)
{
	struct dma_pool *pool = dma_pool_create("probe", probe.dev, 256, 256, 0);
	dma_addr_t dma[64];
	void *cpu[64];
	int i, n, ret = 0;

	if (!pool)
		return FAIL("no pool");
	for (n = 0; n < 64; n++) {
		cpu[n] = dma_pool_zalloc(pool, GFP_KERNEL, &dma[n]);
		if (!cpu[n])
			break;
	}
	if (n < 64)
		ret = FAIL("block %d is missing", n);
	for (i = 0; i < n && !ret; i++)
		ret = check_memory(cpu[i], dma[i], 256, i);
	for (i = 0; i < n; i++)
		dma_pool_free(pool, cpu[i], dma[i]);
	dma_pool_destroy(pool);
	return ret;
}

#define SECRETS		8
#define SECRET_BYTES	SZ_256K

static void secret_free(void **cookie, dma_addr_t *dma)
{
	dma_free_attrs(probe.dev, SECRET_BYTES, *cookie, *dma, DMA_ATTR_NO_KERNEL_MAPPING);
	*cookie = NULL;
}

/* Memory without an address of the CPU: the cookies are not to be taken for ranges of addresses. */
int test_no_mapping(void)
{
	void *cookie[SECRETS + 4] = { NULL };
	dma_addr_t dma[SECRETS + 4];
	int i, ret = 0;

	for (i = 0; i < SECRETS + 4 && !ret; i++) {
		if (i >= SECRETS && i % 2)	/* another is freed, whose place it may take */
			secret_free(&cookie[i - SECRETS], &dma[i - SECRETS]);
		cookie[i] = dma_alloc_attrs(probe.dev, SECRET_BYTES, &dma[i], GFP_KERNEL,
					    DMA_ATTR_NO_KERNEL_MAPPING);
		if (!cookie[i])
			ret = FAIL("no memory for %d", i);
	}
	/* in mixed order, and what is still there is not given to others */
	for (i = 0; i < SECRETS && !ret; i += 2) {
		void *again;
		dma_addr_t at;

		if (!cookie[i])
			continue;
		secret_free(&cookie[i], &dma[i]);
		again = dma_alloc_attrs(probe.dev, SECRET_BYTES, &at, GFP_KERNEL,
					DMA_ATTR_NO_KERNEL_MAPPING);
		for (int j = 0; j < SECRETS + 4 && again; j++)
			if (cookie[j] && dma[j] == at)
				ret = FAIL("%d and %d have the same address", i, j);
		cookie[i] = again;
		dma[i] = at;
	}
	for (i = 0; i < SECRETS + 4; i++)
		if (cookie[i])
			secret_free(&cookie[i], &dma[i]);
	return ret;
}

/* Where there is hardly room, memory is aligned as drivers expect, or is not to be had. */
int test_tight(void)
{
	void *cpu[4];
	dma_addr_t dma[4];
	int i, ret = 0;

	for (i = 0; i < 4; i++) {
		cpu[i] = dma_alloc_coherent(probe.dev, SZ_64K, &dma[i], GFP_KERNEL | __GFP_NOWARN);
		if (cpu[i] && !IS_ALIGNED(dma[i], SZ_64K))
			ret = FAIL("%d is at %#llx", i, (u64)dma[i]);
	}
	for (i = 0; i < 4; i++)
		if (cpu[i])
			dma_free_coherent(probe.dev, SZ_64K, cpu[i], dma[i]);
	return ret;
}
