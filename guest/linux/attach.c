// SPDX-License-Identifier: GPL-2.0-only
/* What the drivers of companions have in common, whatever these are reached by. */

#include <linux/cc_platform.h>

#include "attach.h"
#include "debug.h"
#include "pair.h"

/**
 * gw_attach() - have a companion serve its function
 * @p: new; its companion's transport works. From here on it is the device's
 *
 * Return: 0, or -errno and @p is put.
 */
int gw_attach(struct gw_pair *p)
{
	struct gw_companion *c = &p->companion;
	int ret = -EOPNOTSUPP;

	if (cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT) || cc_platform_has(CC_ATTR_MEM_ENCRYPT)) {
		dev_err(c->dev, "the host cannot map this guest's memory: it is encrypted\n");
		goto put;
	}
	ret = gw_companion_attach(c);
	if (ret)
		goto put;
	dev_set_drvdata(c->dev, p);
	dev_info(c->dev, "budget %llu MiB in %u mappings of %llu KiB to %llu MiB\n",
		 c->budget_bytes >> 20, c->budget_maps, gw_granule(c) >> 10, c->max_map >> 20);
	gw_debug_add(p);
	ret = gw_pair_add(p);
	if (!ret)
		return 0;
	gw_debug_remove(p);
	gw_companion_detach(c);
put:
	gw_pair_put(p);
	return ret;
}

/* gw_detach() - its device goes, or this module; what was mapped is not any more */
void gw_detach(struct device *dev)
{
	struct gw_pair *p = dev_get_drvdata(dev);

	gw_pair_remove(p);
	gw_debug_remove(p);
	gw_companion_detach(&p->companion);
	gw_pair_put(p);
}

/* gw_attach_shutdown() - for a reboot or kexec: nothing may reach the memory of what comes next */
void gw_attach_shutdown(struct device *dev)
{
	struct gw_pair *p = dev_get_drvdata(dev);

	gw_companion_withdraw(&p->companion);
	gw_companion_pause(&p->companion);
}

/* gw_attach_pci_remove() - gw_detach() for a PCI device */
void gw_attach_pci_remove(struct pci_dev *pdev)
{
	gw_detach(&pdev->dev);
}

/* gw_attach_pci_shutdown() - gw_attach_shutdown() for a PCI device */
void gw_attach_pci_shutdown(struct pci_dev *pdev)
{
	gw_attach_shutdown(&pdev->dev);
}

/* The function cannot be suspended, and what the host has mapped does not survive it. */
static int attach_prepare(struct device *dev)
{
	dev_err(dev, "a guest with a passed-through function cannot be suspended\n");
	return -EOPNOTSUPP;
}

const struct dev_pm_ops gw_attach_pm_ops = {
	.prepare = attach_prepare,
};
