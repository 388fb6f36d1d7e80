/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GANGWAY_ATTACH_H
#define GANGWAY_ATTACH_H

#include <linux/pci.h>
#include <linux/virtio.h>

/* A driver for each way to a companion, and what they have in common. */

struct gw_pair;

extern struct pci_driver gw_bars_driver;	/* a device of its own */
extern struct pci_driver gw_ivshmem_driver;	/* QEMU's ivshmem-doorbell */
extern struct virtio_driver gw_port_driver;	/* a virtio-serial port */

extern const struct dev_pm_ops gw_attach_pm_ops;

int gw_attach(struct gw_pair *p);
void gw_detach(struct device *dev);
void gw_attach_shutdown(struct device *dev);
void gw_attach_pci_remove(struct pci_dev *pdev);
void gw_attach_pci_shutdown(struct pci_dev *pdev);

#endif
