// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every DMA operation that Linux offers a driver, tried with the probe function, whose engine
 * copies, fills and sums memory at the addresses it is given; bytes are compared on both sides.
 * Loading the module runs the tests, unless its parameter "later" is set; so does writing to "run".
 * "failed" is then how many failed, and the log has a line for each:
 *   probe-test: NAME: ok
 * or FAILED, after a line that says why.
 */

#include <linux/dma-mapping.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "engine.h"

static unsigned int many = 2000;
module_param(many, uint, 0444);
MODULE_PARM_DESC(many, "pages to map at the same time");

static bool later;
module_param(later, bool, 0444);
MODULE_PARM_DESC(later, "do not run the tests when loaded");

bool ranges;
module_param(ranges, bool, 0444);
MODULE_PARM_DESC(ranges, "memory is mapped once, and the kernel translates");

static bool unwilling;
module_param(unwilling, bool, 0444);
MODULE_PARM_DESC(unwilling, "allocate memory and then do not bind to the function");

static unsigned int failed;
module_param(failed, uint, 0444);
MODULE_PARM_DESC(failed, "result: tests that failed");

/* A buffer out, one in, at odd offsets. */
static int stream(u8 *from, u8 *to, size_t len)
{
	dma_addr_t src = dma_map_single(probe.dev, from, len, DMA_TO_DEVICE), dst;
	int ret;

	if (dma_mapping_error(probe.dev, src))
		return FAIL("cannot map %zu bytes", len);
	dst = dma_map_single(probe.dev, to, len, DMA_FROM_DEVICE);
	if (dma_mapping_error(probe.dev, dst)) {
		dma_unmap_single(probe.dev, src, len, DMA_TO_DEVICE);
		return FAIL("cannot map %zu bytes", len);
	}
	ret = engine(PROBE_CMD_COPY, src, dst, len);
	dma_unmap_single(probe.dev, dst, len, DMA_FROM_DEVICE);
	dma_unmap_single(probe.dev, src, len, DMA_TO_DEVICE);
	if (!ret && memcmp(from, to, len))
		ret = FAIL("%zu bytes: not what was sent", len);
	return ret;
}

static int test_streaming(void)
{
	static const size_t sizes[] = { 1, 3, 511, 4096, 5000, 65536, 131000 };
	u8 *from = kmalloc(SZ_256K, GFP_KERNEL), *to = kmalloc(SZ_256K, GFP_KERNEL);
	unsigned int i;
	int ret = from && to ? 0 : FAIL("no memory");

	for (i = 0; i < ARRAY_SIZE(sizes) && !ret; i++) {
		fill(from, SZ_256K, i);
		ret = stream(from + 256 * i, to + 512 * i + 128, sizes[i]);
	}
	kfree(from);
	kfree(to);
	return ret;
}

/* A part changes, is synced, and is seen, while the whole stays mapped. */
static int test_sync(void)
{
	const size_t size = SZ_64K, at = 20000, len = 4100;
	u8 *buf = kmalloc(size, GFP_KERNEL);
	dma_addr_t dma;
	int ret;

	if (!buf)
		return FAIL("no memory");
	fill(buf, size, 7);
	dma = dma_map_single(probe.dev, buf, size, DMA_BIDIRECTIONAL);
	if (dma_mapping_error(probe.dev, dma)) {
		kfree(buf);
		return FAIL("cannot map");
	}
	ret = engine(PROBE_CMD_FILL, 0, dma + at, len);
	dma_sync_single_range_for_cpu(probe.dev, dma, at, len, DMA_BIDIRECTIONAL);
	if (!ret)
		ret = check_fill(buf + at, len);
	fill(buf + at, len, 99);
	dma_sync_single_for_device(probe.dev, dma + at, len, DMA_BIDIRECTIONAL);
	if (!ret)
		ret = check_sum(buf + at, dma + at, len);
	dma_unmap_single(probe.dev, dma, size, DMA_BIDIRECTIONAL);
	kfree(buf);
	return ret;
}

static int test_twice(void)
{
	u8 *buf = (u8 *)__get_free_page(GFP_KERNEL);
	dma_addr_t a, b;
	int ret;

	if (!buf)
		return FAIL("no memory");
	fill(buf, PAGE_SIZE, 3);
	a = dma_map_single(probe.dev, buf, PAGE_SIZE, DMA_TO_DEVICE);
	b = dma_map_single(probe.dev, buf, PAGE_SIZE, DMA_TO_DEVICE);
	if (dma_mapping_error(probe.dev, a) || dma_mapping_error(probe.dev, b))
		return FAIL("cannot map");
	ret = check_sum(buf, a, PAGE_SIZE);
	dma_unmap_single(probe.dev, a, PAGE_SIZE, DMA_TO_DEVICE);
	if (!ret)
		ret = check_sum(buf, b, PAGE_SIZE);
	dma_unmap_single(probe.dev, b, PAGE_SIZE, DMA_TO_DEVICE);
	free_page((unsigned long)buf);
	return ret;
}

#define SG_PAGES 100

static int sg_run(struct sg_table *sgt)
{
	struct scatterlist *sg;
	int i, ret;

	ret = dma_map_sgtable(probe.dev, sgt, DMA_BIDIRECTIONAL, 0);
	if (ret)
		return FAIL("cannot map: %d", ret);
	for_each_sgtable_dma_sg(sgt, sg, i)
		if (!ret)
			ret = engine(PROBE_CMD_FILL, 0, sg_dma_address(sg), sg_dma_len(sg));
	dma_sync_sgtable_for_cpu(probe.dev, sgt, DMA_BIDIRECTIONAL);
	for_each_sgtable_sg(sgt, sg, i)
		if (!ret)
			ret = check_fill(sg_virt(sg), sg->length);
	for_each_sgtable_sg(sgt, sg, i)
		fill(sg_virt(sg), sg->length, i);
	dma_sync_sgtable_for_device(probe.dev, sgt, DMA_BIDIRECTIONAL);
	/* entries are not merged, as the boundary says */
	for_each_sgtable_sg(sgt, sg, i)
		if (!ret)
			ret = check_sum(sg_virt(sg), sg_dma_address(sg), sg->length);
	dma_unmap_sgtable(probe.dev, sgt, DMA_BIDIRECTIONAL, 0);
	return ret;
}

static int test_sg(void)
{
	struct page *pages[SG_PAGES];
	struct scatterlist *sg;
	struct sg_table sgt;
	int i, n, ret;

	for (n = 0; n < SG_PAGES; n++) {
		pages[n] = alloc_page(GFP_KERNEL);
		if (!pages[n])
			break;
	}
	ret = n < SG_PAGES || sg_alloc_table(&sgt, n, GFP_KERNEL) ? FAIL("no memory") : 0;
	if (!ret) {
		for_each_sgtable_sg(&sgt, sg, i)
			sg_set_page(sg, pages[i], i % 2 ? 1000 : PAGE_SIZE, i % 2 ? 2000 : 0);
		ret = sg_run(&sgt);
		sg_free_table(&sgt);
	}
	while (n--)
		__free_page(pages[n]);
	return ret;
}

/* Pages mapped at a time, with interrupts off, and checked afterwards. */
static int test_atomic(void)
{
	static DEFINE_SPINLOCK(lock);
	dma_addr_t dma[64];
	void *page[64];
	unsigned long flags;
	int i, n, ret = 0;

	for (n = 0; n < 64; n++) {
		page[n] = (void *)__get_free_page(GFP_KERNEL);
		if (!page[n])
			break;
		fill(page[n], PAGE_SIZE, n);
	}
	spin_lock_irqsave(&lock, flags);
	for (i = 0; i < n; i++)
		dma[i] = dma_map_single(probe.dev, page[i], PAGE_SIZE, DMA_TO_DEVICE);
	spin_unlock_irqrestore(&lock, flags);
	for (i = 0; i < n && !ret; i++)
		ret = dma_mapping_error(probe.dev, dma[i]) ? FAIL("cannot map %d", i) :
			check_sum(page[i], dma[i], PAGE_SIZE);
	spin_lock_irqsave(&lock, flags);
	for (i = 0; i < n; i++)
		if (!dma_mapping_error(probe.dev, dma[i]))
			dma_unmap_single(probe.dev, dma[i], PAGE_SIZE, DMA_TO_DEVICE);
	spin_unlock_irqrestore(&lock, flags);
	while (n--)
		free_page((unsigned long)page[n]);
	return ret;
}

static int test_pages(void)
{
	dma_addr_t dma;
	struct page *page;
	int ret;

	page = dma_alloc_pages(probe.dev, SZ_64K, &dma, DMA_BIDIRECTIONAL, GFP_KERNEL);
	if (!page)
		return FAIL("no pages");
	fill(page_address(page), SZ_64K, 5);
	dma_sync_single_for_device(probe.dev, dma, SZ_64K, DMA_BIDIRECTIONAL);
	ret = check_sum(page_address(page), dma, SZ_64K);
	dma_free_pages(probe.dev, SZ_64K, page, dma, DMA_BIDIRECTIONAL);
	return ret;
}

static int test_noncontiguous(void)
{
	struct sg_table *sgt;
	int ret = 0;
	u8 *cpu;

	sgt = dma_alloc_noncontiguous(probe.dev, SZ_256K, DMA_BIDIRECTIONAL, GFP_KERNEL, 0);
	if (!sgt)
		return FAIL("no memory");
	cpu = dma_vmap_noncontiguous(probe.dev, SZ_256K, sgt);
	if (!cpu) {
		ret = FAIL("cannot map it");
	} else {
		struct scatterlist *sg;
		size_t at = 0;
		int i;

		fill(cpu, SZ_256K, 11);
		dma_sync_sgtable_for_device(probe.dev, sgt, DMA_BIDIRECTIONAL);
		for_each_sgtable_dma_sg(sgt, sg, i) {
			if (!ret)
				ret = check_sum(cpu + at, sg_dma_address(sg), sg_dma_len(sg));
			at += sg_dma_len(sg);
		}
		dma_vunmap_noncontiguous(probe.dev, cpu);
	}
	dma_free_noncontiguous(probe.dev, SZ_256K, sgt, DMA_BIDIRECTIONAL);
	return ret;
}

/* As many pages as asked for at the same time, or until there is no more room; then none. */
static int test_many(void)
{
	dma_addr_t *dma = kvcalloc(many, sizeof(*dma), GFP_KERNEL);
	void **page = kvcalloc(many, sizeof(*page), GFP_KERNEL);
	unsigned int i, n = 0;
	int ret = 0;

	if (!dma || !page)
		ret = FAIL("no memory");
	for (n = 0; !ret && n < many; n++) {
		page[n] = (void *)__get_free_page(GFP_KERNEL);
		if (!page[n])
			break;
		fill(page[n], PAGE_SIZE, n);
		dma[n] = dma_map_single(probe.dev, page[n], PAGE_SIZE, DMA_TO_DEVICE);
		if (dma_mapping_error(probe.dev, dma[n])) {
			free_page((unsigned long)page[n]);
			break;
		}
	}
	for (i = 0; i < n && !ret; i += 1 + n / 100)
		ret = check_sum(page[i], dma[i], PAGE_SIZE);
	for (i = 0; i < n; i++) {
		dma_unmap_single(probe.dev, dma[i], PAGE_SIZE, DMA_TO_DEVICE);
		free_page((unsigned long)page[i]);
	}
	kvfree(dma);
	kvfree(page);
	pr_info("many: %u of %u pages at once\n", n, many);
	return ret ? ret : test_streaming();
}

/* Refused, or an address that fits: nothing else is right. */
static int test_mask(void)
{
	u64 mask = *probe.dev->dma_mask, coherent = probe.dev->coherent_dma_mask;
	u8 *buf = (u8 *)__get_free_page(GFP_KERNEL);
	dma_addr_t dma;
	void *cpu;
	int ret = buf ? 0 : FAIL("no memory");

	pr_info("mask: needed %#llx, a mask of 32 bits is %s\n", dma_get_required_mask(probe.dev),
		dma_set_mask(probe.dev, DMA_BIT_MASK(32)) ? "refused" : "taken");
	/* as with a driver that never set it */
	*probe.dev->dma_mask = DMA_BIT_MASK(32);
	probe.dev->coherent_dma_mask = DMA_BIT_MASK(32);
	if (!ret) {
		dma = dma_map_single(probe.dev, buf, PAGE_SIZE, DMA_TO_DEVICE);
		if (!dma_mapping_error(probe.dev, dma)) {
			if (dma + PAGE_SIZE - 1 > U32_MAX)
				ret = FAIL("%#llx is beyond 32 bits", (u64)dma);
			dma_unmap_single(probe.dev, dma, PAGE_SIZE, DMA_TO_DEVICE);
		}
	}
	cpu = dma_alloc_coherent(probe.dev, PAGE_SIZE, &dma, GFP_KERNEL);
	if (cpu) {
		if (dma + PAGE_SIZE - 1 > U32_MAX)
			ret = FAIL("%#llx is beyond 32 bits", (u64)dma);
		dma_free_coherent(probe.dev, PAGE_SIZE, cpu, dma);
	}
	free_page((unsigned long)buf);
	*probe.dev->dma_mask = mask;
	probe.dev->coherent_dma_mask = coherent;
	return ret;
}

/* With an IOMMU, memory that is in one piece for the device may be in many. */
static int check_sgtable(struct sg_table *sgt, const u8 *cpu, size_t size)
{
	struct scatterlist *sg;
	size_t at = 0;
	int i;

	for_each_sgtable_sg(sgt, sg, i) {
		if (sg->length > size - at || memcmp(sg_virt(sg), cpu + at, sg->length))
			return FAIL("piece %d describes other memory", i);
		at += sg->length;
	}
	return at == size ? 0 : FAIL("%zu of %zu bytes are described", at, size);
}

static int test_sgtable(void)
{
	struct sg_table sgt;
	dma_addr_t dma;
	void *cpu = dma_alloc_coherent(probe.dev, SZ_64K, &dma, GFP_KERNEL);
	int ret;

	if (!cpu)
		return FAIL("no memory");
	ret = dma_get_sgtable(probe.dev, &sgt, cpu, dma, SZ_64K);
	if (!ret) {
		fill(cpu, SZ_64K, 1);
		ret = check_sgtable(&sgt, cpu, SZ_64K);
		sg_free_table(&sgt);
	}
	dma_free_coherent(probe.dev, SZ_64K, cpu, dma);
	return ret;
}

static int shared_mmap(struct file *file, struct vm_area_struct *vma)
{
	return dma_mmap_coherent(probe.dev, vma, probe.shared, probe.shared_dma, SZ_64K);
}

static const struct file_operations shared_fops = {
	.owner = THIS_MODULE,
	.mmap = shared_mmap,
};

static struct miscdevice shared_dev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "probe-test",
	.fops = &shared_fops,
};

/* The process that loads the module maps the second half, and writes there. */
static int mmap_run(struct file *file)
{
	unsigned long at = vm_mmap(file, 0, SZ_32K, PROT_READ | PROT_WRITE, MAP_SHARED, SZ_32K);
	u8 *buf = kmalloc(SZ_32K, GFP_KERNEL);
	int ret = 0;

	if (IS_ERR_VALUE(at) || !buf) {
		kfree(buf);
		return FAIL("cannot map: %ld", (long)at);
	}
	fill(buf, SZ_32K, 42);
	if (copy_to_user((void __user *)at, buf, SZ_32K))
		ret = FAIL("cannot write");
	if (!ret)
		ret = check_sum(buf, probe.shared_dma + SZ_32K, SZ_32K);
	if (!ret)
		ret = engine(PROBE_CMD_FILL, 0, probe.shared_dma + SZ_32K, SZ_32K);
	if (!ret && copy_from_user(buf, (void __user *)at, SZ_32K))
		ret = FAIL("cannot read");
	if (!ret)
		ret = check_fill(buf, SZ_32K);
	vm_munmap(at, SZ_32K);
	kfree(buf);
	at = vm_mmap(file, 0, SZ_64K, PROT_READ, MAP_SHARED, SZ_32K);
	if (!IS_ERR_VALUE(at)) {
		vm_munmap(at, SZ_64K);
		ret = FAIL("more can be mapped than there is");
	}
	return ret;
}

static int test_mmap(void)
{
	struct file *file;
	int ret;

	probe.shared = dma_alloc_coherent(probe.dev, SZ_64K, &probe.shared_dma, GFP_KERNEL);
	if (!probe.shared)
		return FAIL("no memory");
	ret = misc_register(&shared_dev);
	if (ret)
		goto free;
	file = filp_open("/dev/probe-test", O_RDWR, 0);
	if (IS_ERR(file)) {
		ret = FAIL("cannot open: %ld", PTR_ERR(file));
	} else {
		ret = mmap_run(file);
		filp_close(file, NULL);
	}
	misc_deregister(&shared_dev);
free:
	dma_free_coherent(probe.dev, SZ_64K, probe.shared, probe.shared_dma);
	return ret;
}

static int test_limits(void)
{
	size_t most = dma_max_mapping_size(probe.dev), best = dma_opt_mapping_size(probe.dev);

	pr_info("limits: at most %zu bytes, best %zu, merge boundary %lu\n", most, best,
		dma_get_merge_boundary(probe.dev));
	return most >= PAGE_SIZE && best <= most ? 0 : FAIL("these cannot be");
}

static const struct {
	const char *name;
	int (*run)(void);
} tests[] = {
	{ "limits", test_limits },
	{ "coherent", test_coherent },
	{ "coherent-atomic", test_coherent_atomic },
	{ "pool", test_pool },
	{ "no-mapping", test_no_mapping },
	{ "tight", test_tight },
	{ "streaming", test_streaming },
	{ "sync", test_sync },
	{ "twice", test_twice },
	{ "sg", test_sg },
	{ "boundary", test_boundary },
	{ "atomic", test_atomic },
	{ "pages", test_pages },
	{ "noncontiguous", test_noncontiguous },
	{ "sgtable", test_sgtable },
	{ "mmap", test_mmap },
	{ "mask", test_mask },
	{ "resource", test_resource },
	{ "many", test_many },
	{ "full", test_full },
	{ "scattered", test_scattered },
	{ "scattered-list", test_scattered_list },
	{ "unmapped", test_unmapped },
};

/* What a driver leaves to the driver core is freed after its probe has failed. */
static int refuse_function(struct pci_dev *pdev)
{
	static const size_t sizes[] = { 256, 4096, SZ_64K, SZ_1M };
	dma_addr_t dma;
	unsigned int i;

	failed = 0;
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		failed += !dmam_alloc_coherent(&pdev->dev, sizes[i], &dma, GFP_KERNEL);
	return -ENODEV;
}

static int function_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	int ret = pcim_enable_device(pdev);

	if (ret)
		return ret;
	probe.regs = pcim_iomap(pdev, 0, 0);
	if (!probe.regs || readl(probe.regs + PROBE_ID) != PROBE_ID_VALUE)
		return -ENODEV;
	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (ret)
		return ret;
	dma_set_max_seg_size(&pdev->dev, UINT_MAX);
	if (unwilling)
		return refuse_function(pdev);
	pci_set_master(pdev);
	ret = pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_MSIX | PCI_IRQ_MSI);
	if (ret < 0)
		return ret;
	ret = request_irq(pci_irq_vector(pdev, 0), probe_irq, 0, "probe-test", &probe);
	if (ret) {
		pci_free_irq_vectors(pdev);
		return ret;
	}
	probe.pdev = pdev;
	probe.dev = &pdev->dev;
	complete_all(&probe.bound);
	return 0;
}

static void function_remove(struct pci_dev *pdev)
{
	free_irq(pci_irq_vector(pdev, 0), &probe);
	pci_free_irq_vectors(pdev);
	pci_clear_master(pdev);
	probe.pdev = NULL;
}

static const struct pci_device_id ids[] = {
	{ PCI_DEVICE(PROBE_VENDOR, PROBE_DEVICE) },
	{ }
};
MODULE_DEVICE_TABLE(pci, ids);

static struct pci_driver driver = {
	.name = "probe-test",
	.id_table = ids,
	.probe = function_probe,
	.remove = function_remove,
};

static void run_tests(void)
{
	unsigned int i;
	int ret;

	failed = 0;
	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		ret = tests[i].run();
		pr_info("%s: %s\n", tests[i].name, ret ? "FAILED" : "ok");
		failed += !!ret;
	}
	pr_info("%u of %zu failed\n", failed, ARRAY_SIZE(tests));
}

static int run_set(const char *val, const struct kernel_param *param)
{
	if (!probe.pdev)
		return -ENODEV;
	run_tests();
	return 0;
}

static const struct kernel_param_ops run_ops = { .set = run_set };
module_param_cb(run, &run_ops, NULL, 0200);
MODULE_PARM_DESC(run, "run the tests");

static int __init probe_test_init(void)
{
	int ret;

	init_completion(&probe.done);
	init_completion(&probe.bound);
	ret = pci_register_driver(&driver);
	if (ret || unwilling)
		return ret;
	if (!wait_for_completion_timeout(&probe.bound, 10 * HZ)) {
		pr_err("there is no function\n");
		failed = 1;
	} else if (!later) {
		run_tests();
	}
	return 0;
}
module_init(probe_test_init);

static void __exit probe_test_exit(void)
{
	pci_unregister_driver(&driver);
}
module_exit(probe_test_exit);

MODULE_DESCRIPTION("Test of DMA operations with gangway's probe function");
MODULE_AUTHOR("The gangway authors");
MODULE_LICENSE("GPL");
