// SPDX-License-Identifier: GPL-2.0-only
/* A companion that is a PCI device: registers in BAR0, the ring in memory of the guest's. */

#include <linux/io.h>
#include <linux/module.h>

#include "attach.h"
#include "pair.h"

static u32 bars_read(struct gw_companion *c, unsigned int reg)
{
	return readl(c->regs + reg);
}

static void bars_write(struct gw_companion *c, unsigned int reg, u32 value)
{
	writel(value, c->regs + reg);
}

static void bars_kick(struct gw_companion *c)
{
	bars_write(c, GW_REG_RING_DOORBELL, 1);
}

static const struct gw_transport bars = {
	.read = bars_read,
	.write = bars_write,
	.submit = gw_rings_submit,
	.kick = bars_kick,
};

static int bars_map(struct pci_dev *pdev, struct gw_companion *c)
{
	int ret = pcim_enable_device(pdev);

	if (ret)
		return ret;
	c->regs = pcim_iomap_region(pdev, 0, KBUILD_MODNAME);
	if (IS_ERR(c->regs))
		return PTR_ERR(c->regs);
	/* where memory is does not matter: what the function sees is an IOVA */
	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (ret)
		return ret;
	pci_set_master(pdev);
	return 0;
}

static int bars_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct gw_pair *p;
	u64 cookie;
	int ret;

	if (!gw_pair_cookie(pdev, GW_VENDOR_ROLE_COMPANION, &cookie))
		return -ENODEV;
	p = gw_pair_new(&pdev->dev, &bars);
	if (!p)
		return -ENOMEM;
	ret = bars_map(pdev, &p->companion);
	if (ret) {
		gw_pair_put(p);
		return ret;
	}
	ret = gw_attach(p);
	if (!ret)
		pci_save_state(pdev);
	return ret;
}

/* The device is reset, or its bus: what was asked has been answered, and nothing more is asked. */
static void bars_reset_prepare(struct pci_dev *pdev)
{
	struct gw_pair *p = pci_get_drvdata(pdev);

	gw_companion_pause(&p->companion);
}

/* The host has kept what was mapped, if it knows us again. */
static int bars_set_up_again(struct pci_dev *pdev)
{
	struct gw_pair *p = pci_get_drvdata(pdev);
	int ret = gw_companion_resume(&p->companion);

	if (!ret) {
		dev_info(&pdev->dev, "set up again after a reset: all is mapped as before\n");
	} else {
		dev_err(&pdev->dev, "was reset, and what was mapped is lost (%d)\n", ret);
		gw_pair_do(p, GW_PAIR_RESTART);
	}
	return ret == -ESTALE ? 0 : ret;
}

static void bars_reset_done(struct pci_dev *pdev)
{
	bars_set_up_again(pdev);
}

static pci_ers_result_t bars_error_detected(struct pci_dev *pdev, pci_channel_state_t state)
{
	bars_reset_prepare(pdev);
	return state == pci_channel_io_perm_failure ? PCI_ERS_RESULT_DISCONNECT :
						      PCI_ERS_RESULT_NEED_RESET;
}

static pci_ers_result_t bars_slot_reset(struct pci_dev *pdev)
{
	pci_restore_state(pdev);
	pci_save_state(pdev);
	return bars_set_up_again(pdev) ? PCI_ERS_RESULT_DISCONNECT : PCI_ERS_RESULT_RECOVERED;
}

static const struct pci_error_handlers bars_errors = {
	.reset_prepare = bars_reset_prepare,
	.reset_done = bars_reset_done,
	.error_detected = bars_error_detected,
	.slot_reset = bars_slot_reset,
};

/* Others use these numbers, too: the class as well, and the capability, make a device ours. */
static const struct pci_device_id bars_ids[] = {
	{ PCI_DEVICE(GW_COMPANION_VENDOR, GW_COMPANION_DEVICE), .class = GW_COMPANION_CLASS,
	  .class_mask = 0xffffff },
	{ }
};
MODULE_DEVICE_TABLE(pci, bars_ids);

struct pci_driver gw_bars_driver = {
	.name = KBUILD_MODNAME,
	.id_table = bars_ids,
	.probe = bars_probe,
	.remove = gw_attach_pci_remove,
	.shutdown = gw_attach_pci_shutdown,
	.err_handler = &bars_errors,
	.driver.pm = &gw_attach_pm_ops,
};
