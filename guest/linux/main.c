// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA for functions that gangway passes through to this guest: the module, and the driver of
 * the companion devices. pair.h says how it works.
 */

#include <linux/cc_platform.h>
#include <linux/module.h>

#include "debug.h"
#include "pair.h"
#include "share.h"

bool gw_strict;
module_param_named(strict, gw_strict, bool, 0444);
MODULE_PARM_DESC(strict, "let a device reach memory only while it is mapped by its driver");

enum gw_mode gw_mode = GW_MODE_AUTO;

static const char * const mode_names[] = { "none", "auto", "ranges", "windows" };

static int mode_set(const char *val, const struct kernel_param *param)
{
	int mode = sysfs_match_string(mode_names, val);

	if (mode < GW_MODE_AUTO)
		return -EINVAL;
	gw_mode = mode;
	return 0;
}

static int mode_get(char *buf, const struct kernel_param *param)
{
	return sprintf(buf, "%s\n", mode_names[gw_mode]);
}

static const struct kernel_param_ops mode_ops = { .set = mode_set, .get = mode_get };
module_param_cb(mode, &mode_ops, NULL, 0444);
MODULE_PARM_DESC(mode, "auto; ranges: map RAM once; windows: map blocks of it as needed");

static int companion_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct gw_companion *c;
	struct gw_pair *p;
	u64 cookie;
	int ret;

	if (!gw_pair_cookie(pdev, GW_VENDOR_ROLE_COMPANION, &cookie))
		return -ENODEV;
	if (cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT) || cc_platform_has(CC_ATTR_MEM_ENCRYPT)) {
		dev_err(&pdev->dev, "the host cannot map this guest's memory: it is encrypted\n");
		return -EOPNOTSUPP;
	}
	p = gw_pair_new(pdev);
	if (!p)
		return -ENOMEM;
	c = &p->companion;
	ret = gw_companion_attach(c);
	if (ret)
		goto put;
	pci_set_drvdata(pdev, p);
	pci_save_state(pdev);
	dev_info(&pdev->dev, "budget %llu MiB in %u mappings of %llu KiB to %llu MiB\n",
		 c->budget_bytes >> 20, c->budget_maps, gw_granule(c) >> 10, c->max_map >> 20);
	gw_debug_add(p);
	ret = gw_pair_add(p);
	if (ret)
		goto detach;
	return 0;
detach:
	gw_debug_remove(p);
	gw_companion_detach(c);
put:
	gw_pair_put(p);
	return ret;
}

static void companion_remove(struct pci_dev *pdev)
{
	struct gw_pair *p = pci_get_drvdata(pdev);

	gw_pair_remove(p);
	gw_debug_remove(p);
	gw_companion_detach(&p->companion);
	gw_pair_put(p);
}

/* For a reboot or kexec: nothing may reach the memory of what comes next. */
static void companion_shutdown(struct pci_dev *pdev)
{
	struct gw_pair *p = pci_get_drvdata(pdev);

	gw_companion_withdraw(&p->companion);
	gw_companion_pause(&p->companion);
}

/* The device is reset, or its bus: what was asked has been answered, and nothing more is asked. */
static void companion_reset_prepare(struct pci_dev *pdev)
{
	struct gw_pair *p = pci_get_drvdata(pdev);

	gw_companion_pause(&p->companion);
}

/* The host has kept what was mapped, if it knows us again. */
static int companion_set_up_again(struct pci_dev *pdev)
{
	struct gw_pair *p = pci_get_drvdata(pdev);
	int ret = gw_companion_resume(&p->companion);

	if (!ret) {
		dev_info(&pdev->dev, "set up again after a reset: all is mapped as before\n");
	} else {
		dev_err(&pdev->dev, "was reset, and what was mapped is lost (%d)\n", ret);
		gw_pair_restart(p);
	}
	return ret == -ESTALE ? 0 : ret;
}

static void companion_reset_done(struct pci_dev *pdev)
{
	companion_set_up_again(pdev);
}

static pci_ers_result_t companion_error_detected(struct pci_dev *pdev, pci_channel_state_t state)
{
	companion_reset_prepare(pdev);
	return state == pci_channel_io_perm_failure ? PCI_ERS_RESULT_DISCONNECT :
						      PCI_ERS_RESULT_NEED_RESET;
}

static pci_ers_result_t companion_slot_reset(struct pci_dev *pdev)
{
	pci_restore_state(pdev);
	pci_save_state(pdev);
	return companion_set_up_again(pdev) ? PCI_ERS_RESULT_DISCONNECT : PCI_ERS_RESULT_RECOVERED;
}

static const struct pci_error_handlers companion_errors = {
	.reset_prepare = companion_reset_prepare,
	.reset_done = companion_reset_done,
	.error_detected = companion_error_detected,
	.slot_reset = companion_slot_reset,
};

/* The function cannot be suspended, and what the host has mapped does not survive it. */
static int companion_prepare(struct device *dev)
{
	dev_err(dev, "a guest with a passed-through function cannot be suspended\n");
	return -EOPNOTSUPP;
}

static const struct dev_pm_ops companion_pm_ops = {
	.prepare = companion_prepare,
};

/* Others use these numbers, too: the class as well, and the capability, make a device ours. */
static const struct pci_device_id companion_ids[] = {
	{ PCI_DEVICE(GW_COMPANION_VENDOR, GW_COMPANION_DEVICE), .class = GW_COMPANION_CLASS,
	  .class_mask = 0xffffff },
	{ }
};
MODULE_DEVICE_TABLE(pci, companion_ids);

static struct pci_driver companion_driver = {
	.name = KBUILD_MODNAME,
	.id_table = companion_ids,
	.probe = companion_probe,
	.remove = companion_remove,
	.shutdown = companion_shutdown,
	.err_handler = &companion_errors,
	.driver.pm = &companion_pm_ops,
};

static int __init gangway_init(void)
{
	int ret = gw_pairs_init();

	if (ret)
		return ret;
	gw_debug_init();
	ret = gw_share_init();
	if (ret)
		goto fini;
	ret = pci_register_driver(&companion_driver);
	if (ret)
		goto unshare;
	/* so that functions are there when modprobe returns */
	gw_pairs_flush();
	return 0;
unshare:
	gw_share_fini();
fini:
	gw_debug_fini();
	gw_pairs_fini();
	return ret;
}
module_init(gangway_init);

static void __exit gangway_exit(void)
{
	pci_unregister_driver(&companion_driver);
	gw_pairs_fini();
	gw_share_fini();
	gw_debug_fini();
}
module_exit(gangway_exit);

MODULE_DESCRIPTION("DMA for functions passed through by gangway");
MODULE_AUTHOR("The gangway authors");
MODULE_LICENSE("GPL");
