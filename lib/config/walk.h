/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GW_CONFIG_WALK_H
#define GW_CONFIG_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include <gangway/pci.h>

/*
 * The capability lists of a config space, wherever it is read. The driver extension of a Mac is
 * built with this, too, so there is no errno.
 */

/**
 * struct gw_pci_source - where a config space is read
 * @get: a register of 1, 2 or 4 bytes. Return: 0; else the walk ends
 */
struct gw_pci_source {
	int (*get)(void *opaque, unsigned int off, unsigned int width, uint32_t *val);
	void *opaque;
};

/**
 * struct gw_pci_walk - one way through one list; zeroed but for the first two to begin
 * @from: stays the caller's
 * @ext:  the extended list (PCI Express 5.0, 7.6), else the other (PCI 3.0, 6.7)
 */
struct gw_pci_walk {
	const struct gw_pci_source *from;
	bool ext;

	/* private */
	bool begun;
	unsigned int next;
	uint64_t seen[GW_PCI_CFG_SIZE / 4 / 64];
};

/**
 * gw_pci_walk_on() - the next capability of the list
 *
 * Return: 1, and @id and @off are its; 0: that was the last; -1: the list loops, points outside or
 * cannot be read from here on.
 */
int gw_pci_walk_on(struct gw_pci_walk *w, unsigned int *id, unsigned int *off);

/** gw_pci_find() - the first capability @id. Return: 1, 0 or -1, likewise */
int gw_pci_find(const struct gw_pci_source *from, bool ext, unsigned int id, unsigned int *off);

#endif
