// SPDX-License-Identifier: GPL-2.0-only
/* What an IOMMU of the guest's own makes possible, and what it must refuse. */

#include <linux/io.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/version.h>

#include "engine.h"

static unsigned int unmapped;
module_param(unmapped, uint, 0444);
MODULE_PARM_DESC(unmapped, "times to reach for what is not mapped any more; it must fail");

static unsigned int refused;
module_param(refused, uint, 0444);
MODULE_PARM_DESC(refused, "result: accesses that failed, as they should");

static int must_fail(u32 command, dma_addr_t dma, const char *what)
{
	int status = engine_status(command, dma, dma, PAGE_SIZE);

	if (status != PROBE_FAILED)
		return FAIL("%s at %#llx: status %d", what, (u64)dma, status);
	refused++;
	return 0;
}

/* What is mapped for reading can be read only; what has been unmapped is out of reach at once. */
static int once_for_reading(void *page)
{
	dma_addr_t dma = dma_map_single(probe.dev, page, PAGE_SIZE, DMA_TO_DEVICE);
	int ret;

	if (dma_mapping_error(probe.dev, dma))
		return FAIL("cannot map");
	ret = check_sum(page, dma, PAGE_SIZE);
	if (!ret)
		ret = must_fail(PROBE_CMD_FILL, dma, "written, though mapped for reading");
	dma_unmap_single(probe.dev, dma, PAGE_SIZE, DMA_TO_DEVICE);
	return ret ? ret : must_fail(PROBE_CMD_SUM, dma, "read after its unmap");
}

static int once_for_writing(u8 *page)
{
	dma_addr_t dma = dma_map_single(probe.dev, page, PAGE_SIZE, DMA_FROM_DEVICE);
	int ret;

	if (dma_mapping_error(probe.dev, dma))
		return FAIL("cannot map");
	ret = engine(PROBE_CMD_FILL, 0, dma, PAGE_SIZE);
	dma_unmap_single(probe.dev, dma, PAGE_SIZE, DMA_FROM_DEVICE);
	if (!ret)
		ret = check_fill(page, PAGE_SIZE);
	memset(page, 0, PAGE_SIZE);
	if (!ret)
		ret = must_fail(PROBE_CMD_FILL, dma, "written after its unmap");
	if (!ret && memchr_inv(page, 0, PAGE_SIZE))
		ret = FAIL("%#llx: what was refused has come all the same", (u64)dma);
	return ret;
}

/* The kernel hands an address out again at once: it must lead to the new page, not to the old. */
int test_unmapped(void)
{
	u8 *page[2] = { (u8 *)__get_free_page(GFP_KERNEL), (u8 *)__get_free_page(GFP_KERNEL) };
	int ret = page[0] && page[1] ? 0 : FAIL("no memory");
	unsigned int i;

	for (i = 0; i < unmapped && !ret; i++) {
		fill(page[i % 2], PAGE_SIZE, i);
		ret = once_for_reading(page[i % 2]);
		if (!ret)
			ret = once_for_writing(page[i % 2]);
	}
	free_page((unsigned long)page[0]);
	free_page((unsigned long)page[1]);
	return ret;
}

static unsigned int pair_ns;
module_param(pair_ns, uint, 0444);
MODULE_PARM_DESC(pair_ns, "result: what it took to map a page and to unmap it");

static int map_pairs(void *page, unsigned int pairs)
{
	ktime_t start = ktime_get();
	unsigned int i;
	dma_addr_t dma;

	for (i = 0; i < pairs; i++) {
		dma = dma_map_single(probe.dev, page, PAGE_SIZE, DMA_TO_DEVICE);
		if (dma_mapping_error(probe.dev, dma))
			return FAIL("cannot map");
		dma_unmap_single(probe.dev, dma, PAGE_SIZE, DMA_TO_DEVICE);
	}
	pair_ns = (unsigned int)div_u64(ktime_to_ns(ktime_sub(ktime_get(), start)), pairs);
	return 0;
}

static int pairs_set(const char *val, const struct kernel_param *kp)
{
	unsigned int pairs;
	void *page;
	int ret = kstrtouint(val, 0, &pairs);

	if (ret || !pairs || !probe.pdev)
		return ret ? ret : -EINVAL;
	page = (void *)__get_free_page(GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	ret = map_pairs(page, pairs);
	free_page((unsigned long)page);
	return ret;
}

static const struct kernel_param_ops pairs_ops = { .set = pairs_set };
module_param_cb(pairs, &pairs_ops, NULL, 0200);
MODULE_PARM_DESC(pairs, "write a number: map and unmap a page so many times");

/* Registers of a device, reached by another or by itself. */
static int resource_reached(dma_addr_t dma)
{
	void *mem = ioremap(pci_resource_start(probe.pdev, 2), PAGE_SIZE);
	u8 *buf = (u8 *)__get_free_page(GFP_KERNEL);
	int ret = mem && buf ? 0 : FAIL("no memory");
	int status;

	if (!ret) {
		memset_io(mem, 0, PAGE_SIZE);
		status = engine_status(PROBE_CMD_FILL, 0, dma, PAGE_SIZE);
		memcpy_fromio(buf, mem, PAGE_SIZE);
		if (status == PROBE_OK)
			ret = check_fill(buf, PAGE_SIZE);
		else if (status != PROBE_FAILED || memchr_inv(buf, 0, PAGE_SIZE))
			ret = FAIL("status %d", status);
		else
			refused++;
		pr_info("resource: %s\n", status == PROBE_OK ? "reached" : "out of reach");
	}
	if (mem)
		iounmap(mem);
	free_page((unsigned long)buf);
	return ret;
}

/* Without an IOMMU they cannot be mapped, and must not look as if. */
int test_resource(void)
{
	dma_addr_t dma = dma_map_resource(probe.dev, pci_resource_start(probe.pdev, 2), PAGE_SIZE,
					  DMA_BIDIRECTIONAL, 0);
	int ret;

	if (dma_mapping_error(probe.dev, dma)) {
		/* that a refused one is not left mapped, older kernels that check do not know */
		if (IS_ENABLED(CONFIG_DMA_API_DEBUG) &&
		    LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0))
			dma_unmap_resource(probe.dev, dma, PAGE_SIZE, DMA_BIDIRECTIONAL, 0);
		return 0;
	}
	if (!device_iommu_mapped(probe.dev) && !ranges)
		return FAIL("mapped at %#llx", (u64)dma);
	ret = resource_reached(dma);
	dma_unmap_resource(probe.dev, dma, PAGE_SIZE, DMA_BIDIRECTIONAL, 0);
	return ret;
}
