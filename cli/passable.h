/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_PASSABLE_H
#define CLI_PASSABLE_H

#include <stdbool.h>

#include <gangway/topology.h>

#define VFIO_DRIVER		"vfio-pci"
#define PASSABLE_TEXT_SIZE	160

/** passable_never() - a bridge of some kind, which no guest can have */
bool passable_never(const struct gw_pci_node *n);

/** passable() - can it be passed through as it is? @text: why not; the topology was scanned */
bool passable(struct gw_topology *t, struct gw_pci_node *n, char text[PASSABLE_TEXT_SIZE]);

/**
 * passable_next() - the functions that go together with @n, itself among them, without bridges
 * @at: the one before, or NULL to begin
 */
struct gw_pci_node *passable_next(struct gw_topology *t, const struct gw_pci_node *n,
				  struct gw_pci_node *at);

#endif
