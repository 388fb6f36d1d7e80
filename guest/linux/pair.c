// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pairs: which function a companion serves, and giving that function its DMA operations.
 *
 * How it works. Both carry the same cookie in a vendor capability. Operations are set when a
 * driver is about to be bound, from a notifier of the PCI bus, with the function's device lock
 * held and after the bus has set up DMA; they are taken away when the driver is gone, and with it
 * what it had the driver core free. So it does not matter which of companion, function and this
 * module appears first, and nothing is changed under a driver that runs. A function whose
 * companion is missing can be bound, but is refused all memory.
 *
 * The function is hidden until its companion announces that this module translates, so after
 * that slots are scanned again. That is left to work, as a companion can be probed, and removed,
 * with the lock of scans held. A driver holds the module: to unload it, unbind the driver.
 */

#include <linux/module.h>
#include <linux/pm_runtime.h>

#include "gangway-dma.h"

#define ROLE_FUNCTION	1	/* in the capability */

struct workqueue_struct *gw_workqueue;

/* Protects the list, and the function of each. */
static DEFINE_MUTEX(gw_companions_lock);
static LIST_HEAD(gw_companions);

/* Read the cookie of a function that a companion serves. */
static bool function_cookie(struct pci_dev *pdev, u64 *cookie)
{
	u8 at = pci_find_capability(pdev, PCI_CAP_ID_VNDR), len, role;
	u32 lo, hi;
	u16 magic;

	for (; at; at = pci_find_next_capability(pdev, at, PCI_CAP_ID_VNDR)) {
		pci_read_config_byte(pdev, at + offsetof(struct gw_vendor_cap, len), &len);
		pci_read_config_byte(pdev, at + offsetof(struct gw_vendor_cap, role), &role);
		pci_read_config_word(pdev, at + offsetof(struct gw_vendor_cap, magic), &magic);
		if (len != GW_VENDOR_CAP_LEN || role != ROLE_FUNCTION ||
		    magic != GW_VENDOR_CAP_MAGIC)
			continue;
		pci_read_config_dword(pdev, at + offsetof(struct gw_vendor_cap, cookie), &lo);
		pci_read_config_dword(pdev, at + offsetof(struct gw_vendor_cap, cookie) + 4, &hi);
		*cookie = (u64)hi << 32 | lo;
		return true;
	}
	return false;
}

static struct gw_companion *companion_find(u64 cookie)
{
	struct gw_companion *c;

	lockdep_assert_held(&gw_companions_lock);
	list_for_each_entry(c, &gw_companions, node)
		if (c->cookie == cookie)
			return c;
	return NULL;
}

/* Why memory cannot be mapped for the function, or NULL. */
static const char *function_unfit(struct gw_companion *c, struct device *dev)
{
	if (!c || c->leaving)
		return "its companion is missing";
	if (c->function)
		return "its companion serves another";
	if (dev->dma_ops)
		return "it has other DMA operations";
	if (use_dma_iommu(dev))
		return "it is behind an IOMMU of the guest";
	if (dev_is_dma_coherent(dev) != dev_is_dma_coherent(&c->pdev->dev))
		return "its caches behave unlike its companion's";
	return NULL;
}

/*
 * The driver has gone. So has what it mapped, and if not we see to that. This is the first of the
 * resources that the driver core has for this binding, so it is the last to be given up.
 */
static void function_release(void *data)
{
	struct gw_companion *c = data;
	struct pci_dev *pdev = c->function;

	mutex_lock(&gw_companions_lock);
	set_dma_ops(&pdev->dev, NULL);
	gw_coherent_close(&c->coherent);
	mutex_lock(&c->control);
	gw_regs_control(c, GW_CONTROL_UNMAP_ALL);
	mutex_unlock(&c->control);
	gw_space_close(&c->space);
	c->function = NULL;
	mutex_unlock(&gw_companions_lock);
	pci_dev_put(pdev);
	module_put(THIS_MODULE);
}

/* Have a companion serve a function, until its driver has gone. Return why it cannot, or NULL. */
static const char *function_serve(struct gw_companion *c, struct pci_dev *pdev)
{
	struct device *dev = &pdev->dev;

	if (devm_add_action(dev, function_release, c))
		return "there is not enough memory";
	if (gw_space_open(&c->space, dev)) {
		devm_remove_action(dev, function_release, c);
		return "there is not enough memory";
	}
	gw_ops_init(&c->space);
	gw_coherent_open(&c->coherent);
	c->function = pci_dev_get(pdev);
	set_dma_ops(dev, &c->space.ops);
	return NULL;
}

/* A driver is about to be bound: the function gets operations, or those that refuse. */
static void function_bind(struct pci_dev *pdev)
{
	struct device *dev = &pdev->dev;
	struct gw_companion *c;
	const char *unfit;
	u64 cookie;

	if (!function_cookie(pdev, &cookie))
		return;
	mutex_lock(&gw_companions_lock);
	/* when this module goes, the host has unmapped everything: nothing to refuse is left */
	if (!try_module_get(THIS_MODULE))
		goto unlock;
	c = companion_find(cookie);
	unfit = function_unfit(c, dev);
	if (!unfit)
		unfit = function_serve(c, pdev);
	if (unfit) {
		dev_err(dev, "gangway: no memory can be mapped for this function: %s\n", unfit);
		set_dma_ops(dev, &gw_refuse_ops);
	}
	/* it may be set from when another driver was bound, and is only looked at if set */
	dma_reset_need_sync(dev);
unlock:
	mutex_unlock(&gw_companions_lock);
}

/* The driver of a function that was refused has gone, or was not bound in the end. */
static void function_unrefuse(struct pci_dev *pdev)
{
	if (pdev->dev.dma_ops != &gw_refuse_ops)
		return;
	set_dma_ops(&pdev->dev, NULL);
	module_put(THIS_MODULE);
}

static int pairs_notify(struct notifier_block *nb, unsigned long action, void *data)
{
	struct pci_dev *pdev = to_pci_dev(data);

	switch (action) {
	case BUS_NOTIFY_BIND_DRIVER:
		function_bind(pdev);
		break;
	case BUS_NOTIFY_UNBOUND_DRIVER:
	case BUS_NOTIFY_DRIVER_NOT_BOUND:
		function_unrefuse(pdev);
		break;
	}
	return NOTIFY_OK;
}

static struct notifier_block pairs_notifier = {
	.notifier_call = pairs_notify,
};

/* Find a function by its cookie; the caller puts it. */
static struct pci_dev *function_find(u64 wanted)
{
	struct pci_dev *pdev = NULL;
	u64 cookie;

	for_each_pci_dev(pdev)
		if (function_cookie(pdev, &cookie) && cookie == wanted)
			return pdev;
	return NULL;
}

/* Have a driver that was there first start again, with our operations. */
static void function_rebind(struct pci_dev *pdev)
{
	struct device *dev = &pdev->dev;

	if (dev->driver)
		dev_info(dev, "gangway: starting its driver again\n");
	device_release_driver(dev);
	if (device_attach(dev) < 0)
		dev_warn(dev, "gangway: its driver did not start again\n");
}

/*
 * Look for functions that have appeared on a bus. pci_rescan_bus() is not for this: where Linux
 * numbers the buses itself, as on arm64, it cuts off what is behind each bridge for a moment, and
 * drivers are at work there.
 */
static void bus_scan(struct pci_bus *bus)
{
	bool empty = list_empty(&bus->devices);
	unsigned int slot, found = 0;

	if (bus->self)
		pm_runtime_get_sync(&bus->self->dev);
	for (slot = 0; slot < 32; slot++)
		found += pci_scan_slot(bus, PCI_DEVFN(slot, 0));
	if (found) {
		if (empty && bus->self)
			pci_assign_unassigned_bridge_resources(bus->self);
		else
			pci_assign_unassigned_bus_resources(bus);
		pcie_bus_configure_settings(bus);
		pci_bus_add_devices(bus);
	}
	if (bus->self)
		pm_runtime_put(&bus->self->dev);
}

static void bus_scan_tree(struct pci_bus *bus)
{
	struct pci_bus *child;

	bus_scan(bus);
	list_for_each_entry(child, &bus->children, node)
		bus_scan_tree(child);
}

static void pair_announce(struct work_struct *work)
{
	struct gw_companion *c = container_of(work, struct gw_companion, announce);
	struct pci_dev *pdev = function_find(c->cookie);
	struct pci_bus *bus = NULL;
	int ret;

	mutex_lock(&c->control);
	ret = gw_regs_control(c, GW_CONTROL_ANNOUNCE);
	mutex_unlock(&c->control);
	if (pdev) {
		if (!ret)
			function_rebind(pdev);
		pci_dev_put(pdev);
	} else if (!ret) {
		pci_lock_rescan_remove();
		while ((bus = pci_find_next_bus(bus)))
			bus_scan_tree(bus);
		pci_unlock_rescan_remove();
	}
	gw_companion_put(c);
}

/* The companion hides the function again: take leave of it. */
static void pair_forget(struct work_struct *work)
{
	struct gw_companion *c = container_of(work, struct gw_companion, forget);

	pci_stop_and_remove_bus_device_locked(c->hidden);
	pci_dev_put(c->hidden);
	gw_companion_put(c);
}

/**
 * gw_pairs_add() - have a companion serve its function, now or when that appears
 * @c: the companion, which works
 *
 * Return: 0, -EEXIST if another has the same cookie.
 */
int gw_pairs_add(struct gw_companion *c)
{
	int ret = 0;

	INIT_WORK(&c->announce, pair_announce);
	INIT_WORK(&c->forget, pair_forget);
	mutex_lock(&gw_companions_lock);
	if (companion_find(c->cookie))
		ret = -EEXIST;
	else
		list_add_tail(&c->node, &gw_companions);
	mutex_unlock(&gw_companions_lock);
	if (ret) {
		dev_err(&c->pdev->dev, "has the cookie %#llx of another\n", c->cookie);
		return ret;
	}
	kref_get(&c->ref);
	queue_work(gw_workqueue, &c->announce);
	return 0;
}

/**
 * gw_pairs_remove() - have a companion serve nothing any more
 * @c: the companion; its function's driver is unbound
 */
void gw_pairs_remove(struct gw_companion *c)
{
	struct pci_dev *pdev;

	/* from here on, who binds is refused */
	mutex_lock(&gw_companions_lock);
	c->leaving = true;
	pdev = pci_dev_get(c->function);
	mutex_unlock(&gw_companions_lock);
	if (!pdev)
		pdev = function_find(c->cookie);
	if (pdev)
		device_release_driver(&pdev->dev);

	mutex_lock(&gw_companions_lock);
	list_del(&c->node);
	mutex_unlock(&gw_companions_lock);

	mutex_lock(&c->control);
	gw_regs_control(c, GW_CONTROL_WITHDRAW);
	c->gone = true;
	mutex_unlock(&c->control);
	if (pdev && c->features & GW_FEATURE_HIDDEN) {
		c->hidden = pdev;
		kref_get(&c->ref);
		queue_work(gw_workqueue, &c->forget);
	} else {
		pci_dev_put(pdev);
	}
}

/**
 * gw_pairs_init() - watch for drivers that are bound to functions
 *
 * Return: 0 or -errno.
 */
int gw_pairs_init(void)
{
	int ret;

	gw_workqueue = alloc_ordered_workqueue("gangway-dma", 0);
	if (!gw_workqueue)
		return -ENOMEM;
	ret = bus_register_notifier(&pci_bus_type, &pairs_notifier);
	if (ret)
		destroy_workqueue(gw_workqueue);
	return ret;
}

/* gw_pairs_fini() - the last companion has gone; wait for what is under way */
void gw_pairs_fini(void)
{
	destroy_workqueue(gw_workqueue);
	bus_unregister_notifier(&pci_bus_type, &pairs_notifier);
}
