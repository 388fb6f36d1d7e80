// SPDX-License-Identifier: GPL-2.0-only
/*
 * A companion that is the other peer of QEMU's ivshmem-doorbell.
 *
 * How it works. Registers are read and written by a mailbox in the first page of the memory that
 * both see, and the ring lies behind it. The doorbell does not wait: who asks looks at memory. So
 * the ring can be used where one cannot sleep, and registers only where one can.
 */

#include <linux/delay.h>
#include <linux/io.h>
#include <linux/module.h>

#include "attach.h"
#include "pair.h"

#define IVSHMEM_VENDOR		0x1af4
#define IVSHMEM_DEVICE		0x1110
#define IVSHMEM_DOORBELL	12
#define MAILBOX_SECONDS		30

static void ivshmem_kick(struct gw_companion *c)
{
	writel(le32_to_cpu(READ_ONCE(c->shared->peer)) << 16, c->regs + IVSHMEM_DOORBELL);
}

static u32 mailbox(struct gw_companion *c, u32 op, u32 reg, u32 value)
{
	unsigned long end = jiffies + MAILBOX_SECONDS * HZ;
	struct gw_shared *s = c->shared;
	__le32 seq;

	guard(mutex)(&c->access);
	seq = cpu_to_le32(le32_to_cpu(s->seq) + 1);
	WRITE_ONCE(s->op, cpu_to_le32(op));
	WRITE_ONCE(s->reg, cpu_to_le32(reg));
	WRITE_ONCE(s->value, cpu_to_le32(value));
	/* what is asked comes before; pairs with the host's acquire of seq */
	virt_store_release(&s->seq, seq);
	ivshmem_kick(c);
	/* pairs with the host's release of done, before which comes the answer */
	while (virt_load_acquire(&s->done) != seq) {
		if (time_after(jiffies, end)) {
			dev_err_ratelimited(c->dev, "does not answer at its mailbox\n");
			return ~0;
		}
		usleep_range(20, 100);
	}
	return le32_to_cpu(READ_ONCE(s->answer));
}

static u32 ivshmem_read(struct gw_companion *c, unsigned int reg)
{
	return mailbox(c, GW_SHARED_READ, reg, 0);
}

static void ivshmem_write(struct gw_companion *c, unsigned int reg, u32 value)
{
	mailbox(c, GW_SHARED_WRITE, reg, value);
}

static const struct gw_transport ivshmem = {
	.read = ivshmem_read,
	.write = ivshmem_write,
	.submit = gw_rings_submit,
	.kick = ivshmem_kick,
};

/* Other programs use this device as well; those have another magic in their memory, or none. */
static int ivshmem_map(struct pci_dev *pdev, struct gw_companion *c)
{
	int ret = pcim_enable_device(pdev);

	if (ret)
		return ret;
	if (pci_resource_len(pdev, 2) < GW_SHARED_BYTES)
		return -ENODEV;
	c->shared = devm_memremap(&pdev->dev, pci_resource_start(pdev, 2), GW_SHARED_BYTES,
				  MEMREMAP_WB);
	if (IS_ERR(c->shared))
		return PTR_ERR(c->shared);
	if (le32_to_cpu(READ_ONCE(c->shared->magic)) != GW_SHARED_MAGIC)
		return -ENODEV;
	c->regs = pcim_iomap_region(pdev, 0, KBUILD_MODNAME);
	return PTR_ERR_OR_ZERO(c->regs);
}

static int ivshmem_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct gw_pair *p = gw_pair_new(&pdev->dev, &ivshmem);
	int ret;

	if (!p)
		return -ENOMEM;
	ret = ivshmem_map(pdev, &p->companion);
	if (ret) {
		gw_pair_put(p);
		return ret;
	}
	return gw_attach(p);
}

static const struct pci_device_id ivshmem_ids[] = {
	{ PCI_DEVICE(IVSHMEM_VENDOR, IVSHMEM_DEVICE) },
	{ }
};
MODULE_DEVICE_TABLE(pci, ivshmem_ids);

struct pci_driver gw_ivshmem_driver = {
	.name = KBUILD_MODNAME "-ivshmem",
	.id_table = ivshmem_ids,
	.probe = ivshmem_probe,
	.remove = gw_attach_pci_remove,
	.shutdown = gw_attach_pci_shutdown,
	.driver.pm = &gw_attach_pm_ops,
};
