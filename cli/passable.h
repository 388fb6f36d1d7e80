/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_PASSABLE_H
#define CLI_PASSABLE_H

#include <stdbool.h>

#include <gangway/passable.h>

#define VFIO_DRIVER		"vfio-pci"
#define PASSABLE_TEXT_SIZE	320

/** passable_text() - gw_passable() in words. Return: can it be passed through as it is? */
bool passable_text(struct gw_topology *t, struct gw_pci_node *n, char text[PASSABLE_TEXT_SIZE]);

#endif
