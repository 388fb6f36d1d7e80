/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_INUSE_H
#define CLI_INUSE_H

#include <gangway/topology.h>

#define INUSE_TEXT_SIZE	320

/** What the machine itself does with a function; the worse, the larger. */
enum inuse {
	INUSE_NO,
	INUSE_YES,	/* to be taken away only from someone who knows */
	INUSE_ROOT,	/* the root file system is on it */
};

/**
 * inuse_check() - mounted disks, swap, disks that others are built on, interfaces that are up,
 * virtual functions
 *
 * @text: what it is used for, if it is
 */
enum inuse inuse_check(struct gw_topology *t, const struct gw_pci_node *n,
		       char text[INUSE_TEXT_SIZE]);

#endif
