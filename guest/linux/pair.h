/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef GANGWAY_PAIR_H
#define GANGWAY_PAIR_H

/*
 * How it works. A companion device maps guest memory for one function, and answers at which
 * addresses (IOVAs) the function reaches it. When a driver binds to the function, pair.c chooses
 * how that is used: RAM is mapped once and the kernel translates (mode ranges: ranges.c, extent.c),
 * or blocks of it are mapped as needed and the function gets DMA operations of its own (mode
 * windows: ops.c, space.c, block.c). Requests go to the host by a ring (ring.c), whose doorbell and
 * registers are those of a device of its own (bars.c) or in QEMU's shared memory (ivshmem.c); or by
 * a port (port.c), where one has to sleep.
 *
 * Lock order: device lock or that of memory hotplug, gw_pairs_lock, control, access; and of those
 * held with interrupts off, space->fill_lock, rings->lock. space->lock is held alone or in
 * fill_lock, and never while the host is asked.
 */

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/pci.h>
#include <linux/workqueue.h>

#include "companion.h"
#include "ranges.h"
#include "space.h"

enum gw_mode {
	GW_MODE_AUTO,		/* ranges where they cover RAM, else windows where these can be */
	GW_MODE_RANGES,
	GW_MODE_WINDOWS,
	GW_MODE_NONE,		/* no driver is bound */
};

enum {
	GW_PAIR_ANNOUNCE,	/* have the function appear */
	GW_PAIR_FORGET,		/* have the function, hidden again, removed */
	GW_PAIR_RESTART,	/* have its driver start again */
};

/**
 * struct gw_pair - a companion and the function that it serves
 * @ref:       held by the driver of the companion and by work under way
 * @node:      in the list of all
 * @companion: the companion
 * @function:  what it serves, while a driver is bound to that; this and the next four under
 *             gw_pairs_lock
 * @link:      has the function go before the companion
 * @leaving:   serves no driver that is bound from now on
 * @mode:      how it does so
 * @why:       why in that way
 * @ram:       where RAM is
 * @ranges:    what mode ranges needs
 * @space:     what mode windows needs
 * @hidden:    the function that is to be removed
 * @work:      does what is to be done without locks
 * @todo:      that: bits, GW_PAIR_*
 * @debugfs:   its folder
 */
struct gw_pair {
	struct kref ref;
	struct list_head node;
	struct gw_companion companion;
	struct pci_dev *function;
	struct device_link *link;
	bool leaving;
	enum gw_mode mode;
	const char *why;
	struct gw_ram ram;
	struct gw_ranges ranges;
	struct gw_space space;
	struct pci_dev *hidden;
	struct work_struct work;
	unsigned long todo;
	struct dentry *debugfs;
};

extern enum gw_mode gw_mode;
extern bool gw_strict;

int gw_pairs_init(void);
void gw_pairs_fini(void);
void gw_pairs_flush(void);
bool gw_pair_cookie(struct pci_dev *pdev, u8 role, u64 *cookie);
struct gw_pair *gw_pair_new(struct device *dev, const struct gw_transport *transport);
struct gw_pair *gw_pair_of(u32 function);
void gw_pair_put(struct gw_pair *p);
int gw_pair_add(struct gw_pair *p);
void gw_pair_remove(struct gw_pair *p);
void gw_pair_do(struct gw_pair *p, unsigned int what);

#endif
