// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mistakes made on purpose, one of each kind that a kernel with checks finds by itself, to see
 * that it does. Loading the module makes all of them. That of locks comes first, because the
 * kernel gives up checking locks after the first mistake, and after one with memory.
 */

#include <linux/dma-mapping.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

static DEFINE_MUTEX(lock_a);
static DEFINE_MUTEX(lock_b);
static DEFINE_SPINLOCK(spin);

/* One order here, the other there: some day both wait for ever. */
static void mistake_order(void)
{
	mutex_lock(&lock_a);
	mutex_lock(&lock_b);
	mutex_unlock(&lock_b);
	mutex_unlock(&lock_a);
	mutex_lock(&lock_b);
	mutex_lock(&lock_a);
	mutex_unlock(&lock_a);
	mutex_unlock(&lock_b);
}

static void mistake_sleep(void)
{
	spin_lock(&spin);
	might_sleep();
	spin_unlock(&spin);
}

static void mistake_list(void)
{
	LIST_HEAD(head);
	struct list_head node;

	list_add(&node, &head);
	list_del(&node);
	list_del(&node);
}

/* What is unmapped is less than was mapped. */
static void mistake_dma(void)
{
	struct platform_device *pdev = platform_device_register_simple("trouble-test", -1, NULL, 0);
	void *buf = kzalloc(PAGE_SIZE, GFP_KERNEL);
	dma_addr_t dma;

	if (IS_ERR(pdev) || !buf || dma_coerce_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64)))
		goto out;
	dma = dma_map_single(&pdev->dev, buf, PAGE_SIZE, DMA_TO_DEVICE);
	if (!dma_mapping_error(&pdev->dev, dma))
		dma_unmap_single(&pdev->dev, dma, PAGE_SIZE / 2, DMA_TO_DEVICE);
out:
	kfree(buf);
	if (!IS_ERR(pdev))
		platform_device_unregister(pdev);
}

static void mistake_memory(void)
{
	char *buf = kmalloc(100, GFP_KERNEL), *gone = buf;

	if (!buf)
		return;
	OPTIMIZER_HIDE_VAR(gone);	/* or the compiler tells */
	kfree(buf);
	WRITE_ONCE(gone[42], 1);
}

static int __init trouble_init(void)
{
	mistake_order();
	mistake_sleep();
	mistake_list();
	mistake_dma();
	mistake_memory();
	return 0;
}
module_init(trouble_init);

static void __exit trouble_exit(void)
{
}
module_exit(trouble_exit);

MODULE_DESCRIPTION("Mistakes that a kernel with checks must find");
MODULE_AUTHOR("The gangway authors");
MODULE_LICENSE("GPL");
