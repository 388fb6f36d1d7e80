// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA for functions that gangway passes through to this guest: the module, and the driver of
 * the companion devices.
 */

#include <linux/cc_platform.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "gangway-dma.h"

bool gw_strict;
module_param_named(strict, gw_strict, bool, 0444);
MODULE_PARM_DESC(strict, "let a device reach memory only while it is mapped by its driver");

static bool use_ring = true;
module_param_named(ring, use_ring, bool, 0444);
MODULE_PARM_DESC(ring, "ask the host by the ring, if it has one; else by the command page");

/**
 * gw_companion_submit() - have the host do what is asked
 * @c:        the companion
 * @requests: list of struct gw_request; the answers are left in them
 *
 * Return: 0 if all were answered, well or badly; -EIO if the companion does not work.
 * Context: any; does not sleep.
 */
int gw_companion_submit(struct gw_companion *c, struct list_head *requests)
{
	if (list_empty(requests))
		return 0;
	if (c->rings.hdr)
		return gw_rings_submit(c, requests);
	return gw_regs_submit(c, requests);
}

static void companion_release(struct kref *ref)
{
	struct gw_companion *c = container_of(ref, struct gw_companion, ref);

	free_percpu(c->stats);
	kfree(c);
}

/**
 * gw_companion_put() - drop a reference
 * @c: the companion
 */
void gw_companion_put(struct gw_companion *c)
{
	kref_put(&c->ref, companion_release);
}

/* What is plugged into this slot: a companion that we can work with? */
static int companion_identify(struct gw_companion *c)
{
	struct device *dev = &c->pdev->dev;
	u32 magic = gw_regs_read(c, GW_REG_MAGIC);
	u32 abi = gw_regs_read(c, GW_REG_ABI);

	if (magic != GW_COMPANION_MAGIC) {
		dev_err(dev, "not gangway's (it reads %#x): this needs another driver\n", magic);
		return -ENODEV;
	}
	if (abi > GW_COMPANION_ABI) {
		dev_err(dev, "speaks version %u, and this module up to %u: install a newer one\n",
			abi, GW_COMPANION_ABI);
		return -ENODEV;
	}
	c->features = gw_regs_read(c, GW_REG_FEATURES);
	c->granule_shift = gw_regs_read(c, GW_REG_GRANULE_SHIFT);
	c->budget_bytes = gw_regs_read64(c, GW_REG_BUDGET_BYTES_LO);
	c->budget_maps = gw_regs_read(c, GW_REG_BUDGET_MAPS);
	c->max_map = gw_regs_read64(c, GW_REG_MAX_MAP_LO);
	c->iova_bits = clamp(gw_regs_read(c, GW_REG_IOVA_BITS), 1U, 64U);
	c->cookie = gw_regs_read64(c, GW_REG_COOKIE_LO);
	if (c->granule_shift < 12 || c->granule_shift > 30 || c->max_map < gw_granule(c)) {
		dev_err(dev, "maps multiples of 2^%u bytes, up to %llu: that cannot be\n",
			c->granule_shift, c->max_map);
		return -EINVAL;
	}
	return 0;
}

static int companion_attach(struct gw_companion *c)
{
	struct pci_dev *pdev = c->pdev;
	int ret = pcim_enable_device(pdev);

	if (ret)
		return ret;
	c->regs = pcim_iomap_region(pdev, 0, KBUILD_MODNAME);
	if (IS_ERR(c->regs))
		return PTR_ERR(c->regs);
	ret = companion_identify(c);
	if (ret)
		return ret;
	if (c->features & GW_FEATURE_PAGE) {
		c->page = pcim_iomap_region(pdev, 2, KBUILD_MODNAME);
		if (IS_ERR(c->page))
			return PTR_ERR(c->page);
	}
	/* where memory is does not matter: what the function sees is an IOVA */
	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (ret)
		return ret;
	pci_set_master(pdev);
	return use_ring && c->features & GW_FEATURE_RING ? gw_rings_start(c) : gw_regs_init(c);
}

static void companion_detach(struct gw_companion *c)
{
	gw_rings_stop(c);
	gw_regs_fini(c);
}

static struct gw_companion *companion_new(struct pci_dev *pdev)
{
	struct gw_companion *c = kzalloc(sizeof(*c), GFP_KERNEL);

	if (!c)
		return NULL;
	c->stats = alloc_percpu(struct gw_stats);
	if (!c->stats) {
		kfree(c);
		return NULL;
	}
	kref_init(&c->ref);
	INIT_LIST_HEAD(&c->node);
	mutex_init(&c->control);
	spin_lock_init(&c->regs_lock);
	spin_lock_init(&c->rings.lock);
	c->pdev = pdev;
	gw_space_init(&c->space, c);
	gw_coherent_init(&c->coherent, &c->space);
	return c;
}

static int companion_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct gw_companion *c;
	int ret;

	if (cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT)) {
		dev_err(&pdev->dev, "the host cannot map this guest's memory: it is encrypted\n");
		return -EOPNOTSUPP;
	}
	c = companion_new(pdev);
	if (!c)
		return -ENOMEM;
	ret = companion_attach(c);
	if (ret)
		goto put;
	pci_set_drvdata(pdev, c);
	dev_info(&pdev->dev, "budget %llu MiB in %u mappings of %llu KiB to %llu MiB\n",
		 c->budget_bytes >> 20, c->budget_maps, gw_granule(c) >> 10, c->max_map >> 20);
	gw_debug_add(c);
	ret = gw_pairs_add(c);
	if (ret)
		goto detach;
	return 0;
detach:
	gw_debug_remove(c);
	companion_detach(c);
put:
	gw_companion_put(c);
	return ret;
}

static void companion_remove(struct pci_dev *pdev)
{
	struct gw_companion *c = pci_get_drvdata(pdev);

	gw_pairs_remove(c);
	gw_debug_remove(c);
	companion_detach(c);
	gw_companion_put(c);
}

/* For a reboot or kexec: nothing may reach the memory of what comes next. */
static void companion_shutdown(struct pci_dev *pdev)
{
	struct gw_companion *c = pci_get_drvdata(pdev);

	mutex_lock(&c->control);
	gw_regs_control(c, GW_CONTROL_WITHDRAW);
	c->gone = true;
	mutex_unlock(&c->control);
	gw_rings_quiesce(c);
}

/* The function cannot be suspended, and what the host has mapped does not survive it. */
static int companion_prepare(struct device *dev)
{
	dev_err(dev, "a guest with a passed-through function cannot be suspended\n");
	return -EOPNOTSUPP;
}

static const struct dev_pm_ops companion_pm_ops = {
	.prepare = companion_prepare,
};

static const struct pci_device_id companion_ids[] = {
	{ PCI_DEVICE(GW_COMPANION_VENDOR, GW_COMPANION_DEVICE) },
	{ }
};
MODULE_DEVICE_TABLE(pci, companion_ids);

static struct pci_driver companion_driver = {
	.name = KBUILD_MODNAME,
	.id_table = companion_ids,
	.probe = companion_probe,
	.remove = companion_remove,
	.shutdown = companion_shutdown,
	.driver.pm = &companion_pm_ops,
};

static int __init gangway_init(void)
{
	int ret = gw_pairs_init();

	if (ret)
		return ret;
	gw_debug_init();
	ret = pci_register_driver(&companion_driver);
	if (ret) {
		gw_debug_fini();
		gw_pairs_fini();
		return ret;
	}
	/* so that functions are there when modprobe returns */
	flush_workqueue(gw_workqueue);
	return 0;
}
module_init(gangway_init);

static void __exit gangway_exit(void)
{
	pci_unregister_driver(&companion_driver);
	gw_pairs_fini();
	gw_debug_fini();
}
module_exit(gangway_exit);

MODULE_DESCRIPTION("DMA for functions passed through by gangway");
MODULE_AUTHOR("The gangway authors");
MODULE_LICENSE("GPL");
