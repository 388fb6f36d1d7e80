// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pairs: which function a companion serves, and how.
 *
 * How it works. Both carry the same cookie in a vendor capability. When a driver is about to be
 * bound to the function, a notifier of the PCI bus tells, with the function's device lock held and
 * after the bus has set up DMA: then memory is mapped, and it is unmapped when the driver is gone,
 * and with it what it had the driver core free. So it does not matter which of companion, function
 * and this module appears first, and nothing is changed under a driver that runs. A function whose
 * companion is missing can be bound, but is refused all memory.
 *
 * The function is hidden until its companion announces that this module translates, so after
 * that slots are scanned again. That is left to work, as a companion can be probed, and removed,
 * with the lock of scans held. A driver holds the module: to unload it, unbind the driver.
 */

#include <linux/dma-direct.h>
#include <linux/memory.h>
#include <linux/module.h>
#include <linux/pfn.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>
#include <linux/swiotlb.h>

#include "compat.h"
#include "ops.h"
#include "pair.h"

#define VIRTIO_VENDOR	0x1af4
#define VIRTIO_MEM	0x1058

static struct workqueue_struct *pairs_workqueue;

/* Protects the list, and the function of each. */
static DEFINE_MUTEX(gw_pairs_lock);
static LIST_HEAD(gw_pairs);

static void pair_release(struct kref *ref)
{
	struct gw_pair *p = container_of(ref, struct gw_pair, ref);

	gw_companion_fini(&p->companion);
	kfree(p);
}

/**
 * gw_pair_put() - drop a reference
 * @p: the pair
 */
void gw_pair_put(struct gw_pair *p)
{
	kref_put(&p->ref, pair_release);
}

/**
 * gw_pair_cookie() - read what a companion and its function have in common
 * @pdev:   a device
 * @role:   GW_VENDOR_ROLE_* that it must have
 * @cookie: the cookie
 *
 * Return: has it one?
 */
bool gw_pair_cookie(struct pci_dev *pdev, u8 role, u64 *cookie)
{
	u8 at = pci_find_capability(pdev, PCI_CAP_ID_VNDR), len, its;
	u32 lo, hi;
	u16 magic;

	for (; at; at = pci_find_next_capability(pdev, at, PCI_CAP_ID_VNDR)) {
		pci_read_config_byte(pdev, at + offsetof(struct gw_vendor_cap, len), &len);
		pci_read_config_byte(pdev, at + offsetof(struct gw_vendor_cap, role), &its);
		pci_read_config_word(pdev, at + offsetof(struct gw_vendor_cap, magic), &magic);
		if (len != GW_VENDOR_CAP_LEN || its != role || magic != GW_VENDOR_CAP_MAGIC)
			continue;
		pci_read_config_dword(pdev, at + offsetof(struct gw_vendor_cap, cookie), &lo);
		pci_read_config_dword(pdev, at + offsetof(struct gw_vendor_cap, cookie) + 4, &hi);
		*cookie = (u64)hi << 32 | lo;
		return true;
	}
	return false;
}

static struct gw_pair *pair_find(u64 cookie)
{
	struct gw_pair *p;

	lockdep_assert_held(&gw_pairs_lock);
	list_for_each_entry(p, &gw_pairs, node)
		if (p->companion.cookie == cookie)
			return p;
	return NULL;
}

/**
 * gw_pair_of() - which pair serves a function
 * @function: domain << 16 | bus << 8 | devfn
 *
 * Return: it, with a reference; NULL if none does, or no driver is bound to the function.
 */
struct gw_pair *gw_pair_of(u32 function)
{
	struct gw_pair *p, *found = NULL;

	mutex_lock(&gw_pairs_lock);
	list_for_each_entry(p, &gw_pairs, node)
		if (p->function && (pci_domain_nr(p->function->bus) << 16 |
				    pci_dev_id(p->function)) == function)
			found = p;
	if (found)
		kref_get(&found->ref);
	mutex_unlock(&gw_pairs_lock);
	return found;
}

/* Why memory cannot be mapped for the function, or NULL. */
static const char *function_unfit(struct gw_pair *p, struct device *dev)
{
	if (!p || p->leaving)
		return "its companion is missing";
	if (p->function)
		return "its companion serves another";
	if (gw_has_dma_ops(dev))
		return "it has other DMA operations";
	if (use_dma_iommu(dev))
		return "it is behind an IOMMU of the guest";
	return NULL;
}

/* Memory of virtio-mem comes and goes in pieces that no notifier tells of. */
static bool memory_is_fickle(void)
{
	struct pci_dev *pdev = pci_get_device(VIRTIO_VENDOR, VIRTIO_MEM, NULL);

	pci_dev_put(pdev);
	return pdev;
}

/* Why mode windows is out of the question, or NULL. */
static const char *windows_unfit(const struct gw_pair *p, struct device *dev)
{
	if (!p->companion.transport->kick)
		return "who maps would have to sleep, as its companion is at a port";
	if (!IS_ENABLED(CONFIG_ARCH_HAS_DMA_OPS))
		return "its kernel, built without CONFIG_ARCH_HAS_DMA_OPS, has mode ranges only";
	if (!dev_is_dma_coherent(dev))
		return "the CPU does not see what it writes, so it has mode ranges only";
	if (is_swiotlb_force_bounce(dev))
		return "its kernel copies all memory, so it has mode ranges only";
	return NULL;
}

/* Have memory mapped as the mode says. Return why that cannot be, or NULL. */
static const char *function_open(struct gw_pair *p, struct device *dev)
{
	const char *unfit = windows_unfit(p, dev);
	bool windows = !unfit && gw_mode != GW_MODE_RANGES;
	int ret = gw_ram_find(&p->ram, gw_granule(&p->companion));

	if (ret)
		return ret == -ENOSPC ? "RAM is in too many places" : "RAM cannot be found";
	if (gw_strict)
		p->why = "strict=1";
	else if (gw_mode == GW_MODE_WINDOWS)
		p->why = "mode=windows";
	else if (windows && memory_is_fickle())
		p->why = "there is virtio-mem";
	else if (!gw_ranges_open(&p->ranges, dev, &p->ram, !windows, &p->why))
		p->mode = GW_MODE_RANGES;
	else if (!windows)
		return p->why;
	if (p->mode != GW_MODE_RANGES) {
		if (unfit)
			return unfit;
		gw_space_open(&p->space, dev, &p->ram, gw_strict);
		gw_ops_set(&p->space);
		p->mode = GW_MODE_WINDOWS;
		dev_info(dev, "gangway: RAM is mapped as needed, %s: %s\n",
			 gw_strict ? "no longer than in use" : "in blocks", p->why);
		return NULL;
	}
	p->why = "the budget covers RAM";
	if (p->ranges.missing)
		p->why = "the kernel copies what is not mapped";
	dev_info(dev, "gangway: %llu MiB of RAM are mapped, in %u ranges; addresses have %u bits\n",
		 p->ranges.bytes >> 20, p->ranges.nr, gw_ranges_bits(&p->ranges));
	return NULL;
}

/*
 * The driver has gone. So has what it mapped, and if not we see to that. This is the first of the
 * resources that the driver core has for this binding, so it is the last to be given up. The last
 * thing done is safe, as whoever unloads the module has to lock the device first.
 */
static void function_release(void *data)
{
	struct gw_pair *p = data;
	struct pci_dev *pdev = p->function;

	mutex_lock(&gw_pairs_lock);
	gw_companion_control(&p->companion, GW_CONTROL_UNMAP_ALL);
	if (p->mode == GW_MODE_RANGES) {
		gw_ranges_close(&p->ranges);
	} else {
		gw_ops_unset(&p->space);
		gw_space_close(&p->space);
	}
	gw_ram_free(&p->ram);
	p->mode = GW_MODE_NONE;
	if (p->link)
		device_link_del(p->link);
	p->function = NULL;
	mutex_unlock(&gw_pairs_lock);
	pci_dev_put(pdev);
	module_put(THIS_MODULE);
}

/* Have a companion serve a function, until its driver has gone. Return why it cannot, or NULL. */
static const char *function_serve(struct gw_pair *p, struct pci_dev *pdev)
{
	struct device *dev = &pdev->dev;
	const char *unfit;

	if (devm_add_action(dev, function_release, p))
		return "there is not enough memory";
	unfit = function_open(p, dev);
	if (unfit) {
		devm_remove_action(dev, function_release, p);
		gw_ram_free(&p->ram);
		return unfit;
	}
	p->function = pci_dev_get(pdev);
	p->link = device_link_add(dev, p->companion.dev, DL_FLAG_STATELESS);
	return NULL;
}

/*
 * A function that cannot be served can be bound, but gets no address: it seems to have no DMA, and
 * none of memory is in reach of it.
 */
static void function_refuse(struct device *dev, const char *why)
{
	dev_err(dev, "gangway: no memory can be mapped for this function: %s\n", why);
	if (!dev->dma_range_map)
		dev->dma_range_map = kzalloc(sizeof(*dev->dma_range_map), GFP_KERNEL);
	dev->dma_mask = NULL;
}

/* A driver is about to be bound. */
static void function_bind(struct pci_dev *pdev)
{
	struct device *dev = &pdev->dev;
	const char *unfit;
	struct gw_pair *p;
	u64 cookie;

	/* the second: a kernel that tests how drivers are removed binds twice */
	if (!gw_pair_cookie(pdev, GW_VENDOR_ROLE_FUNCTION, &cookie) || !dev->dma_mask)
		return;
	mutex_lock(&gw_pairs_lock);
	/* when this module goes, the host has unmapped everything: nothing to refuse is left */
	if (!try_module_get(THIS_MODULE))
		goto unlock;
	p = pair_find(cookie);
	unfit = function_unfit(p, dev);
	if (!unfit)
		unfit = function_serve(p, pdev);
	if (unfit)
		function_refuse(dev, unfit);
	/* it may be set from when another driver was bound, and is only looked at if set */
	dma_reset_need_sync(dev);
unlock:
	mutex_unlock(&gw_pairs_lock);
}

/* The driver of a function that was refused has gone, or was not bound in the end. */
static void function_unrefuse(struct pci_dev *pdev)
{
	u64 cookie;

	if (pdev->dev.dma_mask || !gw_pair_cookie(pdev, GW_VENDOR_ROLE_FUNCTION, &cookie))
		return;
	pdev->dev.dma_mask = &pdev->dma_mask;
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

/* Memory comes or goes, and a function has all of it mapped. */
static int ranges_notify(struct gw_pair *p, unsigned long action, phys_addr_t start,
			 phys_addr_t last)
{
	int ret = 0;

	switch (action) {
	case MEM_GOING_ONLINE:
		ret = gw_ranges_online(&p->ranges, start, last);
		if (ret)
			dev_err(p->ranges.dev,
				"gangway: memory at %pa cannot be used, as it cannot be mapped (%d): unbind the driver first\n",
				&start, ret);
		break;
	case MEM_ONLINE:
		gw_ranges_settle(&p->ranges, start, last);
		break;
	case MEM_GOING_OFFLINE:
	case MEM_CANCEL_OFFLINE:
		gw_taken_leave(&p->ranges.taken, start, last, action == MEM_GOING_OFFLINE);
		break;
	case MEM_CANCEL_ONLINE:
	case MEM_OFFLINE:
		gw_ranges_offline(&p->ranges, start, last);
		break;
	}
	return ret;
}

static int memory_notify_pairs(struct notifier_block *nb, unsigned long action, void *data)
{
	const struct memory_notify *m = data;
	phys_addr_t start = PFN_PHYS(m->start_pfn), last = start + PFN_PHYS(m->nr_pages) - 1;
	struct gw_pair *p;
	int ret = 0;

	mutex_lock(&gw_pairs_lock);
	list_for_each_entry(p, &gw_pairs, node) {
		if (ret)
			break;
		if (p->mode == GW_MODE_RANGES)
			ret = ranges_notify(p, action, start, last);
		else if (p->mode == GW_MODE_WINDOWS && action == MEM_OFFLINE)
			gw_space_offline(&p->space, start, last);
	}
	mutex_unlock(&gw_pairs_lock);
	return notifier_from_errno(ret);
}

static struct notifier_block memory_notifier = {
	.notifier_call = memory_notify_pairs,
};

/* Find a function by its cookie; the caller puts it. */
static struct pci_dev *function_find(u64 wanted)
{
	struct pci_dev *pdev = NULL;
	u64 cookie;

	for_each_pci_dev(pdev)
		if (gw_pair_cookie(pdev, GW_VENDOR_ROLE_FUNCTION, &cookie) && cookie == wanted)
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

static void pair_announce(struct gw_pair *p)
{
	struct pci_dev *pdev = function_find(p->companion.cookie);
	struct pci_bus *bus = NULL;
	int ret = gw_companion_control(&p->companion, GW_CONTROL_ANNOUNCE);

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
}

/* The companion hides the function again: take leave of it. */
static void pair_forget(struct gw_pair *p)
{
	pci_stop_and_remove_bus_device_locked(p->hidden);
	pci_dev_put(p->hidden);
}

/* All that its driver had mapped is not mapped any more: it has to start again. */
static void pair_restart(struct gw_pair *p)
{
	struct pci_dev *pdev;

	mutex_lock(&gw_pairs_lock);
	pdev = pci_dev_get(p->function);
	mutex_unlock(&gw_pairs_lock);
	if (pdev)
		function_rebind(pdev);
	pci_dev_put(pdev);
}

static void pair_work(struct work_struct *work)
{
	struct gw_pair *p = container_of(work, struct gw_pair, work);

	if (test_and_clear_bit(GW_PAIR_ANNOUNCE, &p->todo))
		pair_announce(p);
	if (test_and_clear_bit(GW_PAIR_RESTART, &p->todo))
		pair_restart(p);
	if (test_and_clear_bit(GW_PAIR_FORGET, &p->todo))
		pair_forget(p);
	gw_pair_put(p);
}

/* gw_pair_do() - do something where scans and drivers can be waited for: GW_PAIR_* */
void gw_pair_do(struct gw_pair *p, unsigned int what)
{
	set_bit(what, &p->todo);
	kref_get(&p->ref);
	if (!queue_work(pairs_workqueue, &p->work))
		gw_pair_put(p);
}

/**
 * gw_pair_new() - make a pair, which has no function yet
 * @dev:       its companion
 * @transport: the way to that
 *
 * Return: the pair, with one reference, or NULL.
 */
struct gw_pair *gw_pair_new(struct device *dev, const struct gw_transport *transport)
{
	struct gw_pair *p = kzalloc(sizeof(*p), GFP_KERNEL);

	if (!p)
		return NULL;
	if (gw_companion_init(&p->companion, dev, transport)) {
		kfree(p);
		return NULL;
	}
	kref_init(&p->ref);
	INIT_LIST_HEAD(&p->node);
	INIT_WORK(&p->work, pair_work);
	p->mode = GW_MODE_NONE;
	p->ranges.companion = &p->companion;
	gw_space_init(&p->space, &p->companion);
	return p;
}

/**
 * gw_pair_add() - have a companion serve its function, now or when that appears
 * @p: the pair, whose companion works
 *
 * Return: 0, -EEXIST if another has the same cookie.
 */
int gw_pair_add(struct gw_pair *p)
{
	int ret = 0;

	mutex_lock(&gw_pairs_lock);
	if (pair_find(p->companion.cookie))
		ret = -EEXIST;
	else
		list_add_tail(&p->node, &gw_pairs);
	mutex_unlock(&gw_pairs_lock);
	if (ret) {
		dev_err(p->companion.dev, "has the cookie %#llx of another\n",
			p->companion.cookie);
		return ret;
	}
	gw_pair_do(p, GW_PAIR_ANNOUNCE);
	return 0;
}

/**
 * gw_pair_remove() - have a companion serve nothing any more
 * @p: the pair; its function's driver is unbound
 */
void gw_pair_remove(struct gw_pair *p)
{
	struct pci_dev *pdev;

	/* from here on a function that is bound is refused memory */
	mutex_lock(&gw_pairs_lock);
	p->leaving = true;
	pdev = pci_dev_get(p->function);
	mutex_unlock(&gw_pairs_lock);
	if (!pdev)
		pdev = function_find(p->companion.cookie);
	if (pdev)
		device_release_driver(&pdev->dev);

	mutex_lock(&gw_pairs_lock);
	list_del(&p->node);
	mutex_unlock(&gw_pairs_lock);

	gw_companion_withdraw(&p->companion);
	if (pdev && p->companion.features & GW_FEATURE_HIDDEN) {
		p->hidden = pdev;
		gw_pair_do(p, GW_PAIR_FORGET);
	} else {
		pci_dev_put(pdev);
	}
}

/**
 * gw_pairs_init() - watch for drivers that are bound to functions, and for memory
 *
 * Return: 0 or -errno.
 */
int gw_pairs_init(void)
{
	int ret;

	pairs_workqueue = alloc_ordered_workqueue("gangway-dma", 0);
	if (!pairs_workqueue)
		return -ENOMEM;
	ret = register_memory_notifier(&memory_notifier);
	if (ret)
		goto destroy;
	ret = bus_register_notifier(&pci_bus_type, &pairs_notifier);
	if (ret)
		goto unregister;
	return 0;
unregister:
	unregister_memory_notifier(&memory_notifier);
destroy:
	destroy_workqueue(pairs_workqueue);
	return ret;
}

/* gw_pairs_flush() - wait for what is under way: functions are there then */
void gw_pairs_flush(void)
{
	flush_workqueue(pairs_workqueue);
}

/* gw_pairs_fini() - the last companion has gone; wait for what is under way */
void gw_pairs_fini(void)
{
	destroy_workqueue(pairs_workqueue);
	bus_unregister_notifier(&pci_bus_type, &pairs_notifier);
	unregister_memory_notifier(&memory_notifier);
}
