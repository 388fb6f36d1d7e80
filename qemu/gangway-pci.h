/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HW_GANGWAY_PCI_H
#define HW_GANGWAY_PCI_H

/* Inside hw/gangway: the parts of the device and what they ask of each other. */

#include "compat.h"

#include <gangway/embed.h>

#define TYPE_GANGWAY_PCI "gangway-pci"
OBJECT_DECLARE_SIMPLE_TYPE(GangwayPCI, GANGWAY_PCI)

typedef struct GangwayFunction GangwayFunction;

/**
 * GangwayFunction - an open function, for the device that shows it and for that of its companion
 */
struct GangwayFunction {
	struct gw_vm_function *f;
	unsigned int refs;
};

typedef struct GangwayBAR {
	GangwayPCI *g;
	unsigned int index;
	MemoryRegion mr;			/* trapped accesses */
	MemoryRegion area[GW_MAX_MMAP_AREAS];	/* what of it is mapped */
	unsigned int nr_areas;
} GangwayBAR;

/**
 * GangwayPCI - a device of gangway's as QEMU's guest sees it
 * @function:   of which this is the companion; NULL: it is itself one
 * @own:        bits of config space that QEMU answers; all others are the device's
 * @mode:       GW_IRQ_INTX, _MSI or _MSIX as it is enabled at the device; GW_NR_IRQS none
 * @fired:      vectors that the device's threads raised and the main loop has not seen to
 * @noticed:    likewise of GW_IRQ_ERR and GW_IRQ_REQ, a bit each
 * @call:       first of what the library is given: its threads come in here
 * @asserted:   INTx is up
 */
struct GangwayPCI {
	PCIDevice pdev;

	char *device, *plan, *options;
	uint64_t window, pool_size;
	uint32_t poll_us;
	bool show;
	GangwayPCI *function;

	GangwayFunction *gf;
	struct gw_device *dev;
	GangwayBAR bar[GW_NR_BARS];
	uint8_t own[PCIE_CONFIG_SPACE_SIZE];

	struct gw_irq_call call;
	QEMUBH *bh;
	enum gw_irq mode;
	unsigned long fired[BITS_TO_LONGS(GW_MAX_VECTORS)];
	unsigned long noticed;
	bool asserted;
	int gone_fd;

	MemoryListener listener;
	AddressSpace *as;
	int map_error;				/* the first of those while it is realized */
	QLIST_HEAD(, GangwayIOMMU) iommus;
	Notifier exit;
};

/* gangway-vm.c: what all devices of this QEMU share */

/** gangway_function_open() - as the properties say; said why in @errp. Return: NULL an error */
GangwayFunction *gangway_function_open(GangwayPCI *g, Error **errp);
/** gangway_function_report() - a device has ended: say what of it is left, and what went wrong */
void gangway_function_report(GangwayFunction *f, const char *name);

GangwayFunction *gangway_function_ref(GangwayFunction *f);
void gangway_function_unref(GangwayFunction *f);

/** gangway_say_begin() - what the library says goes to gangway_say_end(), not to the monitor */
void gangway_say_begin(void);

/** gangway_say_end() - @ret 0: nothing; else it, with what was said, becomes @errp */
void gangway_say_end(int ret, const char *what, Error **errp);

/* gangway-config.c: config space, MSI, MSI-X, INTx */

/** gangway_config_load() - take the device's config space over; before BARs are registered */
void gangway_config_load(GangwayPCI *g);

/** gangway_config_init() - the capabilities that are QEMU's; after BARs are registered */
bool gangway_config_init(GangwayPCI *g, Error **errp);
void gangway_config_fini(GangwayPCI *g);
uint32_t gangway_config_read(PCIDevice *pdev, uint32_t addr, int len);
void gangway_config_write(PCIDevice *pdev, uint32_t addr, uint32_t val, int len);

/** gangway_irqs_init() - have the device call us; also after a reset, which forgets it */
void gangway_irqs_init(GangwayPCI *g);

/** gangway_irqs_off() - it calls no more */
void gangway_irqs_off(GangwayPCI *g);

/** gangway_irqs_accessed() - a register was accessed: that is how INTx is served */
void gangway_irqs_accessed(GangwayPCI *g);

/* gangway-dma.c: guest memory */

bool gangway_dma_init(GangwayPCI *g, Error **errp);
void gangway_dma_fini(GangwayPCI *g);

#endif
